import { Fault } from './fault.ts'
import { type Column, type Table, tableName } from './table.ts'
import type { Tuple } from './tuple.ts'

/**
 * What is known of the change that a row of the target was last written by, in columns of its own
 * behind those of the source, in this order.
 */
export const METADATA: readonly Column[] = [
  // The source committed the change; of a row of the first copy, its view was opened.
  moment('_cdc_captured_at'),
  // Where the change stands in the source's log.
  word('_cdc_lsn'),
  // c for a new row, u for a changed one, r for one of the first copy.
  word('_cdc_op'),
  // The mirror had the change.
  moment('_cdc_received'),
]

function moment(name: string): Column {
  const type = { kind: 'timestamptz', precision: 6 } as const
  return { name, type, native: 'timestamp with time zone', nullable: true }
}

function word(name: string): Column {
  return { name, type: { kind: 'text' }, native: 'text', nullable: true }
}

/** One value of each column of METADATA; moments in microseconds since 1970. */
export interface Metadata {
  /** Null where the source does not say. */
  readonly capturedAt: bigint | null
  readonly place: string
  readonly op: 'c' | 'u' | 'r'
  readonly received: bigint
}

/** The cells of METADATA as a tuple of their own. */
export type MetadataCells = (about: Metadata) => Tuple

/** The table with columns for metadata. Throws HF-D412 where it has one of that name itself. */
export function withMetadata(table: Table): Table {
  const names = table.columns.map(({ name }) => name)
  const clash = METADATA.find(({ name }) => names.includes(name))
  if (clash !== undefined) {
    throw new Fault('HF-D412', {
      what:
        `${tableName(table)} has a column ${clash.name} at the target, which is to hold ` +
        `metadata (apply.metadata_columns)`,
      side: 'target',
      table: tableName(table),
    })
  }
  const { schema, name, columns, called = { schema, name, columns: names } } = table
  return { ...table, columns: [...columns, ...METADATA], called }
}

/** How many columns of a table come from the source; those behind them hold metadata. */
export function ownColumns({ columns, called }: Table): number {
  return called?.columns.length ?? columns.length
}
