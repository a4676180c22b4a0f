import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { collapse } from '../../src/apply/collapse.ts'
import type { Batch, Part } from '../../src/model/batch.ts'
import { Fault } from '../../src/model/fault.ts'
import type { Positions } from '../../src/model/position.ts'
import { eventually } from '../../testkit/eventually.ts'
import { type Bench, batchOf, bench, exact, refused, request, type TargetFixture } from './bench.ts'
import { many } from './kinds.ts'
import { never, type Read } from './reading.ts'
import { insert } from './writes.ts'

const NOTHING_AHEAD = 'it writes nothing ahead'

type Ahead = (batch: Batch, before: Promise<void>) => Promise<boolean>

interface Stand extends Bench {
  readonly ahead: Ahead
  /** Where the checkpoint stands at first. */
  readonly first: Positions
  /** Two transactions that only add rows. */
  readonly one: Read
  readonly two: Read
}

/** Null for a target that does nothing ahead. */
async function open(t: TestContext, fixture: TargetFixture): Promise<Stand | null> {
  const on = await bench(t, fixture)
  const { target, encoding } = on
  if (target.traits.ahead !== true) return null
  assert.ok(target.ahead)
  const ahead: Ahead = async (batch, before) =>
    (await target.ahead?.(batch, encoding.stream, before)) ?? assert.fail()
  const rows = (of: string): Promise<Read> =>
    on.read(...many(60, (i) => insert('plain', `${of}${i}`, 'x')))
  return { ...on, ahead, first: await on.at(), one: await rows('one'), two: await rows('two') }
}

function adding({ positions, changes }: Read, previous: Positions, gate?: Promise<void>): Batch {
  async function* parts(): AsyncIterable<Part> {
    await gate
    yield { steps: collapse([changes], exact) }
  }
  return { ...batchOf({ previous, positions, changes, parts: parts() }), additive: true }
}

/** The suite of rows that are written ahead of their turn (docs/decisions/written-ahead.md). */
export function describeAhead(fixture: TargetFixture): void {
  test('what is written ahead is seen after what is before it', async (t) => {
    const on = await open(t, fixture)
    if (on === null) return t.skip(NOTHING_AHEAD)
    const { first, one, two } = on
    const gate = Promise.withResolvers<void>()
    const before = await on.contents()
    const applying = on.apply(adding(one, first, gate.promise))
    const turn = Promise.withResolvers<void>()
    const ahead = on.ahead(adding(two, one.positions), turn.promise)
    assert.deepEqual(await on.contents(), before)
    gate.resolve()
    await applying
    assert.deepEqual(await on.at(), one.positions)
    assert.equal((await on.contents()).get('plain')?.length, 63)
    turn.resolve()
    assert.equal(await ahead, true)
    assert.deepEqual(await on.at(), two.positions)
    await on.same()
  })

  test('what is written ahead of a batch that fails is not there, and is applied in its turn', async (t) => {
    const on = await open(t, fixture)
    if (on === null) return t.skip(NOTHING_AHEAD)
    const { first, one, two } = on
    const gate = Promise.withResolvers<void>()
    await refused(on, async () => {
      const applying = on.apply(adding(one, first, gate.promise))
      const ahead = on.ahead(adding(two, one.positions), applying)
      gate.reject(new Fault('HF-X001', { what: 'the spill cannot be read' }))
      await assert.rejects(applying, Fault)
      assert.equal(await ahead, false)
      await applying
    })
    await on.apply(adding(one, first))
    await on.apply(adding(two, one.positions))
    await on.same()
  })

  test('what is written ahead is refused where it is not its turn, whoever says so', async (t) => {
    const on = await open(t, fixture)
    if (on === null) return t.skip(NOTHING_AHEAD)
    const before = await on.contents()
    assert.equal(await on.ahead(adding(on.two, on.one.positions), Promise.resolve()), false)
    assert.deepEqual(await on.contents(), before)
    assert.deepEqual(await on.at(), on.first)
  })

  test('a row that is refused ahead of its turn is refused in its turn, and those before it stay', async (t) => {
    const on = await open(t, fixture)
    if (on === null) return t.skip(NOTHING_AHEAD)
    const { first, one, two } = on
    const gate = Promise.withResolvers<void>()
    const applying = on.apply(adding(one, first, gate.promise))
    // A row of it is there already.
    const bad = await on.read(insert('plain', 'n', 'x'))
    const twice = (): Batch => {
      const again = collapse([two.changes], exact)
      const parts = [{ steps: again }, { steps: again }]
      const { changes } = two
      const batch = batchOf({ previous: one.positions, positions: bad.positions, changes, parts })
      return { ...batch, additive: true }
    }
    const ahead = on.ahead(twice(), applying)
    gate.resolve()
    await applying
    assert.equal(await ahead, false)
    assert.deepEqual(await on.at(), one.positions)
    const fault = await refused(on, () => on.apply(twice()))
    assert.equal(fault.entry.class, 'data', fault.code)
    await on.apply(adding(two, one.positions))
    await on.apply(adding(bad, two.positions))
    await on.same()
  })

  test('who was taken over from writes nothing ahead', async (t) => {
    const on = await open(t, fixture)
    if (on === null) return t.skip(NOTHING_AHEAD)
    const { first, one } = on
    const turn = Promise.withResolvers<void>()
    const ahead = on.ahead(adding(one, first), turn.promise).catch((error: unknown) => {
      assert.ok(error instanceof Fault, String(error))
      return false
    })
    await on.abandon()
    const other = await on.open(on.source)
    await using _claim = await other.claim({ ...request, patience: 10_000 }, never)
    const before = await on.contents()
    turn.resolve()
    assert.equal(await ahead, false)
    await eventually('the loss is known', () => on.claim.lost.aborted)
    await assert.rejects(on.ahead(adding(one, first), Promise.resolve()).then(mustBeWritten), Error)
    assert.deepEqual(await on.contents(), before)
    assert.deepEqual(await other.checkpoint().then((known) => known?.positions), first)
  })
}

function mustBeWritten(written: boolean): void {
  if (!written) throw new Error('it was not written')
}
