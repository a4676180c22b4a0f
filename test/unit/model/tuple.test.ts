import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  BINARY,
  cell,
  cells,
  frame,
  locate,
  NULL,
  TEXT,
  textsOf,
  tupleOf,
  UNCHANGED,
  unframe,
} from '../../../src/model/tuple.ts'

const value = fc.oneof(
  fc.constant(null),
  fc.constant(undefined),
  fc.string({ unit: 'binary' }),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
)
const values = fc.array(value, { maxLength: 8 })

suite('tuples', () => {
  test('give back the cells that they were made of', () => {
    fc.assert(
      fc.property(values, (row) => {
        const tuple = tupleOf(row)
        assert.equal(cells(tuple), row.length)
        for (const [i, wanted] of row.entries()) {
          const { kind, bytes } = cell(tuple, i)
          if (wanted === null) assert.equal(kind, NULL)
          else if (wanted === undefined) assert.equal(kind, UNCHANGED)
          else if (typeof wanted === 'string') {
            assert.equal(kind, TEXT)
            assert.deepEqual(bytes, Buffer.from(wanted))
          } else {
            assert.equal(kind, BINARY)
            assert.deepEqual(bytes, wanted)
          }
        }
      }),
    )
  })

  test('are located without a gap from the head to the end', () => {
    fc.assert(
      fc.property(values, (row) => {
        const tuple = tupleOf(row)
        const offsets: number[] = [99, 99, 99]
        assert.equal(locate(tuple, offsets), row.length)
        const pieces = row.map((_, i) => tuple.subarray(offsets[i], offsets[i + 1]))
        assert.deepEqual(Buffer.concat([tuple.subarray(0, 2), ...pieces]), tuple)
      }),
    )
  })

  test('have no cell past their last', () => {
    assert.throws(() => cell(tupleOf(['a']), 1), RangeError)
    assert.throws(() => cell(tupleOf([]), 0), RangeError)
  })

  test('as texts are what was put in', () => {
    const row = ['a', null, undefined, '', 'é€😀']
    assert.deepEqual(textsOf(tupleOf(row)), row)
  })

  test('come out of a frame as they went in', () => {
    fc.assert(
      fc.property(fc.array(values), (rows) => {
        const tuples = rows.map((row) => tupleOf(row))
        assert.deepEqual(unframe(frame(tuples)), tuples)
      }),
    )
  })
})
