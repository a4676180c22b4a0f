import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { monotonic } from '../../src/async/clock.ts'
import { type Major, majors, type PostgresServer, postgres } from '../servers/index.ts'
import { type Outcome, runOracle } from './oracle.ts'
import { lineOf, tableOf, totalsOf } from './report.ts'
import { sourceSettings, targetSettings } from './watch.ts'

// npm run soak -- --for 1h --seed N [--pair 18:14] [--sessions 4] [--transactions 1500] [--out FILE]

const { values } = parseArgs({
  options: {
    /** How long, as 90s, 30m or 1h; or `--seeds` seeds. */
    for: { type: 'string', default: '10m' },
    seeds: { type: 'string' },
    seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 1_000_000)) },
    pair: { type: 'string', default: '18:18' },
    sessions: { type: 'string' },
    transactions: { type: 'string', default: '1500' },
    out: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})

function millis(text: string): number {
  const parts = /^(\d+)(s|m|h)$/.exec(text)
  if (parts === null) throw new Error(`--for takes 90s, 30m or 1h, not ${text}`)
  return Number(parts[1]) * { s: 1000, m: 60_000, h: 3_600_000 }[parts[2] as 's' | 'm' | 'h']
}

function majorOf(text: string | undefined): Major {
  const found = majors.find((major) => String(major) === text)
  if (found === undefined) throw new Error(`--pair takes two of ${majors.join(', ')}, as 18:14`)
  return found
}

function writeDown(outcomes: readonly Outcome[]): void {
  if (values.out === undefined) return
  const totals = totalsOf(outcomes)
  writeFileSync(values.out, `${JSON.stringify({ pair: values.pair, totals, outcomes }, null, 2)}\n`)
}

/** Both ends, each a server of its own. */
async function servers(): Promise<{
  readonly source: PostgresServer
  readonly target: PostgresServer
}> {
  const [from, to] = values.pair.split(':').map(majorOf)
  if (from === undefined || to === undefined) throw new Error('--pair takes two majors, as 18:14')
  const source = await postgres(from, { settings: sourceSettings })
  return { source, target: await postgres(to, { settings: targetSettings }) }
}

async function soak(): Promise<boolean> {
  const ends = await servers()
  const outcomes: Outcome[] = []
  const until = monotonic() + millis(values.for)
  const most = values.seeds === undefined ? Number.POSITIVE_INFINITY : Number(values.seeds)
  const timed = values.seeds === undefined
  for (let seed = Number(values.seed); outcomes.length < most; seed++) {
    if (timed && outcomes.length > 0 && monotonic() > until) break
    const outcome = await runOracle({
      seed,
      ...ends,
      transactions: Number(values.transactions),
      ...(values.sessions === undefined ? {} : { sessions: Number(values.sessions) }),
      ...(values.verbose ? { say: console.log } : {}),
    })
    outcomes.push(outcome)
    console.log(lineOf(outcome))
    writeDown(outcomes)
    if (outcome.failure === null) continue
    const sessions = values.sessions === undefined ? '' : ` --sessions ${values.sessions}`
    console.log(outcome.failure)
    console.log(
      `again: npm run soak -- --seeds 1 --seed ${seed} --pair ${values.pair} --transactions ${values.transactions}${sessions} --verbose`,
    )
  }
  console.log(`\nPostgreSQL ${values.pair.replace(':', ' → ')}\n\n${tableOf(totalsOf(outcomes))}`)
  for (const server of Object.values(ends)) await server[Symbol.asyncDispose]()
  return outcomes.every(({ failure }) => failure === null)
}

process.exit((await soak()) ? 0 : 1)
