import type { Table } from './table.ts'

/** A table as its database declares it now. */
export interface Declared {
  readonly table: Table
  /** Names of columns that have a default. */
  readonly defaulted: readonly string[]
  /** By the names of columns: the transaction that declared each last, as the log calls it. */
  readonly since: ReadonlyMap<string, number>
}
