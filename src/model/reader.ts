import type { Change } from './change.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { FaultCode } from './fault.ts'
import type { Positions } from './position.ts'
import type { Table } from './table.ts'
import type { Tuple } from './tuple.ts'

/** What one end says of a table before its rows are compared. */
export interface Described {
  /** False when there is no such table. */
  readonly exists: boolean
  /** Columns that the table should have and has not. */
  readonly lacking: readonly string[]
  /**
   * For each column, the forms that its cells can be digested in, best first; none for a column
   * that is lacking. A form is a name: equal names at two ends mean that equal values, and only
   * those, have equal digests there. Every connector has `values` (prints.ts) for every column.
   */
  readonly forms: readonly (readonly string[])[]
  /** An estimate. */
  readonly rows: number
}

/** How the rows of a table are digested, alike at both ends. */
export interface Recipe {
  readonly table: Table
  /** The form of each column. */
  readonly forms: readonly string[]
  /** A power of two. */
  readonly buckets: number
}

/** The rows of one bucket: their number and the sum of their digests. */
export interface Sum {
  readonly count: bigint
  readonly sum: bigint
}

/** Sums by bucket; an empty bucket is left out. */
export type Sums = ReadonlyMap<number, Sum>

/** A row without its values. */
export interface Print {
  /** Of what identifies the row; the row's bucket is its lowest bits. */
  readonly hash: bigint
  /** Of all cells. */
  readonly digest: bigint
  /** The cells that identify the row, in the order of the identity; no cells without a key. */
  readonly key: Tuple
  /** How many rows look like this; 1 with a key. */
  readonly count: number
}

export interface Found {
  readonly print: Print
  /** The values in the encoding `values`, or the digest of each as text. */
  readonly row: Tuple
}

/**
 * One end of a comparison: a consistent view of tables, open until disposed. It writes nothing.
 * All methods throw `Fault` and may be called concurrently.
 */
export interface Reader extends AsyncDisposable {
  /** Where the view stands. */
  readonly at: Positions
  describe(tables: readonly Table[]): Promise<readonly Described[]>
  /** Every row of the table, digested once. */
  sums(recipe: Recipe): Promise<Sums>
  /** The rows of these buckets (null: of all) in ascending order of `hash`. */
  list(recipe: Recipe, buckets: readonly number[] | null): AsyncIterable<readonly Print[]>
  /**
   * The rows that have these keys (tuples of the identifying cells), in any order. Rows and keys
   * are canonical values, whatever the recipe's forms.
   */
  find(recipe: Recipe, keys: readonly Tuple[], what: 'values' | 'digests'): Promise<Found[]>
  /**
   * False when the table was emptied or rewritten since the view was opened: a view does not keep
   * such a table's rows. Once it was read, nobody can do that to it until the view is closed.
   */
  intact(table: Table): Promise<boolean>
  /** What `list` would say of these rows in the encoding `values`, no cell of them unchanged. */
  print(recipe: Recipe, rows: readonly Tuple[]): Promise<readonly Print[]>
}

/** A view of the present without the log around it. */
export interface Present extends Omit<Reader, 'at'> {
  /** As that of a `SourceReader`. */
  readonly unsettled: string | null
}

/** A transaction of the log as a view of the source sees it. */
export interface LoggedTransaction {
  readonly positions: Positions
  /**
   * The view holds its changes. Null where that is not known, and where it changes nothing to say
   * them again: rows come whole, and the last word on each of them is said.
   */
  readonly visible: boolean | null
  readonly changes: readonly Change[]
}

/**
 * A view of the source together with the log around it. Everything that the view holds is in the
 * log at or before `at`; a little that is there may not be in the view.
 */
export interface SourceReader extends Reader {
  /** Everything committed at or before is in the view; the log is known from here on. */
  readonly from: Positions
  /** The fault that it means to stand before `from`; HF-L105 when absent. */
  readonly gap?: FaultCode
  /**
   * Why the promise of `from` may not hold: transactions that perhaps ended in the log before it and
   * that the source does not show yet. Null nearly always; asked for after `changes`.
   */
  readonly unsettled: string | null
  /**
   * The transactions that end after `from`, or after what an earlier call reached, and at or before
   * `through` (a few later ones may follow), in commit order. Rows are in the encoding `values`.
   * Those in the view that end at or before `known` come without their changes. Faults when there
   * is more than fits in memory.
   */
  changes(
    range: { readonly through: Positions; readonly known: Positions },
    signal: AbortSignal,
  ): AsyncIterable<readonly LoggedTransaction[]>
}

/** A view of the target; `at` is the checkpoint's position in the same view. */
export interface TargetReader extends Reader {
  readonly checkpoint: Checkpoint
  /** Some process holds the mirror, as far as the target can tell. */
  readonly held: boolean
  /** Moves the view to the present. */
  renew(): Promise<void>
}
