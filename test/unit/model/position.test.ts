import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  advance,
  covers,
  describePositions,
  inShort,
  type Positions,
} from '../../../src/model/position.ts'
import { at, compare } from '../places.ts'

const lanes = (of: Readonly<Record<string, number>>): Positions =>
  new Map(Object.entries(of).map(([lane, order]) => [lane, at(order)]))

suite('positions', () => {
  test('cover what they reach in every lane', () => {
    assert.ok(covers(compare, lanes({ a: 5, b: 5 }), lanes({ a: 5, b: 4 })))
    assert.ok(covers(compare, lanes({ a: 5, b: 5 }), lanes({ a: 5 })))
    assert.ok(covers(compare, lanes({}), lanes({})))
    assert.ok(!covers(compare, lanes({ a: 5, b: 3 }), lanes({ a: 5, b: 4 })))
    assert.ok(!covers(compare, lanes({ a: 5 }), lanes({ a: 5, b: 0 })))
  })

  test('of another log cover nothing', () => {
    assert.ok(!covers(compare, new Map([['a', at(9, 'other')]]), lanes({ a: 1 })))
  })

  test('advance lane by lane and leave what they came from alone', () => {
    const base = lanes({ a: 1, b: 2 })
    assert.deepEqual(advance(base, lanes({ b: 5, c: 6 })), lanes({ a: 1, b: 5, c: 6 }))
    assert.deepEqual(base, lanes({ a: 1, b: 2 }))
  })

  test('read as their tokens', () => {
    assert.equal(describePositions(new Map()), 'none')
    assert.equal(describePositions(lanes({ a: 7 })), '7')
    assert.equal(describePositions(lanes({ a: 7, b: 8 })), 'a=7 b=8')
  })

  test('are cut in the middle where a sentence holds them', () => {
    assert.equal(inShort('0/16B3748'), '0/16B3748')
    const set = Array.from({ length: 50 }, (_, i) => `${i}-${i}`).join(':')
    const short = inShort(set)
    assert.equal(short.length, 72)
    assert.match(short, /^0-0:1-1:.* … .*:48-48:49-49$/)
    assert.equal(inShort(short), short)
  })
})
