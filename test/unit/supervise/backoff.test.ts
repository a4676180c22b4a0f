import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { backoff } from '../../../src/supervise/backoff.ts'

suite('backoff', () => {
  test('doubles from half a second to the most, less a fifth at the utmost', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), (attempt) => {
        const full = Math.min(30_000, 500 * 2 ** (attempt - 1))
        const pause = backoff(attempt)
        assert.ok(pause <= full && pause >= Math.floor(full * 0.8), `${pause} of ${full}`)
      }),
    )
    assert.ok(backoff(50, 1000) <= 1000)
  })

  test('differs from one mirror to the next', () => {
    const pauses = new Set(Array.from({ length: 50 }, () => backoff(5)))
    assert.ok(pauses.size > 10)
  })
})
