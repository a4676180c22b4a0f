import { ident, literal, qualified } from '../../../dialect/postgres/quote.ts'
import type {
  PgColumn,
  PgName,
  PgSchema,
  PgSequence,
  PgTable,
} from '../../../dialect/postgres/schema.ts'
import { collate, sequenceOptions } from './ddl-types.ts'

/** Virtual generated columns are known from here on; before, they are made as stored ones. */
const VIRTUAL_SINCE = 180000

interface TableContext {
  readonly schema: PgSchema
  /** server_version_num of the target. */
  readonly version: number
}

/** Makes a table without keys, indexes and partitions. Its types must be there. */
export function createTable(table: PgTable, place: PgName, context: TableContext): string {
  const columns = table.columns.map((column) => columnSql(column, table, context))
  const key = table.kind === 'partitioned' ? ` PARTITION BY ${table.partitionKey ?? ''}` : ''
  return `CREATE TABLE ${qualified(place)} (${columns.join(', ')})${key}`
}

function columnSql(column: PgColumn, table: PgTable, context: TableContext): string {
  return [
    `${ident(column.name)} ${column.type.sql}`,
    collate(column.collation),
    generation(column, context.version),
    identity(column, table, context.schema.sequences),
    defaultOf(column),
    column.notNull ? ' NOT NULL' : '',
  ].join('')
}

function generation({ generated }: PgColumn, version: number): string {
  if (generated === null || generated.expression === null) return ''
  const virtual = generated.kind === 'virtual' && version >= VIRTUAL_SINCE
  return ` GENERATED ALWAYS AS (${generated.expression}) ${virtual ? 'VIRTUAL' : 'STORED'}`
}

/**
 * A partition has its identity from its parent: from PostgreSQL 17 on it may not bring its own,
 * and before it has none.
 */
function identity(column: PgColumn, table: PgTable, sequences: readonly PgSequence[]): string {
  if (column.identity === null || table.parent !== null) return ''
  const own = sequences.find(
    ({ owner, identity: made }) =>
      made && owner?.table === table.id && owner.column === column.name,
  )
  const options =
    own === undefined ? '' : ` (SEQUENCE NAME ${qualified(own)} ${sequenceOptions(own)})`
  return ` GENERATED ${column.identity.toUpperCase()} AS IDENTITY${options}`
}

function defaultOf({ default: constant, sequence }: PgColumn): string {
  if (sequence !== null) return ` DEFAULT ${nextval(sequence)}`
  return constant === null ? '' : ` DEFAULT ${constant}`
}

function nextval(sequence: PgName): string {
  return `pg_catalog.nextval(${literal(qualified(sequence))}::pg_catalog.regclass)`
}

/** Makes an empty table a partition of its parent. */
export function attachPartition(bound: string, place: PgName, parent: PgName): string {
  return `ALTER TABLE ${qualified(parent)} ATTACH PARTITION ${qualified(place)} ${bound}`
}

/** Makes a sequence go away with its column. */
export function ownSequence(sequence: PgSequence, table: PgName, column: string): string {
  return `ALTER SEQUENCE ${qualified(sequence)} OWNED BY ${qualified(table)}.${ident(column)}`
}
