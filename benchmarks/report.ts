import type { Spread } from './statistics.ts'

/** Everything that a run measured; what is written as JSON and compared with another. */
export interface Report {
  readonly machine: Readonly<Record<string, string | number>>
  readonly major: number
  readonly scale: number
  readonly repetitions: number
  readonly results: readonly Result[]
}

export interface Result {
  readonly name: string
  /**
   * How many times as fast Holdfast is, of each pair of runs that were measured one right after
   * the other; for latencies how many times as long.
   */
  readonly ratio: Spread
  /** `least` of a speed, `most` of a latency. */
  readonly goal: 'least' | 'most'
  readonly must: number
  readonly aim: number
  readonly native: Figures
  readonly holdfast: Figures
}

export interface Figures {
  /** Seconds of a speed, milliseconds of a latency. */
  readonly taken: Spread
  readonly changesPerSecond: number | null
  /** CPU seconds. */
  readonly cpu: { readonly source: number; readonly target: number; readonly tool: number }
  /** Highest resident size of the tool, bytes. */
  readonly memory: number
  /** Bytes of temporary files at the source. */
  readonly temporary: number
}

export function reached({ ratio, goal, must }: Result): boolean {
  return goal === 'least' ? ratio.median >= must : ratio.median <= must
}

/** One line for each result. */
export function tableOf({ results }: Report): string {
  const lines = results.map((result) => {
    const { name, ratio, goal, must, native, holdfast } = result
    const spread = `${ratio.least.toFixed(2)}–${ratio.most.toFixed(2)}`
    const wanted = `${goal === 'least' ? '≥' : '≤'} ${must.toFixed(1)}×`
    const cpu = Object.values(holdfast.cpu).map((seconds) => seconds.toFixed(1))
    return [
      name.padEnd(16),
      `${ratio.median.toFixed(2)}×`.padStart(7),
      spread.padStart(11),
      wanted.padStart(8),
      (reached(result) ? 'yes' : 'no').padEnd(4),
      native.taken.median.toFixed(2).padStart(8),
      holdfast.taken.median.toFixed(2).padStart(8),
      cpu.join('/').padStart(12),
      `${Math.round(holdfast.memory / 2 ** 20)} MB`.padStart(7),
    ].join('  ')
  })
  const head =
    'workload            ratio       spread     must        native  holdfast  CPU s/t/tool  memory'
  return [head, ...lines].join('\n')
}
