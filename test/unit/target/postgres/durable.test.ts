import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Positions } from '../../../../src/model/position.ts'
import { Durable, lsnOf } from '../../../../src/target/postgres/state/durable.ts'

function at(order: number): Positions {
  return new Map([['wal', { log: 'a', order: BigInt(order), token: String(order) }]])
}

test('a log position is one number', () => {
  assert.equal(lsnOf('0/0'), 0n)
  assert.equal(lsnOf('16/B374D848'), 0x16_b374d848n)
  assert.equal(lsnOf('FFFFFFFF/FFFFFFFF'), 0xffff_ffff_ffff_ffffn)
})

test('a commit is durable once the log is flushed to its end, and not before', () => {
  const durable = new Durable(at(1))
  durable.committed(at(2), 100n)
  durable.committed(at(3), 200n)
  assert.deepEqual(durable.positions, at(1))
  durable.flushed(99n)
  assert.deepEqual(durable.positions, at(1))
  durable.flushed(150n)
  assert.deepEqual(durable.positions, at(2))
  durable.flushed(120n)
  durable.committed(at(4), 140n)
  assert.deepEqual(durable.positions, at(2), 'an earlier commit is not flushed yet')
  durable.flushed(200n)
  assert.deepEqual(durable.positions, at(4))
})

test('a commit that was waited for makes all before it durable', () => {
  const durable = new Durable(at(1))
  durable.committed(at(2), 100n)
  durable.committed(at(3), null)
  assert.deepEqual(durable.positions, at(3))
  durable.flushed(100n)
  assert.deepEqual(durable.positions, at(3))
})
