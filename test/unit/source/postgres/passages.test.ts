import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Passages } from '../../../../src/source/postgres/log/passages.ts'
import { Landmark, passedAt } from '../../../../src/source/postgres/position.ts'

const step = fc.record({
  by: fc.bigInt({ min: 1n, max: 1n << 33n }),
  time: fc.bigInt({ min: -(1n << 50n), max: 1n << 50n }),
  touched: fc.boolean(),
})
const steps = fc.array(step, { maxLength: 40 })
const begin = fc.constantFrom(0n, (1n << 64n) - (1n << 40n))
const before = fc.option(fc.constant(new Landmark(7n, 8n)))

test('each place is told as it was added, with the landmark of the newest that held rows', () => {
  fc.assert(
    fc.property(steps, begin, before, (all, from, landmark) => {
      const passages = new Passages((lsn, at) => passedAt('log', lsn, at), landmark)
      assert.equal(passages.landmark, landmark)
      const wanted: [unknown, bigint][] = []
      let [lsn, mark] = [from, landmark]
      for (const { by, time, touched } of all) {
        lsn += by
        if (touched) mark = new Landmark(lsn, time)
        wanted.push([[...passedAt('log', lsn, mark)].map(told), time])
        passages.add(lsn, time, touched)
        assert.equal(String(passages.landmark), String(mark))
        assert.equal(passages.length, wanted.length)
      }
      for (const [i, one] of wanted.entries()) {
        const got = [[...passages.positions(i)].map(told), passages.committedAt(i)]
        assert.deepEqual(got, one)
      }
    }),
    { numRuns: 300 },
  )
})

test('a place is made when it is asked for, and not before', () => {
  let made = 0
  const passages = new Passages((lsn, at) => {
    made++
    return passedAt('log', lsn, at)
  }, null)
  for (let i = 1; i <= 1000; i++) passages.add(BigInt(i), 0n, true)
  assert.equal(made, 0)
  passages.positions(500)
  assert.equal(made, 1)
})

type Entry = readonly [string, { readonly order: bigint; readonly landmark?: string }]

function told([lane, { order, landmark }]: Entry): unknown {
  return [lane, order, landmark]
}
