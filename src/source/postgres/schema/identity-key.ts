import { createHash } from 'node:crypto'
import type { TextRow } from '../../../dialect/postgres/connect.ts'
import type { PgColumn, PgIdentity, PgIndex, PgTable } from '../../../dialect/postgres/schema.ts'
import { neutralType, type TypeIndex } from '../../../dialect/postgres/types.ts'
import type { Column, Identity, Table } from '../../../model/table.ts'
import { yes } from '../rows.ts'

interface Described {
  readonly columns: readonly PgColumn[]
  readonly indexes: readonly PgIndex[]
  /** The catalogue rows of `indexes`, in the same order. */
  readonly rows: readonly TextRow[]
  /** server_version_num. */
  readonly version: number
}

/**
 * How rows are identified in the log (REPLICA IDENTITY), and so at the target. Under FULL every
 * old row is whole, so any key will do; a deferrable key is none (the server refuses the
 * application's UPDATE then).
 */
export function identityOf(
  replident: string,
  table: Described,
): Pick<PgTable, 'replicaIdentity' | 'identity'> {
  switch (replident) {
    case 'i': {
      const index = table.indexes.find((_, at) => flagged(table, at, 'indisreplident'))
      const identity = index === undefined ? none('nothing') : byKey(index, table)
      return { replicaIdentity: 'i', identity }
    }
    case 'f':
      return {
        replicaIdentity: 'f',
        identity: publishesWhole(table, table.version) ? anyKey(table) : none('whole-generated'),
      }
    case 'n':
      return { replicaIdentity: 'n', identity: none('nothing') }
    default: {
      const index = table.indexes.find((_, at) => flagged(table, at, 'indisprimary'))
      const identity = index === undefined ? none('no-key') : byKey(index, table)
      return { replicaIdentity: 'd', identity }
    }
  }
}

/**
 * From 18 on the server refuses the UPDATEs of a table under REPLICA IDENTITY FULL whose generated
 * columns are not published (publicationcmds.c, pub_contains_invalid_column).
 */
export function publishesWhole(table: Pick<PgTable, 'columns'>, version: number): boolean {
  return version < 180000 || table.columns.every(({ generated }) => generated === null)
}

function flagged(table: Described, at: number, flag: string): boolean {
  const row = table.rows[at]
  return row !== undefined && yes(row, flag)
}

function none(reason: (PgIdentity & { by: 'none' })['reason']): PgIdentity {
  return { by: 'none', reason }
}

function byKey(index: PgIndex, table: Described): PgIdentity {
  if (index.columns === null || !index.identifies) return none('deferrable')
  const names = new Set(index.columns)
  if (table.columns.some((column) => names.has(column.name) && column.generated !== null)) {
    return none('generated')
  }
  return { by: 'key', columns: index.columns, index: index.name }
}

function anyKey(table: Described): PgIdentity {
  const primary = table.indexes.filter((_, at) => flagged(table, at, 'indisprimary'))
  const unique = table.indexes.filter((index) => index.unique)
  for (const index of [...primary, ...unique]) {
    const identity = byKey(index, table)
    if (identity.by === 'key') return identity
  }
  return { by: 'row' }
}

/** The columns whose values travel; those of the table but for the generated ones. */
export function streamed(table: PgTable): PgColumn[] {
  return table.columns.filter((column) => column.generated === null)
}

/** The Table that rows of `table` are read with. */
export function tableOf(table: PgTable, types: TypeIndex): Table {
  const columns: Column[] = streamed(table).map((column) => ({
    name: column.name,
    type: neutralType(column.type, types),
    native: column.type.sql,
    nullable: !column.notNull,
  }))
  const identity = tableIdentity(table, columns)
  return {
    id: table.id,
    schema: table.schema,
    name: table.name,
    columns,
    identity,
    version: tableVersion(columns, identity),
  }
}

function tableIdentity(table: PgTable, columns: readonly Column[]): Identity {
  const { identity } = table
  if (identity.by !== 'key') return { by: identity.by }
  const at = (name: string): number => columns.findIndex((column) => column.name === name)
  return { by: 'key', columns: identity.columns.map(at) }
}

/**
 * A digest of what decides how rows read: names and types in order, and the identity. The labels of
 * an enum do not, which may get more at any time.
 */
export function tableVersion(columns: readonly Column[], identity: Identity): string {
  const facts = [columns.map((column) => [column.name, column.native, column.type]), identity]
  const text = JSON.stringify(facts, (key, value) => (key === 'labels' ? undefined : value))
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
