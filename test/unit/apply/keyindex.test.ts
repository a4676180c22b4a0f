import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { keyOf } from '../../../src/apply/cells.ts'
import { KeyIndex } from '../../../src/apply/keyindex.ts'
import { type Tuple, tupleOf } from '../../../src/model/tuple.ts'

const cell = fc.oneof(
  fc.constantFrom(null, undefined),
  fc.string({ maxLength: 3 }),
  fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
)
const tuple = fc.tuple(cell, cell, cell).map(tupleOf)

/** The tuple stands somewhere in a buffer, between other bytes. */
function add(index: KeyIndex, one: Tuple): number {
  const buffer = Buffer.concat([Buffer.from([9, 9, 9]), one, Buffer.from([8])])
  return index.add(buffer, 3, 3 + one.length)
}

test('an entry is found exactly by the cells of its key', () => {
  const columns = fc.constantFrom([0], [1], [2, 0], [0, 1, 2])
  fc.assert(
    fc.property(columns, fc.array(tuple, { maxLength: 300 }), (key, tuples) => {
      const index = new KeyIndex(key)
      const known = new Map<string, number>()
      for (const one of tuples) {
        const text = keyOf(one, key)
        assert.equal(add(index, one), known.get(text) ?? -1)
        if (!known.has(text)) known.set(text, known.size)
      }
      assert.equal(index.size, known.size)
      index.clear()
      for (const one of tuples.slice(0, 1)) assert.equal(add(index, one), -1)
    }),
  )
})

test('keys whose cells run into one another are told apart', () => {
  const index = new KeyIndex([0, 1])
  assert.equal(add(index, tupleOf(['ab', 'c', null])), -1)
  assert.equal(add(index, tupleOf(['a', 'bc', null])), -1)
  assert.equal(add(index, tupleOf(['ab', 'c', 'other'])), 0)
})
