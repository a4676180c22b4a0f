import assert from 'node:assert/strict'
import { test } from 'node:test'
import { suggest } from '../../../src/config/suggest.ts'
import { bytes, durationFor, milliseconds } from '../../../src/config/units.ts'

test('durations', () => {
  const right: Record<string, number> = {
    '500ms': 500,
    '30s': 30_000,
    '1.5m': 90_000,
    '12h': 43_200_000,
    '7d': 604_800_000,
    PT30S: 30_000,
    P7D: 604_800_000,
    PT1H30M: 5_400_000,
  }
  for (const [text, wanted] of Object.entries(right)) assert.equal(milliseconds(text), wanted, text)
  for (const text of ['', '7', '7 day', 'd', 'P', 'PT', '-1s', '1w']) {
    assert.equal(milliseconds(text), null, text)
  }
})

test('a duration with a slip is spelled right', () => {
  assert.equal(durationFor('7 day'), '7d')
  assert.equal(durationFor('30 seconds'), '30s')
  assert.equal(durationFor('15'), '15s')
  assert.equal(durationFor('200 msec'), '200ms')
  assert.equal(durationFor('soon'), null)
})

test('sizes', () => {
  assert.equal(bytes('512'), 512)
  assert.equal(bytes('64KiB'), 65_536)
  assert.equal(bytes('16MiB'), 16 << 20)
  assert.equal(bytes('16MB'), 16_000_000)
  assert.equal(bytes('1.5GiB'), 1_610_612_736)
  for (const text of ['', '7 mb', 'MiB', '-1', '1XB']) assert.equal(bytes(text), null, text)
})

test('suggestions are near or none', () => {
  const keys = ['include', 'exclude', 'keyless']
  assert.equal(suggest('exlude', keys), 'exclude')
  assert.equal(suggest('inlcude', keys), 'include')
  assert.equal(suggest('KEYLESS', keys), 'keyless')
  assert.equal(suggest('workers', keys), null)
})
