import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { monotonic } from '../../src/async/clock.ts'
import type { Major, PostgresServer } from '../servers/index.ts'
import { type OracleOptions, type Outcome, runOracle } from './oracle.ts'
import type { Plan, Wishes } from './plan.ts'
import { shrink, sizeOf } from './shrink.ts'

/** Something that failed once, made as small as could be: kept, and tried again with each test run. */
export interface Case {
  /** What failed, in the words of the oracle. */
  readonly about: string
  readonly pair: readonly [Major, Major]
  /** The broken engine that it notices, where it was one. */
  readonly mutant?: string
  readonly plan: Wishes
}

export interface NamedCase extends Case {
  readonly name: string
}

const folder = fileURLToPath(new URL('../../test/oracle/cases', import.meta.url))

/** All that are kept. */
export function keptCases(): readonly NamedCase[] {
  if (!existsSync(folder)) return []
  const files = readdirSync(folder).filter((file) => file.endsWith('.json'))
  return files.toSorted().map((file): NamedCase => {
    const kept: Case = JSON.parse(readFileSync(join(folder, file), 'utf8'))
    return { name: file.slice(0, -'.json'.length), ...kept }
  })
}

/** Keeps a case; returns the name of its file. */
export function keepCase(name: string, kept: Case): string {
  mkdirSync(folder, { recursive: true })
  const plain = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
  const file = `${plain}.json`
  writeFileSync(join(folder, file), `${JSON.stringify(kept, null, 2)}\n`)
  return `test/oracle/cases/${file}`
}

/** What the mirror did wrong, as against a server that did not start or a run that took too long. */
const verdicts =
  /^Error: (?:the checkpoint|at the end|applied not once|verify|the mirror ended|the mirror stopped|the source was told|a process that lost)/

const PATIENCE_MS = 20_000

export interface Smaller {
  readonly outcome: Outcome
  readonly source: PostgresServer
  readonly target: PostgresServer
  readonly program?: string
  /** Milliseconds after which the smallest so far is good enough. */
  readonly limit: number
  readonly say: (line: string) => void
}

/** Makes a failed run smaller, by trying again and again; null when it does not fail again. */
export async function caseOf(work: Smaller): Promise<Case | null> {
  const { outcome, source, target, program, limit, say } = work
  const until = monotonic() + limit
  let runs = 0
  let about = ''
  const stuck = outcome.failure?.startsWith('Error: Not within') === true
  const quick = outcome.failure?.startsWith('Error: verify') !== true
  const attempt = async (options: OracleOptions): Promise<Outcome> => {
    runs++
    const tried = await runOracle({ patience: PATIENCE_MS, quick, ...options })
    const failed = tried.failure !== null && (stuck || verdicts.test(tried.failure))
    if (failed) about = tried.failure?.split('\n    at ')[0] ?? ''
    return failed ? tried : { ...tried, failure: null }
  }
  const ends = { source, target, ...(program === undefined ? {} : { program }) }
  const again = async (plan: Plan, tries: number, record = false): Promise<Outcome | null> => {
    for (let i = 0; i < tries && monotonic() < until; i++) {
      const tried = await attempt({ ...plan, ...ends, record })
      if (tried.failure !== null) return tried
    }
    return null
  }
  const planned = outcome.inflicted.length === 0 ? [] : outcome.inflicted
  const start: Plan = { ...outcome.plan, planned }
  if ((await again(start, 3)) === null) return null
  // A race does not show each time; what is a matter of the rows alone does.
  const smallest = await shrink(start, {
    fails: async (plan) => (await again(plan, plan.held ? 1 : 2)) !== null,
    written: async (plan) => (await again(plan, 3, true))?.script ?? null,
    said: () => about,
    say,
  })
  say(`${sizeOf(smallest.script)} left after ${runs} runs`)
  const plan = smallest.script === null ? smallest : scripted(smallest)
  return { about, pair: [source.major, target.major], plan }
}

/** Of a plan whose statements are given, what still means something. */
function scripted(plan: Plan): Wishes {
  const { seed, memory, batchRows, early, killAt, path, planned, held, script } = plan
  const common = { seed, transactions: script?.after.length ?? 0, faults: {}, killAt, planned }
  return { ...common, memory, batchRows, early, path, held, script }
}
