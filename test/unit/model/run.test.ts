import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import type { Change } from '../../../src/model/change.ts'
import { Changes } from '../../../src/model/changes.ts'
import { Run } from '../../../src/model/run.ts'
import { runOf } from '../../../testkit/memory/runs.ts'
import { place } from '../places.ts'
import { change } from './changed.ts'

const few = fc.array(change, { maxLength: 5 })
const transactions = fc
  .array(fc.tuple(few, fc.option(fc.bigInt({ min: 0n, max: 99n }))), {
    minLength: 1,
    maxLength: 12,
  })
  .map((all) =>
    all.map(([changes, committedAt], i) => ({
      kind: 'commit' as const,
      transaction: `x${i}`,
      changes,
      positions: place(i * 10),
      committedAt,
    })),
  )
type Made = typeof transactions extends fc.Arbitrary<infer T> ? T : never

function same(run: Run, all: Made, each = 40): void {
  assert.equal(run.length, all.length)
  for (const [i, { changes, positions, committedAt }] of all.entries()) {
    assert.deepEqual([...run.changesOf(i)], changes)
    assert.deepEqual(run.places.positions(i), positions)
    assert.equal(run.places.committedAt(i), committedAt)
  }
  const changes = all.flatMap((one) => one.changes)
  assert.deepEqual([...run.changes], changes)
  assert.deepEqual(run.first, all[0]?.positions)
  assert.deepEqual(run.last, all.at(-1)?.positions)
  assert.equal(run.bytes, Changes.of(changes).bytes + each * all.length)
}

suite('a run of transactions', () => {
  test('keeps them apart', () => {
    fc.assert(fc.property(transactions, (all) => same(runOf(all), all)))
  })

  test('is cut between any two, again and again', () => {
    const cuts = fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(transactions, cuts, (made, at) => {
        let [run, all] = [runOf(made), made]
        for (const [a, b] of at) {
          const from = Math.min(a, b) % all.length
          const to = Math.max(from + 1, Math.min(Math.max(a, b), all.length))
          const whole = from === 0 && to === all.length
          const slice = run.slice(from, to)
          if (whole) assert.equal(slice, run)
          const [before, rest] = [run, all]
          run = slice
          all = all.slice(from, to)
          same(run, all)
          same(before, rest)
        }
      }),
    )
  })

  test('takes other changes in the place of its own, transaction by transaction', () => {
    const wanted = fc.array(fc.boolean(), { minLength: 1 })
    fc.assert(
      fc.property(transactions, wanted, fc.nat(11), (all, keep, cut) => {
        const from = cut % all.length
        const asked: number[] = []
        const kept = (one: Change, i: number): boolean =>
          keep[(i + one.kind.length) % keep.length] ?? true
        const run = runOf(all).slice(from, all.length)
        const mapped = run.map((changes, i) => {
          asked.push(i)
          return Changes.of([...changes].filter((one) => kept(one, i)))
        })
        const rest = all.slice(from)
        same(
          mapped,
          rest.map((one, i) => ({ ...one, changes: one.changes.filter((c) => kept(c, i)) })),
        )
        assert.deepEqual(asked, [...rest.keys()])
        same(run, rest)
      }),
    )
  })

  test('may be of one, made of what a commit says', () => {
    fc.assert(
      fc.property(transactions, ([one]) => {
        assert.ok(one !== undefined)
        same(Run.of(one), [one], 1500)
        const changes = Changes.of(one.changes)
        assert.equal(Run.of({ ...one, changes }).changes, changes)
      }),
    )
  })
})
