import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Fault } from '../../../../src/model/fault.ts'
import {
  comparePositions,
  formatLsn,
  lsnOf,
  parseLsn,
  positionAt,
  positionsAt,
} from '../../../../src/source/postgres/position.ts'

test('a position reads back as it was written', () => {
  assert.equal(formatLsn(0x16b374d848n), '16/B374D848')
  assert.equal(formatLsn(0n), '0/0')
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (lsn) => {
      assert.equal(parseLsn(formatLsn(lsn)), lsn)
    }),
  )
})

test('what is no position is refused', () => {
  for (const text of ['', '0', '0/', '/0', '0/123456789', 'x/1', '0/1 ', '-1/0']) {
    assert.throws(() => parseLsn(text), Fault)
  }
})

test('positions compare by their place in one log, and not at all between logs', () => {
  const [a, b] = [positionAt('log', 1n), positionAt('log', 0x1_0000_0000n)]
  assert.equal(comparePositions(a, b), 'before')
  assert.equal(comparePositions(b, a), 'after')
  assert.equal(comparePositions(a, positionAt('log', 1n)), 'equal')
  assert.equal(comparePositions(a, positionAt('other', 1n)), 'unrelated')
})

test('a position of another log is not one to start from', () => {
  assert.equal(lsnOf(positionsAt('log', 5n), 'log'), 5n)
  assert.throws(
    () => lsnOf(positionsAt('other', 5n), 'log'),
    (error) => error instanceof Fault && error.code === 'HF-L106',
  )
})
