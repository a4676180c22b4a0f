import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import type { Change } from '../../../src/model/change.ts'
import { Changes, DELETE, INSERT, OTHER, ROW_KINDS, UPDATE } from '../../../src/model/changes.ts'
import { tupleOf } from '../../../src/model/tuple.ts'
import { Tuples } from '../../../src/model/tuples.ts'
import { textTable } from '../../../testkit/memory/tables.ts'
import { packedChanges } from '../../../testkit/packed.ts'
import { anyTable, changes } from './changed.ts'

/** A list that was filled in one of the ways in which lists are filled. */
const way = fc.constantFrom(
  (all: readonly Change[]) => Changes.of(all),
  packedChanges,
  (all: readonly Change[]) =>
    Changes.joined([packedChanges(all.slice(0, 3)), Changes.of(all.slice(3))]),
)
const filled = fc.tuple(changes, way).map(([all, make]) => ({ all, list: make(all) }))
const cut = fc.nat(25)

function same(list: Changes, all: readonly Change[]): void {
  assert.equal(list.length, all.length)
  assert.deepEqual([...list], all)
  assert.equal(list.bytes, weight(all))
  assert.equal(
    list.reshapes,
    all.some(({ kind }) => kind === 'schema'),
  )
}

function weight(all: readonly Change[]): number {
  const tuples = all.flatMap((one) => ('row' in one ? [one.row, one.old] : []))
  return all.length * 100 + tuples.reduce((sum, one) => sum + (one?.length ?? 0), 0)
}

