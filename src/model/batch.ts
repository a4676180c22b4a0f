import type { Changes } from './changes.ts'
import type { Positions } from './position.ts'
import type { Table } from './table.ts'
import type { Tuples } from './tuples.ts'

/**
 * One set-based piece of work at the target. Rows of one step never meet twice, except where the
 * table has no key. Steps are carried out in order.
 */
export type Step =
  | {
      readonly kind: 'insert'
      readonly table: Table
      /** Whole rows. */
      readonly rows: Tuples
      /** What to do when the row is there already: it is a fault, or it is overwritten. */
      readonly existing: 'refuse' | 'overwrite'
      /** The source says that none was there before; it may say so again of one that is there. */
      readonly fresh?: true
    }
  | {
      readonly kind: 'update'
      readonly table: Table
      /** Indexes of the columns to set; the other cells of `rows` are unchanged in every row. */
      readonly set: readonly number[]
      readonly rows: Tuples
      /**
       * The tuples that find the rows; null when the key cells of `rows` do. With `old` (keys that
       * change, tables without a key) rows are updated one after another in this order, since
       * each may make room for the next.
       */
      readonly old: Tuples | null
    }
  | {
      readonly kind: 'delete'
      readonly table: Table
      /** Tuples whose identifying cells find the rows. */
      readonly old: Tuples
      /** A row that is gone already is passed over; else it is a fault. */
      readonly absent?: 'pass'
    }
  | {
      readonly kind: 'truncate'
      readonly tables: readonly Table[]
      readonly restartSequences: boolean
    }
  | { readonly kind: 'schema'; readonly from: Table; readonly to: Table }

/** A stretch of a batch that fits in memory. */
export interface Part {
  readonly steps: readonly Step[]
}

/** What one transaction of the source changed, or a stretch of that which fits in memory. */
export interface Stretch {
  /** Where the transaction committed. */
  readonly positions: Positions
  /** Source commit time, microseconds since 1970. */
  readonly committedAt: bigint | null
  /** The number of the first of these changes among those of its transaction, from 0. */
  readonly first: number
  readonly changes: Changes
}

/**
 * One target transaction: whole source transactions and the positions that they make true.
 * `parts` can be read again from the start, for a second attempt.
 */
export interface Batch {
  /**
   * True while its one transaction is still being read: what is said of the batch here holds once
   * the last of `parts` has come. Only for a target whose traits say that it takes such.
   */
  readonly growing: boolean
  /** Settles when it does not grow any more; throws what kept its transaction from being read. */
  grown(): Promise<void>
  /** What the checkpoint must say before, and what it says after; same lanes. */
  readonly previous: Positions
  readonly positions: Positions
  readonly parts: Iterable<Part> | AsyncIterable<Part>
  /**
   * The same, each change as the source made it and in its order, with the place of its
   * transaction: for a target that keeps changes, or that tells a newer one from an older one.
   */
  readonly stretches: Iterable<Stretch> | AsyncIterable<Stretch>
  /**
   * True when all that it does is known to be new rows, none of which anything else of the mirror
   * has touched: it may be written while the batch before it, if that is such a one, is applied.
   */
  readonly additive: boolean
  /** True when changes were collapsed by key, so that it may be worth trying `inOrder`. */
  readonly collapsed: boolean
  /** The same batch change by change in source order. */
  inOrder(): Batch
  /**
   * Two batches that make up this one, cut between transactions, so that what stands before one
   * that is refused can be applied; null when there is only one transaction. Both are flushed.
   */
  halves(): readonly [Batch, Batch] | null
  /** Where the newest transaction committed; `positions` may be past it. */
  readonly newest: Positions
  readonly transactions: number
  /** Row changes read from the source, before collapsing. */
  readonly changes: number
  /** Bytes of tuples, before collapsing. */
  readonly bytes: number
  /** Source commit time of the newest transaction, microseconds since 1970. */
  readonly committedAt: bigint | null
  /** Must be flushed before `apply` returns (somebody waits for it, or the mirror stops). */
  readonly flush: boolean
}
