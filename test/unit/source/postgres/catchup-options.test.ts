import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isFar,
  isNear,
  isTooSlow,
  isWorthMoving,
  nextWindow,
} from '../../../../src/source/postgres/windows/options.ts'

const MIB = 2 ** 20
const settings = { distance: 32 * MIB, millis: 5_000, memory: 512 * MIB }
const off = { ...settings, distance: null }
const skip = process.env['HOLDFAST_CATCHUP'] === undefined ? false : 'HOLDFAST_CATCHUP chooses'

test('a log is read in windows from the given distance on, and never without one', { skip }, () => {
  assert.equal(isFar(settings, BigInt(32 * MIB)), true)
  assert.equal(isFar(settings, BigInt(32 * MIB - 1)), false)
  assert.equal(isFar(off, 1n << 50n), false)
  assert.equal(isNear(settings, BigInt(4 * MIB)), false)
  assert.equal(isNear(settings, BigInt(4 * MIB - 1)), true)
  for (const distance of [0, 1]) {
    assert.equal(isFar({ ...settings, distance }, 1n), true)
    assert.equal(isNear({ ...settings, distance }, 1n), false)
    assert.equal(isNear({ ...settings, distance }, 0n), true)
  }
})

test('a running stream is left when it would need too long, not when it keeps pace', {
  skip,
}, () => {
  const far = BigInt(100 * MIB)
  assert.equal(isTooSlow(settings, { distance: far, bytesPerMilli: (100 * MIB) / 6_000 }), true)
  assert.equal(isTooSlow(settings, { distance: far, bytesPerMilli: (100 * MIB) / 4_000 }), false)
  assert.equal(isTooSlow(settings, { distance: BigInt(MIB), bytesPerMilli: 0 }), false)
  assert.equal(isTooSlow(off, { distance: far, bytesPerMilli: 0 }), false)
})

test('a window grows until its result would fill the memory, and is never tiny', { skip }, () => {
  const log = 16 * MIB
  const read = { log, messages: 100_000, bytes: 4 * MIB, memory: 128 * MIB, before: 1024 * MIB }
  assert.equal(nextWindow(4 * MIB, read), 64 * MIB)
  const fits = nextWindow(1024 * MIB, read)
  assert.ok(fits > 160 * MIB && fits < 190 * MIB, String(fits))
  assert.equal(nextWindow(64 * MIB, { ...read, memory: MIB }), 16 * MIB)
  assert.equal(nextWindow(4 * MIB, { ...read, messages: 0, bytes: 0 }), 256 * MIB)
  assert.equal(nextWindow(512 * MIB, { ...read, messages: 0, bytes: 0 }), 1024 * MIB)
  // What lies before a window is decoded with it; past that none needs to be larger.
  assert.equal(nextWindow(1024 * MIB, { ...read, before: 0 }), 64 * MIB)
  assert.equal(nextWindow(1024 * MIB, { ...read, before: 84 * MIB }), 100 * MIB)
})

test('a slot is moved only where decoding then begins much further on', { skip }, () => {
  assert.equal(isWorthMoving({ restart: 100n, reached: 100n, durable: 900n }), false)
  assert.equal(isWorthMoving({ restart: 100n, reached: 400n, durable: 900n }), false)
  assert.equal(isWorthMoving({ restart: 100n, reached: 600n, durable: 900n }), true)
})
