import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { Batch, Stretch } from '../../../../src/model/batch.ts'
import { Changes } from '../../../../src/model/changes.ts'
import type { Positions } from '../../../../src/model/position.ts'
import { type Bench, batchOf, bench, transact } from '../../../contract/bench.ts'
import { mongoFixture } from '../../../contract/mongodb.ts'
import { type Read, readAll } from '../../../contract/reading.ts'
import {
  insert,
  large,
  remove,
  sample,
  truncate,
  update,
  type Write,
} from '../../../contract/writes.ts'

// Without transactions a batch that was broken off stands in part at the target, and is gone
// through again, perhaps in other batches: the documents must come out the same.

/** Keys that go and come back, and rows whose unchanged cells are only at the target. */
const moves: readonly (readonly Write[])[] = [
  [update('wide', { id: 'a' }, { id: 'b2' }), insert('wide', 'new', 'a', large('other'))],
  [update('wide', { id: 'b2' }, { id: 'b3', a: 'moved' })],
  [remove('wide', { id: 'b3' }), update('wide', { id: 'a' }, { a: 'again' })],
  [update('wide', { id: 'a' }, { id: 'z' }), update('wide', { id: 'c' }, { id: 'a' })],
  [insert('loose', 'same', 'same'), remove('loose', { a: 'single', b: null })],
  [remove('loose', { a: 'same', b: 'same' }), remove('loose', { a: 'same', b: 'same' })],
  [insert('loose', 'single', null), update('loose', { a: 'same', b: 'same' }, { b: null })],
  [truncate('plain'), insert('plain', 'a', 'after'), insert('loose', 'same', null)],
  [update('plain', { id: 'a' }, { id: 'b' }), update('plain', { id: 'b' }, { id: 'a' })],
]

/** A batch of these transactions; broken off, it ends before its checkpoint and `cut` changes. */
function batch(previous: Positions, some: readonly Read[], cut: number | null): Batch {
  const positions = some.at(-1)?.positions ?? previous
  const made = batchOf({ previous, positions, parts: [] })
  const stretches = some.map(({ positions: at, changes }): Stretch => {
    return { positions: at, committedAt: null, first: 0, changes: Changes.of(changes) }
  })
  if (cut === null) return { ...made, stretches }
  return {
    ...made,
    stretches: upTo(stretches, cut),
    get positions(): Positions {
      throw new Broken()
    },
  }
}

class Broken extends Error {}

function upTo(stretches: readonly Stretch[], cut: number): readonly Stretch[] {
  let left = cut
  return stretches.flatMap((stretch) => {
    const changes = stretch.changes.slice(0, Math.min(left, stretch.changes.length))
    left -= changes.length
    return changes.length === 0 ? [] : [{ ...stretch, changes }]
  })
}

async function breakOff(on: Bench, some: readonly Read[], cut: number): Promise<void> {
  await assert.rejects(on.apply(batch(await on.at(), some, cut)), Broken)
}

/** Goes on from the checkpoint in batches of these sizes. */
async function goOn(on: Bench, all: readonly Read[], sizes: readonly number[]): Promise<void> {
  let from = 0
  for (let i = 0; from < all.length; i++) {
    const some = all.slice(from, from + (sizes[i % sizes.length] ?? 1))
    await on.apply(batch(await on.at(), some, null))
    from += some.length
  }
}

const countOf = (all: readonly Read[]): number =>
  all.reduce((sum, { changes }) => sum + changes.length, 0)

async function written(t: TestContext, work: readonly (readonly Write[])[]) {
  const on = await bench(t, mongoFixture)
  if (on.target.traits.transactional) {
    t.skip('the server has transactions: nothing stands there in part')
    return null
  }
  const after = await on.at()
  for (const writes of work) await transact(on.from, writes)
  const { source, tables, encoding } = on
  return { on, all: await readAll({ source, after, tables, encoding: encoding.stream }) }
}

test('G1 G9 a batch that was broken off after any change and is gone through again', async (t) => {
  const made = await written(t, moves)
  if (made === null) return
  const { on, all } = made
  for (let cut = 1; cut <= countOf(all); cut++) await breakOff(on, all, cut)
  for (let cut = countOf(all); cut > 0; cut -= 3) await breakOff(on, all.slice(0, 5), cut)
  await goOn(on, all, [1, 2])
  await on.same()
})

test('G1 any transactions, broken off anywhere and gone through in other batches', async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  t.diagnostic(`seed ${seed}`)
  const made = await written(t, [...sample, ...moves.slice(4, 7)])
  if (made === null) return
  const { on, all } = made
  const [draws] = fc.sample(
    fc.array(fc.tuple(fc.nat(all.length), fc.nat(countOf(all))), { minLength: 12, maxLength: 12 }),
    { numRuns: 1, seed },
  )
  for (const [transactions, cut] of draws ?? []) {
    await breakOff(on, all.slice(0, transactions + 1), cut + 1)
  }
  await goOn(on, all, [1, 4, 2, 9])
  await on.same()
})

test('what another server counts from less is refused, and not taken for older', async (t) => {
  const made = await written(t, moves.slice(0, 2))
  if (made === null) return
  const { on, all } = made
  const placed = (positions: Positions, lasting: bigint): Positions =>
    new Map([...positions].map(([lane, position]) => [lane, { ...position, lasting }]))
  const from = (lasting: bigint): readonly Read[] =>
    all.map((one, i) => ({ ...one, positions: placed(one.positions, lasting + BigInt(i)) }))
  const previous = placed(await on.at(), 1n << 40n)
  const less = batch(previous, from(1n << 36n), null)
  await assert.rejects(on.apply(less), { code: 'HF-L106' })
  await on.apply(batch(previous, from(1n << 41n), null))
  await on.same()
})
