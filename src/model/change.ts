import type { Changes } from './changes.ts'
import type { Positions } from './position.ts'
import type { Run } from './run.ts'
import type { Table } from './table.ts'
import type { Tuple } from './tuple.ts'

/**
 * One change of one row.
 * insert: `row` is whole. update: `row` may hold unchanged cells; `old` is there when the key
 * changed (cells of the key) or when the source logs whole rows. delete: `old` holds at least the
 * cells that identify the row.
 */
export interface RowChange {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly table: Table
  readonly row: Tuple | null
  readonly old: Tuple | null
}

/** All of these tables were emptied at once. */
export interface TruncateChange {
  readonly kind: 'truncate'
  readonly tables: readonly Table[]
  readonly restartSequences: boolean
}

/** From here on rows of the table read with `to`. */
export interface SchemaChange {
  readonly kind: 'schema'
  readonly from: Table
  readonly to: Table
}

export type Change = RowChange | TruncateChange | SchemaChange

/** Few changes may come as objects; many come as one list. */
export type ChangeList = readonly Change[] | Changes

/** The source's name of a transaction in progress. */
export type TransactionId = string

/**
 * What a source's stream consists of.
 *
 * A transaction is one `commit`, before which any number of `part`s with the same `transaction`
 * may come; the commit's own changes follow those of its parts. Transactions in progress may be
 * interleaved; commits come in the order of their positions. `discard` takes back the changes of
 * a sub-transaction (those with that `sub`), or of the whole transaction when `sub` is null.
 * `run` is many transactions at once, none of which came in parts or changes a table's shape.
 * `progress` says that nothing before `positions` is outstanding.
 */
export type StreamItem =
  | {
      readonly kind: 'part'
      readonly transaction: TransactionId
      /** The sub-transaction that made these changes; null for the transaction itself. */
      readonly sub: string | null
      readonly changes: ChangeList
      /**
       * Given where the transaction is known to have committed, past this place: no part of it is
       * taken back, and nothing else comes before its commit.
       */
      readonly committed?: Positions
    }
  | { readonly kind: 'discard'; readonly transaction: TransactionId; readonly sub: string | null }
  | {
      readonly kind: 'commit'
      readonly transaction: TransactionId
      readonly changes: ChangeList
      /** Where to go on reading once this transaction is durable. */
      readonly positions: Positions
      /** Microseconds since 1970 by the source's clock; null when the source does not say. */
      readonly committedAt: bigint | null
    }
  | { readonly kind: 'run'; readonly run: Run }
  | {
      readonly kind: 'progress'
      readonly positions: Positions
      /** The source waits until this is acknowledged, as it does when it is to shut down. */
      readonly urgent?: boolean
    }
