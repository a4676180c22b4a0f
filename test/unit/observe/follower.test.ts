import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MirrorEvent } from '../../../src/mirror/progress.ts'
import { Follower } from '../../../src/observe/follower.ts'

const applied = (changes: number): MirrorEvent => ({
  kind: 'applied',
  positions: new Map(),
  transactions: 1,
  changes,
  committedAt: null,
  replayed: false,
})

test('a rate is known however rarely it is asked for', () => {
  const follower = new Follower('m')
  assert.equal(follower.rates(0).changes, 0)
  follower.take(applied(400))
  assert.equal(follower.rates(20_000).changes, 20)
  assert.equal(follower.rates(40_000).changes, 0)
})

test('a rate looks back ten seconds', () => {
  const follower = new Follower('m')
  follower.rates(0)
  follower.take(applied(900))
  for (let at = 1000; at <= 12_000; at += 1000) follower.rates(at)
  follower.take(applied(90))
  assert.equal(follower.rates(13_000).changes, 10)
})
