import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { collapse } from '../../src/apply/collapse.ts'
import { planOf } from '../../src/mirror/plan.ts'
import type { Batch, Step, Stretch } from '../../src/model/batch.ts'
import { Changes } from '../../src/model/changes.ts'
import { Fault } from '../../src/model/fault.ts'
import type { Positions } from '../../src/model/position.ts'
import type { Table } from '../../src/model/table.ts'
import type { Source } from '../../src/source/source.ts'
import type { Claim, Target } from '../../src/target/target.ts'
import { mirrorOptions } from '../../testkit/memory/pair.ts'
import { never, type Read, readAll } from './reading.ts'
import type { SourceStand } from './source.ts'
import { type Contents, firstRows, type Write } from './writes.ts'

/** A target without tables, and a source to take rows from. */
export interface TargetStand {
  readonly from: SourceStand
  /** The encoding that rows stream in, and the one that they are copied in. */
  readonly encoding: { readonly stream: string; readonly copy: string }
  /** A chunk is not one transaction: a copy that was broken off is begun anew. */
  readonly copiesPiecemeal?: boolean
  /** A target of one mirror; the same mirror every time. */
  open(source: Source): Promise<Target>
  contents(): Promise<Contents>
  /** Whoever holds the mirror now looks dead to others, whatever it is. */
  abandon(): Promise<void>
}

export type TargetFixture = (t: TestContext) => Promise<TargetStand>

export interface Bench extends TargetStand {
  readonly source: Source
  readonly target: Target
  readonly claim: Claim
  readonly tables: readonly Table[]
  /** The checkpoint. */
  at(): Promise<Positions>
  /** What a transaction of these writes is, read from the source in the encoding. */
  read(...writes: readonly Write[]): Promise<Read>
  apply(batch: Batch): Promise<void>
  /** The target holds what the source holds. */
  same(): Promise<void>
}

export const request = { settings: { some: 'setting' }, patience: 0 }

/** Everything is copied. */
export async function bench(t: TestContext, fixture: TargetFixture): Promise<Bench> {
  const born = await unborn(t, fixture)
  const { source, target, tables, encoding } = born
  await using snapshot = await source.snapshot({ keep: true }, never)
  const { positions } = snapshot
  await target.begin(tables, { positions, source: await source.identity(), first: true })
  for (const table of tables) {
    for (const chunk of await snapshot.chunks(table, 4096)) {
      const data = snapshot.read(chunk, encoding.copy, never)
      assert.equal((await target.copy(chunk, { encoding: encoding.copy, data }, never)) > 0, true)
    }
    await target.copied(table)
  }
  await target.finish()
  return born
}

/** Tables are prepared at both ends and nothing is copied. */
export async function unborn(t: TestContext, fixture: TargetFixture): Promise<Bench> {
  const stand = await fixture(t)
  const { from, encoding } = stand
  await transact(from, firstRows)
  const source = await from.open()
  const blueprint = await source.inspect()
  const { tables } = blueprint
  const target = await stand.open(source)
  const claim = await target.claim(request, never)
  t.after(() => claim[Symbol.asyncDispose]())
  await target.prepare(planOf(blueprint, mirrorOptions()))
  await source.prepare(tables)
  for (const table of tables) {
    assert.ok(source.encodings(table).stream.includes(encoding.stream))
    assert.ok(target.encodings(table).stream.includes(encoding.stream))
    assert.ok(source.encodings(table).copy.includes(encoding.copy))
    assert.ok(target.encodings(table).copy.includes(encoding.copy))
  }
  const at = async (): Promise<Positions> =>
    (await target.checkpoint())?.positions ?? assert.fail('there is no checkpoint')
  let reached: Positions | null = null
  return {
    ...stand,
    source,
    target,
    claim,
    tables,
    at,
    read: async (...writes) => {
      await transact(from, writes)
      const after: Positions = reached ?? (await at())
      const [one, ...more] = await readAll({ source, after, tables, encoding: encoding.stream })
      assert.ok(one !== undefined && more.length === 0, 'one transaction')
      reached = one.positions
      return one
    },
    apply: (batch) => target.apply(batch, encoding.stream),
    same: async () => {
      const wanted = await from.contents()
      assert.deepEqual(
        [...(await stand.contents())],
        [...wanted].filter(([name]) => name !== 'aside'),
      )
    },
  }
}

export async function transact(from: SourceStand, writes: readonly Write[]): Promise<void> {
  const writer = await from.begin()
  await writer.write(...writes)
  await writer.commit()
}

interface BatchOf {
  readonly previous: Positions
  readonly positions: Positions
  readonly parts: Batch['parts']
  /** What the parts were made of. */
  readonly changes?: Changes
  readonly flush?: boolean
}

export function batchOf(of: BatchOf): Batch {
  const { previous, positions, parts, changes = Changes.empty(), flush = false } = of
  const stretch: Stretch = { positions, committedAt: null, first: 0, changes }
  const made: Batch = {
    growing: false,
    grown: async () => undefined,
    previous,
    positions,
    parts,
    stretches: [stretch],
    additive: false,
    collapsed: false,
    inOrder: () => made,
    halves: () => null,
    newest: positions,
    transactions: 1,
    changes: 1,
    bytes: 1,
    committedAt: null,
    flush,
  }
  return made
}

export const exact = () => 'exact' as const
export const merging = () => 'merge' as const

/** Applies a transaction as these steps, from where the target stands. */
export async function carry(
  on: Bench,
  read: Read,
  steps: (changes: Changes) => readonly Step[] = (changes) => collapse([changes], exact),
): Promise<void> {
  const previous = await on.at()
  const { positions, changes } = read
  await on.apply(batchOf({ previous, positions, parts: [{ steps: steps(changes) }], changes }))
}

/** A write is refused by a Fault, and nothing of it stays. */
export async function refused(on: Bench, work: () => Promise<unknown>): Promise<Fault> {
  const before = [await on.contents(), await on.at()]
  const fault = await work().then(
    () => assert.fail('it was not refused'),
    (error: unknown) => error,
  )
  assert.ok(fault instanceof Fault, String(fault))
  assert.deepEqual([await on.contents(), await on.at()], before)
  return fault
}
