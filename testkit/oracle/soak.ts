import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { monotonic } from '../../src/async/clock.ts'
import { type Major, majors, type PostgresServer, postgres } from '../servers/index.ts'
import { caseOf, keepCase } from './cases.ts'
import { faultKinds } from './faults.ts'
import { kindsOfPairs, openPair, type PairOfKinds } from './kinds/pairs.ts'
import { runKinds } from './kinds/trial.ts'
import { type Outcome, runOracle } from './oracle.ts'
import { lineOf, type Soak, tableOf, totalsOf } from './report.ts'
import { openTopics, type TopicsStand, topicsPair } from './topics/stand.ts'
import { runTopics, topicFaults } from './topics/trial.ts'
import { sourceSettings, targetSettings } from './watch.ts'

const USAGE = `npm run soak -- [options]      random load and faults, seed after seed, against an independent truth

  --for 1h               how long, as 90s, 30m or 1h (10m)
  --seeds N              so many seeds instead
  --seed N               the first one (random)
  --pair 18:14           majors of PostgreSQL (18:18); mysql:mongodb and such, between servers of
                         different kinds; kafka:postgres, over Debezium and Kafka
  --transactions N       of each seed, at least (1500)
  --faults 'a,b'         only these, by name, each as often as the other
  --sessions N           that write; between majors of PostgreSQL
  --catchup WAY          never, always or random: how the log of PostgreSQL is read
  --shrink 10m           how long to look for a smaller case of a failure; 0s for not at all
  --out FILE             figures, for --sum
  --verbose              says what is done while it is done
  --sum FILE...          prints the figures of several soaks together

Faults: ${Object.keys(faultKinds).join(', ')}
Faults of kafka:postgres: ${Object.keys(topicFaults).join(', ')}
Pairs of kinds: ${kindsOfPairs}`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** How long, as 90s, 30m or 1h; or `--seeds` seeds. */
    for: { type: 'string', default: '10m' },
    seeds: { type: 'string' },
    seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 1_000_000)) },
    pair: { type: 'string', default: '18:18' },
    sessions: { type: 'string' },
    transactions: { type: 'string', default: '1500' },
    out: { type: 'string' },
    /** How the log is read: never, always or random catches up as HOLDFAST_CATCHUP says. */
    catchup: { type: 'string', default: process.env['HOLDFAST_CATCHUP'] ?? '' },
    /** Only these faults, by name, with commas between them. */
    faults: { type: 'string' },
    /** How long to look for a smaller case of a failure; 0s for not at all. */
    shrink: { type: 'string', default: '10m' },
    sum: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
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
  if (found !== undefined) return found
  throw new Error(
    `--pair takes two of ${majors.join(', ')}, as 18:14, ${topicsPair}, or ${kindsOfPairs}`,
  )
}

function soakOf(outcomes: readonly Outcome[]): Soak {
  // What was written is for the case that is made of it.
  const kept = outcomes.map((outcome) => ({ ...outcome, script: null }))
  return { pair: values.pair, totals: totalsOf(outcomes), outcomes: kept }
}

function writeDown(outcomes: readonly Outcome[]): void {
  if (values.out === undefined) return
  writeFileSync(values.out, `${JSON.stringify(soakOf(outcomes), null, 2)}\n`)
}

interface Ends {
  readonly source: PostgresServer
  readonly target: PostgresServer
}

/** Both ends, each a server of its own. */
async function servers(): Promise<Ends> {
  const [from, to] = values.pair.split(':').map(majorOf)
  if (from === undefined || to === undefined) throw new Error('--pair takes two majors, as 18:14')
  const source = await postgres(from, { settings: sourceSettings })
  return { source, target: await postgres(to, { settings: targetSettings }) }
}

/** The faults that were asked for, each as often as the other. */
function chosen(names: string): Readonly<Record<string, number>> {
  const given = names.split(',').filter((name) => name !== '')
  const kinds = Object.keys(values.pair === topicsPair ? topicFaults : faultKinds)
  const unknown = given.find((name) => !kinds.includes(name))
  if (unknown === undefined) return Object.fromEntries(given.map((name) => [name, 1]))
  throw new Error(`--faults takes some of ${kinds.join(',')}, not ${unknown}`)
}

