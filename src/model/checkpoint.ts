import type { Positions } from './position.ts'
import type { Table } from './table.ts'

/**
 * What a log is, fact by fact, as it is written into the checkpoint and compared at every start
 * and reconnect. `changed` is the code of the fault that a different value means.
 */
export type Identities = Readonly<
  Record<string, { readonly value: string; readonly changed: string }>
>

/**
 * How changes of a table reach the target.
 * exact: the target's table is the source's. put: the same, from a source that may tell of a change
 * more than once: rows are put whether they are there or not, and one that is to go may be gone
 * already. merge: rows are added and updated; deletes and
 * truncates are not applied, rows that only the target holds stay. append: only inserts (and
 * truncates) are known, since the table has no identity.
 */
export type TableMode = 'exact' | 'put' | 'merge' | 'append'

export interface TableState {
  /** As the source described it when the checkpoint was written. */
  readonly table: Table
  readonly target: { readonly schema: string; readonly name: string }
  readonly mode: TableMode
  readonly state: 'pending' | 'copying' | 'copied'
  /** The table's rows are those of the source at this place; earlier changes are not for it. */
  readonly start: Positions | null
  readonly rowsCopied: number
}

/** Durable truth, read from the target. */
export interface Checkpoint {
  readonly mirror: string
  /** Empty until the first snapshot is recorded. */
  readonly source: Identities
  /** Empty until the first snapshot is recorded. */
  readonly positions: Positions
  readonly tables: readonly TableState[]
  /** What the mirror was set up with, so that a restart needs only its name and URLs. */
  readonly settings: Readonly<Record<string, unknown>>
  /** True once keys, indexes and foreign keys stand. */
  readonly finished: boolean
}
