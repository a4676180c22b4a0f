import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Route } from '../../../src/apply/route.ts'
import type { Batch, Step } from '../../../src/model/batch.ts'
import type { Change, StreamItem } from '../../../src/model/change.ts'
import type { TableState } from '../../../src/model/checkpoint.ts'
import { describePositions } from '../../../src/model/position.ts'
import type { Table } from '../../../src/model/table.ts'
import { textsOf, tupleOf } from '../../../src/model/tuple.ts'
import { type BatchOptions, batches, type Limits } from '../../../src/stream/batches.ts'
import { Feed } from '../../../testkit/memory/feed.ts'
import { runOf } from '../../../testkit/memory/runs.ts'
import { textTable } from '../../../testkit/memory/tables.ts'
import { compare, place } from '../places.ts'

type Commit = Extract<StreamItem, { kind: 'commit' }>

export const [table, other] = ['1', '2'].map((id) =>
  textTable({ id, columns: ['id'], identity: { by: 'key', columns: [0] } }),
) as [Table, Table]

export const insert = (id: string, into = table): Change => ({
  kind: 'insert',
  table: into,
  row: tupleOf([id]),
  old: null,
})

export function commit(
  order: number,
  changes: readonly Change[] = [insert(String(order))],
): Commit {
  const transaction = `x${order}`
  return { kind: 'commit', transaction, changes, positions: place(order), committedAt: 1n }
}

export const run = (...commits: readonly Commit[]): StreamItem => ({
  kind: 'run',
  run: runOf(commits),
})
export const part = (order: number, ...changes: readonly Change[]): StreamItem => ({
  kind: 'part',
  transaction: `x${order}`,
  sub: null,
  changes,
})
export const progress = (order: number): StreamItem => ({
  kind: 'progress',
  positions: place(order),
})

export const wide: Limits = {
  rows: 1000,
  bytes: 1 << 20,
  memory: 1 << 20,
  directory: '/nowhere',
  idleMillis: 3_600_000,
  idleDistance: 1_000_000n,
}

export interface Bench {
  readonly feed: Feed
  readonly drain: AbortController
  /** `busy` is the work with the batch before. */
  next(busy?: Promise<void>): Promise<Batch | null>
  leave(): Promise<void>
}

export function bench(
  t: TestContext,
  over: Partial<BatchOptions> & { limits?: Limits } = {},
): Bench {
  const feed = new Feed()
  const drain = new AbortController()
  const flow = batches({
    stream: (signal) => feed.stream(signal),
    after: place(0),
    route: new Route(compare, []),
    compare,
    limits: wide,
    awaited: () => false,
    drain: drain.signal,
    ahead: true,
    growing: false,
    ...over,
  })
  // Whoever waits for a batch holds no timer or socket here; this keeps the process up.
  const alive = setInterval(() => undefined, 1000)
  const leave = async (): Promise<void> => {
    clearInterval(alive)
    await flow.return(undefined)
  }
  t.after(leave)
  return {
    feed,
    drain,
    leave,
    next: async (busy) => {
      const { value } = await flow.next(busy)
      return value ?? null
    },
  }
}

export async function spillFolder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-batches-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Lets everything happen that can without anything new from outside. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn()
}

export const span = (batch: Batch | null): string =>
  batch === null
    ? 'end'
    : `${describePositions(batch.previous)}..${describePositions(batch.positions)}`

export async function stepsOf(batch: Batch | null): Promise<readonly Step[]> {
  const steps: Step[] = []
  for await (const { steps: some } of batch?.parts ?? []) steps.push(...some)
  return steps
}

export async function idsOf(batch: Batch | null): Promise<readonly string[]> {
  const steps = await stepsOf(batch)
  return steps.flatMap((step) =>
    step.kind === 'insert' ? [...step.rows].map((row) => String(textsOf(row)[0])) : [step.kind],
  )
}

/** What a copy that stands at `start` says of its table. */
export const copiedAt = (of: Table, start: number): TableState => ({
  table: of,
  target: of,
  mode: 'exact',
  state: 'copied',
  start: place(start),
  rowsCopied: 0,
})
