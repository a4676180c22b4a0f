import type { Measure } from '../report.ts'

/** CPU seconds of everybody who worked; null for who took no part. */
export interface Spent {
  /** Holdfast's processes. */
  readonly tool: number | null
  /** The worker of Connect. */
  readonly worker: number | null
  readonly source: number | null
  readonly target: number
  readonly broker: number | null
}

/** What one way took to carry changes. */
export interface Way {
  readonly name: string
  readonly events: number
  readonly seconds: number
  readonly cpu: Spent
  /** The highest resident size of a process of Holdfast, bytes. */
  readonly memory: number | null
  /** How many times as fast as the first way of its part. */
  readonly ratio: number | null
  /** What that has to be at least. */
  readonly must: number | null
}

/** What one part found. */
export interface Part {
  readonly machine: Readonly<Record<string, string | number>>
  /** 1 is the size that the goals are set for. */
  readonly scale: number
  readonly ways: readonly Way[]
  readonly measures: readonly Measure[]
}

export type Findings = Pick<Part, 'ways' | 'measures'>

/** Parts by their names: each may be measured by itself. */
export type KafkaReport = Readonly<Record<string, Part>>

/** Rows of cells, the first one the headings. */
export function waysOf(report: KafkaReport): string[][] {
  const head = [
    ...['topics', 'changes', 'seconds', 'per second', 'ratio', 'must', ''],
    ...['CPU s per million: Holdfast', 'worker', 'target', 'source', 'broker', 'memory'],
  ]
  return [head, ...Object.values(report).flatMap(({ ways }) => ways.map(rowOf))]
}

function rowOf({ name, events, seconds, cpu, memory, ratio, must }: Way): string[] {
  const each = (spent: number | null): string =>
    spent === null ? '' : ((spent * 1e6) / events).toFixed(1)
  return [
    name,
    events.toLocaleString('en-US'),
    seconds.toFixed(2),
    Math.round(events / seconds).toLocaleString('en-US'),
    ratio === null ? '' : `${ratio.toFixed(2)}×`,
    must === null ? '' : `≥ ${must.toFixed(1)}×`,
    must === null || ratio === null ? '' : ratio >= must ? 'yes' : 'no',
    ...[each(cpu.tool), each(cpu.worker), each(cpu.target), each(cpu.source), each(cpu.broker)],
    memory === null ? '' : `${Math.round(memory / 2 ** 20)} MB`,
  ]
}
