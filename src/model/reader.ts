import type { Positions } from './position.ts'

/** One end of a comparison: a consistent view of tables, open until disposed. */
export interface Reader extends AsyncDisposable {
  /** Where the view stands. */
  readonly at: Positions
}

export interface SourceReader extends Reader {}

export interface TargetReader extends Reader {}
