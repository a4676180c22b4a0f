import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Retention } from '../../../src/mirror/retention.ts'

const MIB = 2 ** 20

test('P119 each level of what the source may keep is told once, and anew after it was calm', () => {
  const retention = new Retention()
  const at = (mib: number): string | null =>
    retention.notice({ retainedBytes: mib * MIB, limitBytes: 100 * MIB })
  assert.equal(at(49), null)
  assert.match(at(50) ?? '', /keeps 50 MiB .* 50 % of what it may keep/)
  assert.equal(at(79), null)
  assert.match(at(85) ?? '', /85 %/)
  assert.equal(at(99), null)
  assert.equal(at(60), null)
  assert.equal(at(10), null)
  assert.match(at(90) ?? '', /90 %/)
})

test('log that is thrown away by its age is told of with what keeps it for longer', () => {
  const retention = new Retention()
  const at = (seconds: number): string | null =>
    retention.notice({
      retainedBytes: 10 * MIB,
      limitBytes: null,
      age: { seconds, limitSeconds: 86_400, remedy: 'SET GLOBAL x = 1' },
    })
  assert.equal(at(0), null)
  assert.equal(at(40_000), null)
  assert.match(at(50_000) ?? '', /closed 14 h ago, 58 % of the 24 h .* longer: SET GLOBAL x = 1$/)
  assert.equal(at(60_000), null)
  assert.match(at(80_000) ?? '', /93 %/)
  assert.equal(at(0), null)
  assert.match(at(80_000) ?? '', /93 %/)
})

test('without a limit or a figure there is nothing to tell', () => {
  const retention = new Retention()
  assert.equal(retention.notice({ retainedBytes: 10 * MIB, limitBytes: null }), null)
  assert.equal(retention.notice({ retainedBytes: null, limitBytes: 10 * MIB }), null)
})
