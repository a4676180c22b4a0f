import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { type Tuple, tupleOf } from '../../../src/model/tuple.ts'
import { Tuples } from '../../../src/model/tuples.ts'
import { packedTuples } from '../../../testkit/packed.ts'
import { tuple } from './changed.ts'

const act = fc.oneof(
  fc.record({ what: fc.constantFrom('push', 'add', 'set'), tuple, at: fc.nat(40) }),
  fc.record({ what: fc.constantFrom('skip', 'clear'), tuple, at: fc.nat(40) }),
)

/** One buffer that is used over and over, as neighbours do. */
const shared = Buffer.concat([Buffer.from([9]), tupleOf(['first']), tupleOf(['second', null])])
const first = { buffer: shared, from: 1, to: 1 + tupleOf(['first']).length }

function same(list: Tuples, all: readonly (Tuple | null)[]): void {
  assert.equal(list.length, all.length)
  for (const [i, one] of all.entries()) {
    assert.equal(list.has(i), one !== null)
    if (one === null) assert.throws(() => list.at(i), RangeError)
    else {
      assert.deepEqual(list.at(i), one)
      assert.deepEqual(list.buffer(i).subarray(list.from(i), list.to(i)), one)
    }
  }
  assert.throws(() => list.at(all.length), RangeError)
}

suite('a list of tuples', () => {
  test('holds what an array would after any acts', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const list = new Tuples()
        const all: (Tuple | null)[] = []
        for (const { what, tuple: one, at } of acts) {
          const buffer = Buffer.concat([Buffer.from([7, 7]), one, Buffer.from([7])])
          const span = at % 3 === 0 ? first : { buffer, from: 2, to: 2 + one.length }
          const there = span.buffer.subarray(span.from, span.to)
          const index = all.length === 0 ? -1 : at % all.length
          if (what === 'push') {
            list.push(one)
            all.push(one)
          } else if (what === 'skip') {
            list.skip()
            all.push(null)
          } else if (what === 'add') {
            list.add(span.buffer, span.from, span.to)
            all.push(there)
          } else if (index >= 0 && what === 'set') {
            list.set(index, span)
            all[index] = there
          } else if (index >= 0) {
            list.clear(index)
            all[index] = null
          }
        }
        same(list, all)
      }),
      { numRuns: 300 },
    )
  })

  test('is appended to another one, and keeps its own', () => {
    const tuples = fc.array(tuple, { maxLength: 20 })
    fc.assert(
      fc.property(tuples, tuples, (one, other) => {
        const [a, b] = [Tuples.of(one), packedTuples(other)]
        a.append(b)
        same(a, [...one, ...other])
        assert.deepEqual([...a], [...one, ...other])
        assert.deepEqual([...b], other)
        a.clear(0)
        a.push(shared)
        assert.deepEqual([...b], other)
      }),
    )
  })

  test('copies nothing', () => {
    const list = new Tuples()
    list.push(shared)
    list.add(shared, 1, 4)
    assert.equal(list.at(0), shared)
    assert.equal(list.buffer(1), shared)
    assert.equal(list.at(1).buffer, shared.buffer)
  })
})
