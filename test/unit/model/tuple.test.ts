import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { Fault } from '../../../src/model/fault.ts'
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
  Unframer,
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

  test('come out of frames that are cut anywhere, and nothing else does', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 })
    fc.assert(
      fc.property(fc.array(values), sizes, (rows, lengths) => {
        const tuples = rows.map((row) => tupleOf(row))
        const frames = new Unframer()
        assert.deepEqual(
          cutInto(frame(tuples), lengths).flatMap((piece) => [...frames.take(piece)]),
          tuples,
        )
        frames.end()
      }),
    )
    const faults = (work: () => unknown) =>
      assert.throws(work, (error) => error instanceof Fault && error.code === 'HF-X001')
    for (const length of [-4, -1, 0, 1]) {
      const head = Buffer.alloc(4)
      head.writeInt32BE(length)
      faults(() => new Unframer().take(head))
    }
    faults(() => unframe(Buffer.from([0, 0, 0, 9, 0])))
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        try {
          unframe(Buffer.from(bytes))
        } catch (error) {
          assert.ok(error instanceof Fault, String(error))
        }
      }),
    )
  })
})

function cutInto(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = lengths[i % lengths.length] ?? 1
    pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  return pieces
}
