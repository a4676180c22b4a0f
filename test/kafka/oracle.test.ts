import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lineOf } from '../../testkit/oracle/report.ts'
import { openTopics } from '../../testkit/oracle/topics/stand.ts'
import { runTopics } from '../../testkit/oracle/topics/trial.ts'

// A moment of what `npm run soak -- --pair kafka:postgres` does for hours.

test('seed 3, PostgreSQL → Debezium → Kafka → PostgreSQL: kills, snapshots, records told again', async (t) => {
  await using stand = await openTopics()
  const { source, target, worker } = stand
  const faults = {
    kill: 3,
    'kill at a point': 2,
    'worker killed': 1,
    'broker killed': 1,
    'snapshot taken anew': 1,
    'records told again': 3,
  }
  const outcome = await runTopics({
    seed: 3,
    transactions: 150,
    source,
    target,
    worker,
    faults,
    least: 6,
  })
  t.diagnostic(lineOf(outcome))
  assert.equal(outcome.failure, null, outcome.failure ?? '')
  assert.ok(outcome.looks > 0, 'both ends were compared')
})
