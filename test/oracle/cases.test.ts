import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keptCases } from '../../testkit/oracle/cases.ts'
import { runOracle } from '../../testkit/oracle/oracle.ts'
import { oracleServer } from './servers.ts'

// What failed once, or notices an engine that is broken on purpose, as small as it could be made.

for (const { name, pair, plan } of keptCases()) {
  test(`case ${name}, PostgreSQL ${pair[0]} → ${pair[1]}`, async () => {
    const source = await oracleServer(pair[0], 'source')
    const target = await oracleServer(pair[1], 'target')
    const { failure } = await runOracle({ ...plan, source, target })
    assert.equal(failure, null, failure ?? '')
  })
}