suite('a list of changes', () => {
  test('holds what an array would, however it was filled', () => {
    fc.assert(
      fc.property(filled, ({ all, list }) => {
        same(list, all)
        for (const [i, one] of all.entries()) {
          assert.deepEqual(list.at(i), one)
          if (one.kind === 'truncate' || one.kind === 'schema') {
            assert.equal(list.kind(i), OTHER)
            assert.equal(list.other(i), one)
            assert.deepEqual([list.row(i), list.old(i)], [null, null])
            assert.deepEqual([list.rowFrom(i), list.oldFrom(i)], [-1, -1])
          } else {
            assert.equal(ROW_KINDS[list.kind(i)], one.kind)
            assert.equal(list.table(i), one.table)
            assert.deepEqual([list.row(i), list.old(i)], [one.row, one.old])
            assert.equal(list.rowFrom(i) < 0, one.row === null)
            assert.equal(list.oldFrom(i) < 0, one.old === null)
          }
        }
      }),
    )
  })

  test('tells where its tuples stand, in the buffers that it was given', () => {
    fc.assert(
      fc.property(filled, ({ all, list }) => {
        for (const [i, one] of all.entries()) {
          if (!('row' in one)) continue
          if (one.row !== null) {
            const found = list.rowBuffer(i).subarray(list.rowFrom(i), list.rowTo(i))
            assert.ok(found.equals(one.row))
          }
          if (one.old !== null) {
            const found = list.oldBuffer(i).subarray(list.oldFrom(i), list.oldTo(i))
            assert.ok(found.equals(one.old))
          }
        }
      }),
    )
    const row = tupleOf(['x'])
    const table = textTable({ id: '1', columns: ['id'], identity: { by: 'row' } })
    const buffer = Buffer.concat([row, row])
    const list = Changes.empty()
    const [from, to] = [row.length, buffer.length]
    list.add(UPDATE, table, { buffer, from, to, oldFrom: 0, oldTo: from })
    list.add(INSERT, table, { buffer, from: 0, to: from, oldFrom: -1, oldTo: -1 })
    list.add(DELETE, table, { buffer, from: -1, to: -1, oldFrom: from, oldTo: to })
    assert.equal(list.rowBuffer(0), buffer)
    assert.equal(list.row(0)?.buffer, buffer.buffer)
    assert.deepEqual(
      [...list].map((one) => one.kind),
      ['update', 'insert', 'delete'],
    )
    assert.equal(list.bytes, 300 + 4 * row.length)
  })

  test('gives its tuples to a list of tuples', () => {
    fc.assert(
      fc.property(filled, ({ all, list }) => {
        const [rows, olds] = [new Tuples(), new Tuples()]
        for (const [i, one] of all.entries()) {
          if ('row' in one && one.row !== null) list.rowInto(rows, i)
          else assert.throws(() => list.rowInto(rows, i), TypeError)
          if ('row' in one && one.old !== null) list.oldInto(olds, i)
          else assert.throws(() => list.oldInto(olds, i), TypeError)
        }
        const tuples = all.filter((one) => 'row' in one)
        assert.deepEqual(
          [...rows],
          tuples.map(({ row }) => row).filter((one) => one !== null),
        )
        assert.deepEqual(
          [...olds],
          tuples.map(({ old }) => old).filter((one) => one !== null),
        )
      }),
    )
  })

  test('has slices that stay what they are while it grows', () => {
    fc.assert(
      fc.property(filled, changes, cut, cut, ({ all, list }, more, a, b) => {
        const from = Math.min(a, b, all.length)
        const to = Math.min(Math.max(a, b), all.length)
        const slice = list.slice(from, to)
        const inner = slice.slice(slice.length >> 1, slice.length)
        same(slice, all.slice(from, to))
        for (const one of more) list.push(one)
        same(slice, all.slice(from, to))
        same(inner, all.slice(from + ((to - from) >> 1), to))
        same(list, [...all, ...more])
      }),
    )
  })

  test('lets its rest go, and both grow on their own', () => {
    fc.assert(
      fc.property(filled, changes, cut, ({ all, list }, more, at) => {
        const from = Math.min(at, all.length)
        const rest = list.rest(from)
        same(rest, all.slice(from))
        for (const one of more) rest.push(one)
        same(rest, [...all.slice(from), ...more])
        same(list, all)
        for (const one of more.slice(0, 5)) list.push(one)
        same(list, [...all, ...more.slice(0, 5)])
        same(rest, [...all.slice(from), ...more])
      }),
    )
  })

  test('is joined with others in order, and only where there are others', () => {
    fc.assert(
      fc.property(fc.array(filled, { maxLength: 4 }), (parts) => {
        const joined = Changes.joined(parts.map(({ list }) => list))
        same(
          joined,
          parts.flatMap(({ all }) => all),
        )
        for (const { all, list } of parts) same(list, all)
        if (parts.length === 1) assert.equal(joined, parts[0]?.list)
      }),
    )
    const list = Changes.empty()
    assert.equal(Changes.of(list), list)
  })

  test('refuses what none of its changes has', () => {
    fc.assert(
      fc.property(anyTable, (table) => {
        const rows = Changes.of([{ kind: 'insert', table, row: tupleOf(['x']), old: null }])
        assert.throws(() => rows.other(0), RangeError)
        assert.throws(() => rows.table(5), RangeError)
        assert.throws(() => rows.oldBuffer(0), RangeError)
        const others = Changes.of([{ kind: 'schema', from: table, to: table }])
        assert.throws(() => others.table(0), RangeError)
        assert.throws(() => others.other(5), RangeError)
        assert.throws(() => others.rowBuffer(0), RangeError)
      }),
    )
  })
})

test('what a list does not hold is refused, not something else handed out', () => {
  const table = textTable({ id: '1', columns: ['id'], identity: { by: 'key', columns: [0] } })
  const list = Changes.of([
    { kind: 'truncate', tables: [table], restartSequences: false },
    { kind: 'insert', table, row: tupleOf(['1']), old: null },
  ])
  assert.throws(() => list.table(0), RangeError)
  assert.throws(() => list.other(1), RangeError)
  assert.throws(() => list.slice(0, 3), RangeError)
  assert.throws(() => list.slice(-1, 1), RangeError)
})
