import type { Table } from '../../model/table.ts'
import type { Tuple } from '../../model/tuple.ts'
import type { Place, Whole } from './place.ts'

/** A record of a topic as the broker keeps it. */
export interface DebeziumRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Iterable<readonly [Buffer | string, Buffer | string]>
}

/** Where a snapshot stands; `no` for what was read from the log. */
export type SnapshotMark =
  | 'no'
  | 'true'
  | 'first'
  | 'first_in_data_collection'
  | 'last_in_data_collection'
  | 'last'
  | 'incremental'

/** An event's number within its transaction, which the connector writes when it is told to. */
export interface Membership {
  readonly id: string
  /** From 1, among all events of the transaction. */
  readonly totalOrder: number
  /** From 1, among those of the same table. */
  readonly collectionOrder: number
}

/** What an event says of where it comes from. */
export interface Origin {
  /** `postgresql`, `mysql`, `mariadb`, `sqlserver`, `oracle`, …; empty when it is not said. */
  readonly connector: string
  /** The connector's prefix of its topics. */
  readonly server: string
  readonly database: string
  readonly snapshot: SnapshotMark
  /** Microseconds since 1970 by the database's clock; null when it is not said. */
  readonly committedAt: Whole | null
  /** Where it stands in the log of the database; null when it is not said. */
  readonly place: Place | null
  /** What the database calls the transaction; null when it is not said. */
  readonly transactionId: string | Whole | null
  readonly membership: Membership | null
}

/** `upsert`: the record does not say whether the row is new. */
export type RowOp = 'create' | 'update' | 'delete' | 'read' | 'upsert'

/** A place in the buffer of an event; `from` is -1 where there is no tuple. */
export interface Span {
  readonly from: number
  readonly to: number
}

/**
 * A row came, changed or went. Tuples are of the encoding `values` and as wide as the table.
 *
 * `row` is the row after it, with unchanged cells where the connector did not know the value.
 * `before` is what the connector says of the row before: where the log has only the key, it fills
 * the rest with values of its own making, so that nothing but the key of it can be relied on
 * unless the log is known to hold whole rows. `key` has the cells of the key, others are null.
 */
export interface RowEvent {
  readonly kind: 'row'
  readonly op: RowOp
  readonly table: Table
  readonly buffer: Buffer
  readonly row: Span
  readonly before: Span
  readonly key: Span
  /** True when a cell of `row` is unchanged. */
  readonly partial: boolean
  /** Of a delete that is half of a change of the key: the key that the row has from now on. */
  readonly newKey: Tuple | null
  /** Of a create that is the other half: the key that the row had. */
  readonly oldKey: Tuple | null
  /** Null when the record says nothing of it. */
  readonly origin: Origin | null
}

/** A key without a value: the row is gone, which mostly a delete said before. */
export interface TombstoneEvent {
  readonly kind: 'tombstone'
  /** As the newest record of the topic showed it; null when there was none yet. */
  readonly table: Table | null
  /** As wide as the table; null with it, or without a key. */
  readonly key: Tuple | null
  /** The key that the row has from now on, where its key was changed. */
  readonly newKey: Tuple | null
}

export interface TruncateEvent {
  readonly kind: 'truncate'
  readonly table: Table
  readonly origin: Origin
}

/** A transaction began or ended, on the topic of transactions. */
export interface TransactionEvent {
  readonly kind: 'transaction'
  readonly status: 'begin' | 'end'
  readonly id: string
  /** Of an end: how many events it has. */
  readonly events: number | null
  readonly collections: readonly { readonly name: string; readonly events: number }[]
}

/** A statement that changed tables, on the topic of schema changes. */
export interface SchemaChangeEvent {
  readonly kind: 'ddl'
  readonly database: string
  readonly ddl: string
  readonly origin: Origin | null
}

/** Nothing of a row: a heartbeat, or a message that was written into the log. */
export interface OtherEvent {
  readonly kind: 'heartbeat' | 'message'
  readonly origin: Origin | null
}

export type DebeziumEvent =
  | RowEvent
  | TombstoneEvent
  | TruncateEvent
  | TransactionEvent
  | SchemaChangeEvent
  | OtherEvent

/** A tuple of an event; null where there is none. */
export function tupleAt(event: { readonly buffer: Buffer }, span: Span): Tuple | null {
  return span.from < 0 ? null : event.buffer.subarray(span.from, span.to)
}
