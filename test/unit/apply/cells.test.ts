import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { keyOf, merge, presentCells } from '../../../src/apply/cells.ts'
import { textsOf, tupleOf } from '../../../src/model/tuple.ts'

const value = fc.oneof(
  fc.constant(null),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
)
const row = fc.array(value, { minLength: 3, maxLength: 3 })
const partial = fc.array(fc.option(value, { nil: undefined }), { minLength: 3, maxLength: 3 })
const columns = fc.subarray([0, 1, 2], { minLength: 1 })

/** A cell with its kind: text and bytes of the same content differ. */
const same = (a: unknown, b: unknown): boolean =>
  Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : a === b

suite('cells', () => {
  test('keys are equal exactly when their cells are', () => {
    fc.assert(
      fc.property(row, row, columns, (a, b, key) => {
        const equal = key.every((i) => same(a[i], b[i]))
        assert.equal(keyOf(tupleOf(a), key) === keyOf(tupleOf(b), key), equal)
      }),
      { numRuns: 2000 },
    )
  })

  test('cells that run into one another are still told apart', () => {
    assert.notEqual(keyOf(tupleOf(['ab', 'c']), [0, 1]), keyOf(tupleOf(['a', 'bc']), [0, 1]))
    assert.notEqual(keyOf(tupleOf(['', null]), [0, 1]), keyOf(tupleOf([null, '']), [0, 1]))
  })

  test('a merge takes unchanged cells from below and all others from above', () => {
    fc.assert(
      fc.property(partial, partial, (base, over) => {
        const wanted = tupleOf(over.map((cell, i) => (cell === undefined ? base[i] : cell)))
        assert.deepEqual(merge(tupleOf(base), tupleOf(over)), wanted)
      }),
    )
  })

  test('tuples of different widths are not merged', () => {
    assert.throws(() => merge(tupleOf(['a']), tupleOf([undefined, 'b'])), RangeError)
  })

  test('the present cells are those that are not unchanged', () => {
    fc.assert(
      fc.property(partial, (cells) => {
        const wanted = cells.flatMap((cell, i) => (cell === undefined ? [] : [i]))
        assert.deepEqual([...presentCells(tupleOf(cells))], wanted)
      }),
    )
    assert.equal(presentCells(tupleOf(['a', null])), presentCells(tupleOf(['b', 'c'])))
  })

  test('the rows that went in are as they were', () => {
    const base = tupleOf(['a', 'b'])
    const over = tupleOf([undefined, 'c'])
    merge(base, over)
    assert.deepEqual(
      [textsOf(base), textsOf(over)],
      [
        ['a', 'b'],
        [undefined, 'c'],
      ],
    )
  })
})
