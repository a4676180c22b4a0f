import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import type { Change } from '../../../../src/model/change.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { covers, type Positions } from '../../../../src/model/position.ts'
import type { Table } from '../../../../src/model/table.ts'
import { openPostgresSource } from '../../../../src/source/postgres/index.ts'
import type { CatchUp, Selection, Source, Way } from '../../../../src/source/source.ts'
import { apart } from '../../../../testkit/memory/runs.ts'
import type { TestDatabase } from '../../../../testkit/servers/index.ts'

export const never = new AbortController().signal

/** Tests may be told to read the log in windows, in which transactions come whole. */
export const inWindows = ['always', 'random'].includes(process.env['HOLDFAST_CATCHUP'] ?? '')

/** Such a source streams, whatever tests are told. */
export const streamsOnly: CatchUp = { distance: null, millis: 0, memory: 4 << 20 }

export const endpointOf = (url: string) => parseUrl(url, 'the test')

/** A source of this database, closed after the test. */
export async function sourceOf(
  t: TestContext,
  db: Pick<TestDatabase, 'url'>,
  options: {
    readonly mirror?: string
    readonly selection?: Partial<Selection>
    readonly notice?: (text: string) => void
    readonly way?: (way: Way) => void
    readonly catchUp?: CatchUp
  } = {},
): Promise<Source> {
  const source = await openPostgresSource({
    endpoint: endpointOf(db.url),
    mirror: options.mirror ?? slotSafe(db.url),
    selection: { include: [], exclude: [], keyless: 'append', ...options.selection },
    ...(options.notice === undefined ? {} : { notice: options.notice }),
    ...(options.way === undefined ? {} : { way: options.way }),
    ...(options.catchUp === undefined ? {} : { catchUp: options.catchUp }),
  })
  t.after(() => source[Symbol.asyncDispose]())
  return source
}

/** Slots are the server's, so that tests of one server need names of their own. */
function slotSafe(url: string): string {
  return new URL(url).pathname
    .slice(1)
    .replaceAll(/[^a-z0-9_]/g, '_')
    .slice(0, 40)
}

export interface Started {
  readonly source: Source
  readonly tables: readonly Table[]
  readonly positions: Positions
}

/** Publication and slot made, nothing copied. */
export async function started(
  t: TestContext,
  db: Pick<TestDatabase, 'url'>,
  options: Parameters<typeof sourceOf>[2] = {},
): Promise<Started> {
  const source = await sourceOf(t, db, options)
  const { tables } = await source.inspect()
  await source.prepare(tables)
  await using snapshot = await source.snapshot({ keep: true }, never)
  return { source, tables, positions: snapshot.positions }
}

/** A transaction put together from its parts, rolled back sub-transactions left out. */
export interface Whole {
  readonly changes: readonly Change[]
  readonly positions: Positions
  /** How many parts it came in before its commit. */
  readonly parts: number
}

/** Puts transactions together as the core does, but plainly. */
export class Gatherer {
  readonly wholes: Whole[] = []
  #open = new Map<string, { sub: string | null; changes: readonly Change[] }[]>()
  reached: Positions = new Map()

  take(item: ReturnType<typeof apart>[number]): void {
    if (item.kind === 'progress') {
      this.reached = item.positions
      return
    }
    const { transaction } = item
    const parts = this.#open.get(transaction) ?? []
    if (item.kind === 'part')
      this.#open.set(transaction, [...parts, { sub: item.sub, changes: [...item.changes] }])
    else if (item.kind === 'discard' && item.sub === null) this.#open.delete(transaction)
    else if (item.kind === 'discard') {
      this.#open.set(
        transaction,
        parts.filter(({ sub }) => sub !== item.sub),
      )
    } else {
      this.#open.delete(transaction)
      const changes = [...parts.flatMap((part) => part.changes), ...item.changes]
      this.wholes.push({ changes, positions: item.positions, parts: parts.length })
      this.reached = item.positions
    }
  }
}

export interface ReadOptions {
  readonly tables: readonly Table[]
  readonly encoding?: string
  readonly acknowledge?: boolean
  /** Ends when true, beside the fence. */
  readonly enough?: (gatherer: Gatherer) => boolean
}

/** Reads from `after` until everything that is committed now has come. */
export async function readOn(
  source: Source,
  after: Positions,
  options: ReadOptions,
): Promise<Gatherer> {
  const gatherer = new Gatherer()
  const fence = await source.fence()
  const { tables, encoding = 'pg-text' } = options
  for await (const burst of source.stream(after, { tables, encoding }, never)) {
    for (const item of burst.flatMap(apart)) {
      gatherer.take(item)
      if (options.enough?.(gatherer) === true) return gatherer
    }
    if (options.acknowledge === true) source.acknowledge(gatherer.reached)
    if (covers(source.compare, gatherer.reached, fence)) return gatherer
  }
  return gatherer
}

/** Fails unless `work` throws a Fault with this code. */
export async function faults(code: string, work: Promise<unknown> | (() => Promise<unknown>)) {
  let caught: unknown
  try {
    await (typeof work === 'function' ? work() : work)
  } catch (error) {
    caught = error
  }
  assert.ok(caught instanceof Fault, `no fault but ${String(caught)}`)
  assert.equal(caught.code, code, caught.message)
  return caught
}
