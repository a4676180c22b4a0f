import type { Cpu, Run, SourceUse } from './contest/contest.ts'
import { rounded, type Spread, spreadOf } from './statistics.ts'

/** Everything that a run measured; what is written as JSON and compared with another. */
export interface Report {
  readonly machine: Readonly<Record<string, string | number>>
  readonly major: number
  readonly scale: number
  readonly repetitions: number
  readonly results: readonly Result[]
  readonly measures: readonly Measure[]
}

/** Holdfast against native replication (or, where `against` says so, against something else). */
export interface Result {
  readonly name: string
  /**
   * How many times as fast Holdfast is, of each pair of runs that were measured one right after
   * the other; for latencies how many times as long.
   */
  readonly ratio: Spread
  /** `least` of a speed, `most` of a latency. */
  readonly goal: 'least' | 'most'
  /** Null: measured, and nothing is asked of it. */
  readonly must: number | null
  readonly aim: number | null
  readonly against?: string
  readonly native: Figures
  readonly holdfast: Figures
}

export interface Figures {
  /** Seconds of a speed, milliseconds of a latency, transactions per second of a rate. */
  readonly taken: Spread
  /** Changes, or rows of a copy. */
  readonly perSecond: number | null
  /** CPU seconds, medians. */
  readonly cpu: Cpu | null
  /** Highest resident size of the tool, bytes. */
  readonly memory: number
  readonly source: SourceUse | null
}

/** A figure that stands for itself. */
export interface Measure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** At most this; null: nothing is asked. */
  readonly most: number | null
}

export interface Goal {
  readonly name: string
  readonly must: number | null
  readonly aim: number | null
}

/** How much faster than native the same work was done. */
export function speedOf(
  { name, must, aim }: Goal,
  changes: number,
  runs: { readonly native: readonly Run[]; readonly holdfast: readonly Run[] },
): Result {
  const ratios = runs.native.map((run, i) => run.seconds / (runs.holdfast[i]?.seconds ?? 1))
  return {
    ...{ name, must, aim, goal: 'least', ratio: spreadOf(ratios) },
    native: figuresOf(changes, runs.native),
    holdfast: figuresOf(changes, runs.holdfast),
  }
}

function figuresOf(changes: number, runs: readonly Run[]): Figures {
  const taken = spreadOf(runs.map((run) => run.seconds))
  const middle = (of: (run: Run) => number): number => rounded(spreadOf(runs.map(of)).median)
  return {
    taken,
    perSecond: Math.round(changes / taken.median),
    cpu: {
      source: middle((run) => run.cpu.source),
      target: middle((run) => run.cpu.target),
      tool: middle((run) => run.cpu.tool),
    },
    memory: Math.max(...runs.map((run) => run.memory)),
    source: {
      temporary: middle((run) => run.source.temporary),
      memory: middle((run) => run.source.memory),
    },
  }
}

/** Figures that follow from the results. */
export function measuresOf(results: readonly Result[]): readonly Measure[] {
  const largest = Math.max(0, ...results.map(({ holdfast }) => holdfast.memory)) / 2 ** 20
  const spent = results.flatMap(({ name, holdfast: { perSecond, taken, cpu } }) => {
    if (perSecond === null || cpu === null) return []
    const value = (cpu.tool * 1e6) / (perSecond * taken.median)
    return [{ name: `process, ${name}`, value, unit: 'CPU s per million', most: null }]
  })
  const size = { name: 'largest resident size', value: largest, unit: 'MB', most: 350 }
  return largest > 0 ? [size, ...spent] : spent
}

/** Null when nothing was asked. */
export function reached({ ratio, goal, must }: Result): boolean | null {
  if (must === null) return null
  return goal === 'least' ? ratio.median >= must : ratio.median <= must
}

/** Rows of cells, the first one the headings. */
export function tableOf({ results }: Report): string[][] {
  const head = [
    ...['workload', 'ratio', 'spread', 'must', '', 'native', 'Holdfast', 'CPU s/t/tool', 'CPU'],
    'memory',
  ]
  return [head, ...results.map(rowOf)]
}

function rowOf(result: Result): string[] {
  const { name, ratio, goal, must, native, holdfast } = result
  const is = reached(result)
  const digits = native.taken.median < 1_000 ? 2 : 0
  const cpu = holdfast.cpu
  return [
    result.against === undefined ? name : `${name} (against ${result.against})`,
    `${ratio.median.toFixed(2)}×`,
    `${ratio.least.toFixed(2)}–${ratio.most.toFixed(2)}`,
    must === null ? '' : `${goal === 'least' ? '≥' : '≤'} ${must.toFixed(1)}×`,
    is === null ? '' : is ? 'yes' : 'no',
    native.taken.median.toFixed(digits),
    holdfast.taken.median.toFixed(digits),
    cpu === null ? '' : [cpu.source, cpu.target, cpu.tool].map((s) => s.toFixed(1)).join(' / '),
    cpu === null || native.cpu === null ? '' : `${(sum(native.cpu) / sum(cpu)).toFixed(2)}×`,
    holdfast.memory === 0 ? '' : `${Math.round(holdfast.memory / 2 ** 20)} MB`,
  ]
}

function sum({ source, target, tool }: Cpu): number {
  return source + target + tool
}

export function measureRows({ measures }: Pick<Report, 'measures'>): string[][] {
  const rows = measures.map(({ name, value, unit, most }) => [
    name,
    `${Number(value.toFixed(2))} ${unit}`,
    most === null ? '' : `≤ ${most}`,
    most === null ? '' : value <= most ? 'yes' : 'no',
  ])
  return [['figure', 'value', 'must', ''], ...rows]
}

/** Columns of one width. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd : cell.padStart).call(cell, widths[i] ?? 0))
      .join('  ')
  return rows.map((row) => line(row).trimEnd()).join('\n')
}
