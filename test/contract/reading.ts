import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inOrder } from '../../src/apply/ordered.ts'
import type { Changes } from '../../src/model/changes.ts'
import { covers, type Positions, settled } from '../../src/model/position.ts'
import type { Table } from '../../src/model/table.ts'
import { unframe } from '../../src/model/tuple.ts'
import type { Snapshot, Source } from '../../src/source/source.ts'
import { Assembler } from '../../src/stream/assemble.ts'
import { contentsOf } from '../../testkit/memory/database.ts'
import { Rows, type State } from '../../testkit/memory/rows.ts'
import { carryOut } from '../../testkit/memory/steps.ts'
import { StoreTransaction } from '../../testkit/memory/store.ts'
import type { Contents } from './writes.ts'

export const never = new AbortController().signal

/** A transaction of a stream, whole. */
export interface Read {
  readonly positions: Positions
  readonly changes: Changes
}

export interface ReadOptions {
  readonly source: Source
  readonly after: Positions
  readonly tables: readonly Table[]
  readonly encoding?: string
}

/** Everything that a stream brings until it has passed what is committed now. */
export async function readAll(options: ReadOptions): Promise<readonly Read[]> {
  const fence = await options.source.fence()
  return readUntil(options, (reached) => covers(options.source.compare, reached, fence))
}

/** What a stream brings until a place is good enough, transactions without a change left out. */
export async function readUntil(
  { source, after, tables, encoding = 'values' }: ReadOptions,
  enough: (reached: Positions) => boolean,
): Promise<readonly Read[]> {
  const stop = new AbortController()
  const directory = join(tmpdir(), `holdfast-contract-${process.pid}`)
  await using assembler = new Assembler({ memory: 1 << 30, directory })
  const all: Read[] = []
  if (enough(after)) return all
  for await (const burst of source.stream(after, { tables, encoding }, stop.signal)) {
    let reached: Positions = new Map()
    for (const item of burst) {
      const taken = await assembler.take(item)
      if (item.kind === 'progress') reached = item.positions
      if (taken === null) continue
      assert.equal(taken.spill, null)
      for (let i = 0; i < taken.run.length; i++) {
        const changes = taken.run.changesOf(i)
        const positions = settled(taken.run.places.positions(i))
        if (changes.length > 0) all.push({ positions, changes })
      }
      reached = taken.run.last
    }
    if (enough(reached)) break
  }
  stop.abort()
  return all
}

/** Every row of a snapshot, in chunks that are read at the same time. */
export async function copyOf(
  source: Source,
  snapshot: Snapshot,
  tables: readonly Table[],
): Promise<State> {
  const rows = new Rows(new Map())
  for (const table of tables) {
    rows.make(table)
    const chunks = await snapshot.chunks(table, 8192)
    assert.ok(chunks.length > 0, 'a table has at least one chunk')
    assert.deepEqual(
      chunks.map(({ index, of }) => [index, of]),
      chunks.map((_, i) => [i, chunks.length]),
    )
    assert.ok(source.encodings(table).copy.includes('values'))
    await Promise.all(
      chunks.map(async (chunk) => {
        for await (const piece of snapshot.read(chunk, 'values', never))
          for (const tuple of unframe(piece)) rows.put(table.id, tuple)
      }),
    )
  }
  return rows.state
}

/** Rows with transactions applied to them one by one, as strictly as a target must. */
export function withChanges(state: State, transactions: readonly Read[]): State {
  const store = { mirrors: new Map(), tables: state }
  const applied = new StoreTransaction(store, new Map())
  for (const { changes } of transactions)
    for (const step of inOrder([changes], () => 'exact')) carryOut(step, applied)
  return applied.image.tables
}

export function assertSame(got: Contents | State, wanted: Contents): void {
  const [first] = got.values()
  const isState = first !== undefined && 'table' in first
  assert.deepEqual(
    [...(isState ? contentsOf(got as State) : (got as Contents))],
    [...wanted].filter(([name]) => !isState || name !== 'aside'),
  )
}