/** The command that tries a seed once more. */
function again(seed: number): string {
  const { pair, transactions, sessions, catchup, faults } = values
  const more = [
    ...(sessions === undefined ? [] : ['--sessions', sessions]),
    ...(faults === undefined ? [] : ['--faults', `'${faults}'`]),
    ...(catchup === '' ? [] : ['--catchup', catchup]),
  ]
  return [
    `npm run soak -- --seeds 1 --seed ${seed} --pair ${pair} --transactions ${transactions}`,
    ...more,
    '--verbose',
  ].join(' ')
}

/** What failed is kept as a case, as small as it can be made. */
async function keepSmaller(outcome: Outcome, ends: Ends): Promise<void> {
  const limit = millis(values.shrink)
  if (limit === 0) return
  const kept = await caseOf({ outcome, ...ends, limit, say: (line) => console.log(`  ${line}`) })
  console.log(
    kept === null
      ? 'it did not fail again'
      : `kept: ${keepCase(`seed ${outcome.seed} ${values.pair}`, kept)}`,
  )
}

/** Tries a seed between the servers of a pair. */
interface Trier extends AsyncDisposable {
  run(seed: number): Promise<Outcome>
  failed(outcome: Outcome): Promise<void>
}

const common = {
  transactions: Number(values.transactions),
  ...(values.faults === undefined ? {} : { faults: chosen(values.faults) }),
  ...(values.verbose ? { say: console.log } : {}),
}

function kindsTrier(pair: PairOfKinds): Trier {
  const { source, openTarget } = pair
  return {
    run: (seed) => runKinds({ seed, source, openTarget, ...common }),
    failed: async () => {},
    [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose](),
  }
}

function topicsTrier(stand: TopicsStand): Trier {
  const { source, target, worker } = stand
  return {
    run: (seed) => runTopics({ seed, source, target, worker, ...common }),
    failed: async () => {},
    [Symbol.asyncDispose]: () => stand[Symbol.asyncDispose](),
  }
}

async function openTrier(): Promise<Trier> {
  if (values.pair === topicsPair) return topicsTrier(await openTopics())
  const kinds = await openPair(values.pair)
  return kinds === null ? await postgresTrier() : kindsTrier(kinds)
}

async function postgresTrier(): Promise<Trier> {
  const ends = await servers()
  const { sessions, catchup } = values
  const more = {
    ...(sessions === undefined ? {} : { sessions: Number(sessions) }),
    ...(catchup === '' ? {} : { path: catchup }),
  }
  return {
    run: (seed) => runOracle({ seed, ...ends, ...common, ...more }),
    failed: (outcome) => keepSmaller(outcome, ends),
    [Symbol.asyncDispose]: async () => {
      for (const server of Object.values(ends)) await server[Symbol.asyncDispose]()
    },
  }
}

async function soak(): Promise<boolean> {
  await using trier = await openTrier()
  const outcomes: Outcome[] = []
  const until = monotonic() + millis(values.for)
  const most = values.seeds === undefined ? Number.POSITIVE_INFINITY : Number(values.seeds)
  const timed = values.seeds === undefined
  for (let seed = Number(values.seed); outcomes.length < most; seed++) {
    if (timed && outcomes.length > 0 && monotonic() > until) break
    const outcome = await trier.run(seed)
    outcomes.push(outcome)
    console.log(lineOf(outcome))
    writeDown(outcomes)
    if (outcome.failure === null) continue
    console.log(outcome.failure)
    console.log(`again: ${again(seed)}`)
    await trier.failed(outcome)
  }
  console.log(`\n${tableOf([soakOf(outcomes)])}`)
  return outcomes.every(({ failure }) => failure === null)
}

if (values.help) console.log(USAGE)
else if (values.sum) {
  const soaks = positionals.map((file): Soak => JSON.parse(readFileSync(file, 'utf8')))
  console.log(tableOf(soaks))
} else process.exit((await soak()) ? 0 : 1)
