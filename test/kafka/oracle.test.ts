import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { lineOf } from '../../testkit/oracle/report.ts'
import { openTopics } from '../../testkit/oracle/topics/stand.ts'
import { runTopics, type topicFaults } from '../../testkit/oracle/topics/trial.ts'

// A moment of what `npm run soak -- --pair kafka:postgres` does for hours.

interface Moment {
  readonly seed: number
  readonly says: string
  readonly faults: Readonly<Partial<Record<keyof typeof topicFaults, number>>>
}

const moments: readonly Moment[] = [
  {
    seed: 3,
    says: 'kills, snapshots, records told again',
    faults: {
      kill: 3,
      'kill at a point': 2,
      'worker killed': 1,
      'broker killed': 1,
      'snapshot taken anew': 1,
      'records told again': 3,
    },
  },
  {
    seed: 16,
    says: 'processes that share the mirror come and go',
    faults: {
      rebalance: 5,
      kill: 2,
      'kill at a point': 1,
      'broker killed': 1,
      'records told again': 1,
    },
  },
]

const stand = await openTopics()
after(() => stand[Symbol.asyncDispose]())

for (const { seed, says, faults } of moments) {
  test(`seed ${seed}, PostgreSQL → Debezium → Kafka → PostgreSQL: ${says}`, async (t) => {
    const { source, target, worker } = stand
    const common = { transactions: 150, source, target, worker, least: 6 }
    const outcome = await runTopics({ seed, faults, ...common })
    t.diagnostic(lineOf(outcome))
    assert.equal(outcome.failure, null, outcome.failure ?? '')
    assert.ok(outcome.looks > 0, 'both ends were compared')
    if ('rebalance' in faults) assert.ok(outcome.faults['rebalance'], 'lanes went elsewhere')
  })
}
