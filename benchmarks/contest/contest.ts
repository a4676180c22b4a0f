import type { Pair } from '../machine.ts'
import type { Measure, Result } from '../report.ts'

export type Contestant = 'native' | 'holdfast'

export interface Bench {
  readonly pair: Pair
  /** 1 is the size that the goals are set for. */
  readonly scale: number
  readonly repetitions: number
}

/** What a contest found: ratios to native, and figures that stand for themselves. */
export interface Findings {
  readonly results?: readonly Result[]
  readonly measures?: readonly Measure[]
}

/** One thing that is measured; run one after another, each cleans up after itself. */
export interface Contest {
  readonly name: string
  readonly run: (bench: Bench) => Promise<Findings>
}

/** What one run took. */
export interface Run {
  /** Seconds, from the command until its work can be seen at the target. */
  readonly seconds: number
  /** CPU seconds. */
  readonly cpu: Cpu
  /** Highest resident size of the tool, bytes; 0 for native, which is the target itself. */
  readonly memory: number
  /** What the source needed beside its CPU. */
  readonly source: SourceUse
}

export interface Cpu {
  readonly source: number
  readonly target: number
  readonly tool: number
}

/** Bytes. */
export interface SourceUse {
  /** Written to temporary files. */
  readonly temporary: number
  /** Highest private memory of all of the server's processes together. */
  readonly memory: number
}

/** Both contestants one right after the other, as often as asked: neighbours slow down both. */
export async function interleaved<T>(work: {
  readonly name: string
  readonly repetitions: number
  readonly run: (contestant: Contestant) => Promise<T>
  readonly tell: (run: T) => string
}): Promise<Readonly<Record<Contestant, readonly T[]>>> {
  const runs: Record<Contestant, T[]> = { native: [], holdfast: [] }
  for (let i = 0; i < work.repetitions; i++) {
    for (const contestant of ['native', 'holdfast'] as const) {
      const done = await work.run(contestant)
      runs[contestant].push(done)
      console.error(`${work.name} ${contestant}: ${work.tell(done)}`)
    }
  }
  return runs
}

export function tellRun({ seconds, cpu, memory, source }: Run): string {
  const spent = [cpu.source, cpu.target, cpu.tool].map((one) => one.toFixed(1)).join('/')
  const sizes = [
    ['', memory],
    [' at the source', source.memory],
    [' of temporary files', source.temporary],
  ] as const
  const told = sizes.flatMap(([what, bytes]) =>
    bytes === 0 ? [] : [`${Math.round(bytes / 2 ** 20)} MB${what}`],
  )
  return [`${seconds.toFixed(2)} s, CPU ${spent}`, ...told].join(', ')
}
