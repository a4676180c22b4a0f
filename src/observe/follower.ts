import { monotonic, wallMicros } from '../async/clock.ts'
import { type MirrorEvent, type Progress, reduce, startProgress } from '../mirror/progress.ts'

/** Milliseconds that a rate looks back, or to the last time that it was asked for. */
const WINDOW = 10_000

interface Sample {
  readonly at: number
  readonly rows: number
  readonly changes: number
}

/** What a mirror does now, per second. */
export interface Rates {
  readonly copiedRows: number
  readonly changes: number
}

/** Follows the events of one mirror. */
export class Follower {
  #progress: Progress
  #samples: Sample[] = []
  /** When the source's head and the target's durable position were last seen, by `monotonic`. */
  #heardSource: number | null = null
  #heardTarget: number | null = null

  constructor(mirror: string) {
    this.#progress = startProgress(mirror, wallMicros())
  }

  get progress(): Progress {
    return this.#progress
  }
  /** Milliseconds since the source and the target answered; null when they have not yet. */
  get sourceSilence(): number | null {
    return this.#heardSource === null ? null : monotonic() - this.#heardSource
  }
  get targetSilence(): number | null {
    return this.#heardTarget === null ? null : monotonic() - this.#heardTarget
  }

  take(event: MirrorEvent): void {
    this.#progress = reduce(this.#progress, event, wallMicros())
    const now = monotonic()
    if (event.kind === 'source') this.#heardSource = now
    if (event.kind === 'durable' || event.kind === 'copied-rows') this.#heardTarget = now
  }

  /** Rates over the last seconds; to be asked for regularly. `at` is a moment of `monotonic`. */
  rates(at = monotonic()): Rates {
    const now: Sample = { at, rows: copiedRows(this.#progress), changes: this.#progress.changes }
    const recent = this.#samples.filter((sample) => at - sample.at < WINDOW)
    const last = this.#samples.at(-1)
    this.#samples = [...(recent.length > 0 || last === undefined ? recent : [last]), now]
    const first = this.#samples[0] ?? now
    const seconds = (at - first.at) / 1000
    const rate = (later: number, earlier: number): number =>
      seconds < 0.2 ? 0 : Math.max(0, Math.round((later - earlier) / seconds))
    return { copiedRows: rate(now.rows, first.rows), changes: rate(now.changes, first.changes) }
  }
}

export function copiedRows(progress: Progress): number {
  return sum(progress, (table) => table.rowsCopied)
}

/** How many rows the copy will have brought; an estimate, never less than what is there. */
export function expectedRows(progress: Progress): number {
  return sum(progress, (table) =>
    table.copied ? table.rowsCopied : Math.max(table.rowsExpected ?? 0, table.rowsCopied),
  )
}

function sum(
  progress: Progress,
  of: (table: { rowsCopied: number; rowsExpected: number | null; copied: boolean }) => number,
): number {
  let total = 0
  for (const table of progress.tables.values()) total += of(table)
  return total
}
