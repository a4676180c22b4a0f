import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type OracleOptions, runOracle } from '../../testkit/oracle/oracle.ts'
import { lineOf } from '../../testkit/oracle/report.ts'
import { sourceSettings, targetSettings } from '../../testkit/oracle/watch.ts'
import { type Major, type PostgresServer, postgres } from '../../testkit/servers/index.ts'

// A minute of what `npm run soak` does for hours (docs/explanation/how-it-is-tested.md).

const started = new Map<string, Promise<PostgresServer>>()

function server(major: Major, settings: Readonly<Record<string, string>>): Promise<PostgresServer> {
  const name = `${major} ${JSON.stringify(settings)}`
  const found = started.get(name) ?? postgres(major, { settings })
  started.set(name, found)
  return found
}

after(async () => {
  for (const one of started.values()) await (await one)[Symbol.asyncDispose]()
})

const seeds: readonly (Omit<OracleOptions, 'source' | 'target'> & {
  readonly what: string
  readonly pair: readonly [Major, Major]
})[] = [
  { seed: 1, pair: [18, 18], transactions: 300, what: 'all faults' },
  { seed: 2, pair: [14, 18], transactions: 250, what: 'all faults' },
  { seed: 3, pair: [18, 14], transactions: 250, what: 'all faults' },
  {
    seed: 4,
    pair: [18, 18],
    transactions: 250,
    memory: '16KiB',
    faults: {
      'COMMIT sent but reply lost': 3,
      'SIGSTOP and takeover and SIGCONT': 1,
      'kill at a point': 3,
      'target crashed': 1,
    },
    what: 'lost replies, two processes, deaths and crashes (P84)',
  },
]

for (const { what, pair, ...options } of seeds) {
  const [from, to] = pair
  test(`seed ${options.seed}, PostgreSQL ${from} → ${to}: ${what}`, async (t) => {
    const outcome = await runOracle({
      ...options,
      source: await server(from, sourceSettings),
      target: await server(to, targetSettings),
    })
    t.diagnostic(lineOf(outcome))
    assert.equal(outcome.failure, null, outcome.failure ?? '')
    assert.ok(outcome.looks > 3, 'the target was looked at')
  })
}
