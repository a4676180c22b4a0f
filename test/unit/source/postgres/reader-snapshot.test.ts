import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isVisible, parseSnapshot } from '../../../../src/source/postgres/reader/reader-snapshot.ts'

test('a snapshot sees what ended before it and nothing else', () => {
  const seen = parseSnapshot('100:110:103,107')
  assert.deepEqual(
    [99, 100, 103, 105, 107, 109, 110, 111].filter((xid) => isVisible(seen, xid)),
    [99, 100, 105, 109],
  )
  assert.equal(isVisible(parseSnapshot('5:5:'), 4), true)
  assert.equal(isVisible(parseSnapshot('5:5:'), 5), false)
})

test('32 bits of a transaction id are enough on both sides of a turn', () => {
  const turn = 3n * 2n ** 32n
  const seen = parseSnapshot(`${turn - 5n}:${turn + 5n}:${turn - 2n},${turn + 1n}`)
  const low = (full: bigint): number => Number(full % 2n ** 32n)
  const visible = [-6n, -5n, -2n, -1n, 0n, 1n, 4n, 5n, 6n].filter((by) =>
    isVisible(seen, low(turn + by)),
  )
  assert.deepEqual(visible, [-6n, -5n, -1n, 0n, 4n])
})
