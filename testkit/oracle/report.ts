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
}

export function totalsOf(outcomes: readonly Outcome[]): Totals {
  const sum = (figure: (outcome: Outcome) => number): number =>
    outcomes.reduce((all, outcome) => all + figure(outcome), 0)
  const faults: Record<string, number> = {}
  for (const outcome of outcomes) {
    for (const [kind, count] of Object.entries(outcome.faults)) {
      faults[kind] = (faults[kind] ?? 0) + count
    }
  }
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
    faults,
  }
}

/** One seed in one line. */
export function lineOf(outcome: Outcome): string {
  const { seed, failure, transactions, changes, looks, kills, seconds } = outcome
  const faults = Object.values(outcome.faults).reduce((all, count) => all + count, 0)
  const verdict = failure === null ? 'ok  ' : 'FAIL'
  return `${verdict} seed ${seed}: ${transactions} transactions, ${changes} changes, ${faults} faults, ${kills} kills, ${looks} looks, ${seconds} s`
}

/** The figures as a table of Markdown. */
export function tableOf(totals: Totals): string {
  const { seeds, transactions, changes, rolledBack, kills, starts, looks, verifications } = totals
  const kinds = Object.entries(totals.faults).toSorted(([a], [b]) => a.localeCompare(b))
  const all = kinds.reduce((sum, [, count]) => sum + count, 0)
  const rows: readonly (readonly [string, number | string])[] = [
    ['Time', `${Math.round(totals.seconds / 60)} min`],
    ['Seeds', seeds],
    ['Transactions committed at the source', transactions],
    ['Transactions rolled back there', rolledBack],
    ['Changes', changes],
    ['Processes of the mirror', starts],
    ['of them ended by SIGKILL', kills],
    ['Faults', all],
    ...kinds.map(([kind, count]): readonly [string, number] => [`– ${kind}`, count]),
    ['Looks of the reader', looks],
    ['Verifications that ended with PASS', verifications],
    ['**Divergences and halts**', `**${totals.divergences}**`],
  ]
  const lines = rows.map(([name, figure]) => `| ${name} | ${figure.toLocaleString('en')} |`)
  return ['| | |', '|---|---:|', ...lines].join('\n')
}
