import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { keyOf, merge } from '../../../src/apply/cells.ts'
import type { RowChange } from '../../../src/model/change.ts'
import type { Table } from '../../../src/model/table.ts'
import { type Tuple, textsOf, tupleOf } from '../../../src/model/tuple.ts'
import { KeyedPending, RowsPending, resolve } from '../../../src/verify/fold.ts'

const column = { type: { kind: 'text' }, native: 'text', nullable: true } as const
const table: Table = {
  id: '1',
  schema: 's',
  name: 't',
  columns: [
    { name: 'k', ...column },
    { name: 'a', ...column },
    { name: 'b', ...column },
  ],
  identity: { by: 'key', columns: [0] },
  version: '1',
}
const key = [0]

type Step =
  | { readonly kind: 'insert' | 'delete'; readonly k: number }
  | { readonly kind: 'update'; readonly k: number; readonly to: number; readonly kept: boolean }
  | { readonly kind: 'truncate' }

const small = fc.integer({ min: 0, max: 4 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('insert' as const), k: small }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('delete' as const), k: small }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      k: small,
      to: small,
      kept: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'truncate' as const }) },
)

/** Carries the step out where it is possible, as a source would, and tells the fold of it. */
function play(rows: Map<string, Tuple>, pending: KeyedPending, step: Step, nth: number): void {
  if (step.kind === 'truncate') {
    rows.clear()
    pending.truncate()
    return
  }
  const old = tupleOf([`${step.k}`, null, null])
  const from = keyOf(old, key)
  const there = rows.get(from)
  const change = (kind: RowChange['kind'], row: Tuple | null, before: Tuple | null): void =>
    pending.add({ kind, table, row, old: before })
  if (step.kind === 'insert' && there === undefined) {
    const row = tupleOf([`${step.k}`, `a${nth}`, `b${nth}`])
    rows.set(from, row)
    change('insert', row, null)
  } else if (step.kind === 'delete' && there !== undefined) {
    rows.delete(from)
    change('delete', null, old)
  } else if (step.kind === 'update' && there !== undefined) {
    const row = tupleOf([`${step.to}`, `a${nth}`, step.kept ? undefined : `b${nth}`])
    const to = keyOf(row, key)
    if (to !== from && rows.has(to)) return
    rows.delete(from)
    rows.set(to, merge(there, row))
    change('update', row, to === from ? null : old)
  }
}

test('folded changes make the rows that the changes made', () => {
  fc.assert(
    fc.property(fc.uniqueArray(small), fc.array(step, { maxLength: 40 }), (keys, steps) => {
      const before = new Map(
        keys.map((k) => {
          const row = tupleOf([`${k}`, 'a', `long ${k}`])
          return [keyOf(row, key), row]
        }),
      )
      const rows = new Map(before)
      const pending = new KeyedPending(key, { mode: 'exact', end: 'target' })
      for (const [nth, one] of steps.entries()) play(rows, pending, one, nth)
      const base = pending.truncated ? new Map<string, Tuple>() : before
      const folded = new Map(base)
      for (const [at, outcome] of pending.outcomes) {
        if (outcome.expects === 'present') assert.ok(base.has(at))
        if (outcome.expects === 'absent') assert.ok(!base.has(at))
        const row = resolve(outcome, outcome.base === null ? undefined : base.get(outcome.base))
        assert.notEqual(row, undefined)
        if (row) folded.set(at, row)
        else folded.delete(at)
      }
      const plain = (all: Map<string, Tuple>): unknown => [...all.values()].map(textsOf).sort()
      assert.deepEqual(plain(folded), plain(rows))
    }),
    { numRuns: 500 },
  )
})

test('rows without a key are counted up and down', () => {
  const pending = new RowsPending({ mode: 'exact', end: 'target' })
  const [one, two] = [tupleOf(['1', 'a', 'b']), tupleOf(['2', 'a', 'b'])]
  pending.add({ kind: 'insert', table, row: one, old: null })
  pending.add({ kind: 'insert', table, row: one, old: null })
  pending.add({ kind: 'update', table, row: tupleOf(['2', undefined, 'b']), old: one })
  pending.add({ kind: 'delete', table, row: null, old: tupleOf(['3', null, null]) })
  const deltas = pending.deltas.map(({ row, delta }) => [textsOf(row)[0], delta])
  assert.deepEqual(deltas, [
    ['1', 1],
    ['2', 1],
    ['3', -1],
  ])
  assert.ok(pending.deltas.some(({ row }) => row.equals(two)))
})

test('under merge a target keeps what the source deletes', () => {
  const pending = new KeyedPending(key, { mode: 'merge', end: 'target' })
  pending.truncate()
  pending.add({ kind: 'delete', table, row: null, old: tupleOf(['1', null, null]) })
  assert.equal(pending.truncated, false)
  assert.equal(pending.size, 0)
})
