import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPair } from '../../testkit/oracle/kinds/pairs.ts'
import { runKinds } from '../../testkit/oracle/kinds/trial.ts'
import { lineOf } from '../../testkit/oracle/report.ts'

// A moment of what `npm run soak -- --pair mysql:postgres` does for hours.

const seeds = [
  ['mysql:postgres', 11],
  ['mariadb:postgres', 12],
  ['mysql:mongodb', 13],
  ['mariadb:mongodb-history', 14],
] as const

for (const [pair, seed] of seeds) {
  test(`seed ${seed}, ${pair.replace(':', ' → ')}: all faults`, async (t) => {
    const ends = await openPair(pair)
    assert.ok(ends !== null)
    t.after(() => ends[Symbol.asyncDispose]())
    const { source, openTarget } = ends
    const outcome = await runKinds({ seed, transactions: 150, source, openTarget })
    t.diagnostic(lineOf(outcome))
    assert.equal(outcome.failure, null, outcome.failure ?? '')
    assert.ok(outcome.looks > 0, 'the target was looked at')
  })
}
