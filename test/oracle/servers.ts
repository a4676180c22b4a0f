import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type OracleOptions, runOracle } from '../../testkit/oracle/oracle.ts'
import { lineOf } from '../../testkit/oracle/report.ts'
import { sourceSettings, targetSettings } from '../../testkit/oracle/watch.ts'
import { type Major, type PostgresServer, postgres } from '../../testkit/servers/index.ts'

const started = new Map<string, Promise<PostgresServer>>()

/** One end of the oracle, shared by the tests of a file. */
export function oracleServer(major: Major, side: 'source' | 'target'): Promise<PostgresServer> {
  const name = `${major} ${side}`
  const settings = side === 'source' ? sourceSettings : targetSettings
  const found = started.get(name) ?? postgres(major, { settings })
  started.set(name, found)
  return found
}

after(async () => {
  for (const one of started.values()) await (await one)[Symbol.asyncDispose]()
})

/** A seed that a test tries. */
export interface Seed extends Omit<OracleOptions, 'source' | 'target'> {
  readonly what: string
  readonly pair: readonly [Major, Major]
}

export function trySeed({ what, pair, ...options }: Seed): void {
  const [from, to] = pair
  test(`seed ${options.seed}, PostgreSQL ${from} → ${to}: ${what}`, async (t) => {
    const outcome = await runOracle({
      ...options,
      source: await oracleServer(from, 'source'),
      target: await oracleServer(to, 'target'),
    })
    t.diagnostic(lineOf(outcome))
    assert.equal(outcome.failure, null, outcome.failure ?? '')
    assert.ok(outcome.looks > 3, 'the target was looked at')
  })
}
