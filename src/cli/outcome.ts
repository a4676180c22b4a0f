import type { Fault } from '../model/fault.ts'

/** What is next, in one line. */
export interface Hint {
  readonly why: string
  readonly run: string
}

/** How a command ended. */
export interface Outcome {
  /** False when the command worked and the answer is no. */
  readonly ok: boolean
  /** The exit code; else it follows from `ok` and `error`. */
  readonly exit?: 0 | 1 | 2 | 3 | 4 | 5
  /** The few figures that matter; for `--json`. */
  readonly summary?: Readonly<Record<string, unknown>>
  /** Everything; for `--json`. */
  readonly result?: unknown
  readonly error?: Fault | null
  /** Whose fault it is, where a call is about several mirrors. */
  readonly mirror?: string
  readonly hints?: readonly Hint[]
}
