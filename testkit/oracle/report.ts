import type { Outcome } from './oracle.ts'

/** What all seeds of a soak were together. */
export interface Totals {
  readonly seeds: number
  readonly divergences: number
  readonly transactions: number
  readonly changes: number
  readonly rolledBack: number
  readonly looks: number
  readonly verifications: number
  readonly kills: number
  readonly starts: number
  readonly seconds: number
  readonly faults: Readonly<Record<string, number>>
  /** Processes that ended themselves, by the named point. */
  readonly deaths: Readonly<Record<string, number>>
  /** Faults that were not possible where this ran. */
  readonly leftOut: readonly string[]
  /** Seeds by how the log was read. */
  readonly paths: Readonly<Record<string, number>>
}

/** What a soak writes to its file. */
export interface Soak {
  readonly pair: string
  readonly totals: Totals
  readonly outcomes: readonly Outcome[]
}

function counted(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const all: Record<string, number> = {}
  for (const count of counts) {
    for (const [kind, times] of Object.entries(count)) all[kind] = (all[kind] ?? 0) + times
  }
  return all
}

export function totalsOf(outcomes: readonly Outcome[]): Totals {
  const sum = (figure: (outcome: Outcome) => number): number =>
    outcomes.reduce((all, outcome) => all + figure(outcome), 0)
  return {
    seeds: outcomes.length,
    divergences: outcomes.filter(({ failure }) => failure !== null).length,
    transactions: sum(({ transactions }) => transactions),
    changes: sum(({ changes }) => changes),
    rolledBack: sum(({ rolledBack }) => rolledBack),
    looks: sum(({ looks }) => looks),
    verifications: sum(({ verifications }) => verifications),
    kills: sum(({ kills }) => kills),
    starts: sum(({ starts }) => starts),
    seconds: sum(({ seconds }) => seconds),
    faults: counted(outcomes.map(({ faults }) => faults)),
    deaths: counted(outcomes.map(({ deaths }) => deaths)),
    leftOut: [...new Set(outcomes.flatMap(({ leftOut }) => leftOut))],
    paths: counted(outcomes.map(({ plan }) => ({ [plan.path ?? 'by the distance']: 1 }))),
  }
}

/** One seed in one line. */
export function lineOf(outcome: Outcome): string {
  const { seed, failure, transactions, changes, looks, kills, seconds } = outcome
  const faults = sumOf(outcome.faults)
  const verdict = failure === null ? 'ok  ' : 'FAIL'
  return `${verdict} seed ${seed}: ${transactions} transactions, ${changes} changes, ${faults} faults, ${kills} kills, ${looks} looks, ${seconds} s`
}

/** The figures of soaks as a table of Markdown, and what it does not say by itself. */
export function tableOf(soaks: readonly Soak[]): string {
  const totals = totalsOf(soaks.flatMap(({ outcomes }) => outcomes))
  const { transactions, changes, rolledBack, kills, starts, looks, verifications } = totals
  const listed = (counts: Readonly<Record<string, number>>): (readonly [string, number])[] =>
    Object.entries(counts)
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([kind, count]) => [`– ${kind}`, count])
  const pairs = counted(soaks.map(({ pair, outcomes }) => ({ [pair]: outcomes.length })))
  const named = Object.entries(pairs).map(
    ([pair, seeds]) => `${pair.replace(':', ' → ')} (${seeds})`,
  )
  const rows: readonly (readonly [string, number | string])[] = [
    ['Time', `${Math.round(totals.seconds / 60)} min`],
    ['Seeds', totals.seeds],
    ['Transactions committed at the source', transactions],
    ['Transactions rolled back there', rolledBack],
    ['Changes', changes],
    ['Processes of the mirror', starts],
    ['of them ended by SIGKILL', kills],
    ['of these at a named point of the code', sumOf(totals.deaths)],
    ...listed(totals.deaths),
    ['Faults that met the mirror', sumOf(totals.faults)],
    ...listed(totals.faults),
    ['Looks of the reader', looks],
    ['Verifications that ended with PASS', verifications],
    ['**Divergences and halts**', `**${totals.divergences}**`],
  ]
  const lines = rows.map(([name, figure]) => `| ${name} | ${figure.toLocaleString('en')} |`)
  const ways = Object.entries(totals.paths).map(([path, seeds]) => `${path} (${seeds})`)
  const said = [
    `Seeds: ${named.join(', ')}. Way of reading: ${ways.join(', ')}.`,
    ...(totals.leftOut.length === 0 ? [] : [`Not possible here: ${totals.leftOut.join(', ')}.`]),
  ]
  return [...said, '', '| | |', '|---|---:|', ...lines].join('\n')
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, count) => all + count, 0)
}
