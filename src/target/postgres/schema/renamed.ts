import { ident } from '../../../dialect/postgres/quote.ts'
import type {
  PgColumn,
  PgForeignKey,
  PgIdentity,
  PgIndex,
  PgSchema,
  PgTable,
} from '../../../dialect/postgres/schema.ts'
import { Fault } from '../../../model/fault.ts'
import { type Blueprint, type Table, tableName } from '../../../model/table.ts'

/** The name of a column here, from its name at the source. */
type Rename = (column: string) => string

/**
 * The source's schema with the columns called as they are here; it itself where nothing is called
 * otherwise. Throws HF-C114 where an expression of the source's would name such a column.
 */
export function renamedSchema(schema: PgSchema, { tables }: Blueprint): PgSchema {
  const renames = new Map(tables.flatMap((table) => renameOf(table)))
  if (renames.size === 0) return schema
  const of = (id: string): Rename => renames.get(id) ?? ((column) => column)
  return {
    ...schema,
    tables: schema.tables.map((table) => {
      const rename = renames.get(table.id)
      return rename === undefined ? table : renamedTable(table, rename)
    }),
    foreignKeys: schema.foreignKeys.map((key) => renamedKey(key, of)),
    sequences: schema.sequences.map((sequence) => {
      const { owner } = sequence
      if (owner === null) return sequence
      return { ...sequence, owner: { ...owner, column: of(owner.table)(owner.column) } }
    }),
  }
}

function renameOf({ id, columns, called }: Table): [string, Rename][] {
  if (called === undefined) return []
  const names = new Map(called.columns.map((name, i) => [name, columns[i]?.name ?? name]))
  if ([...names].every(([from, to]) => from === to)) return []
  return [[id, (column) => names.get(column) ?? column]]
}

function renamedTable(table: PgTable, rename: Rename): PgTable {
  const computed = table.columns.find(({ generated }) => generated !== null)?.name
  const partitioned = table.parent !== null || table.kind === 'partitioned'
  if (computed !== undefined || partitioned) {
    const why = partitioned ? 'it is part of a partitioned table' : `${computed} is computed`
    throw new Fault('HF-C114', {
      what: `tables.rename: columns of ${tableName(table)} keep their names in PostgreSQL: ${why}`,
      table: tableName(table),
    })
  }
  return {
    ...table,
    columns: table.columns.map((column): PgColumn => ({ ...column, name: rename(column.name) })),
    indexes: table.indexes.map((index) => renamedIndex(index, rename)),
    identity: renamedIdentity(table.identity, rename),
  }
}

function renamedIdentity(identity: PgIdentity, rename: Rename): PgIdentity {
  if (identity.by !== 'key') return identity
  return { ...identity, columns: identity.columns.map(rename) }
}

/** What an index is says text; where that is no more than its columns it is said anew. */
function renamedIndex(index: PgIndex, rename: Rename): PgIndex {
  const { columns, sql } = index
  if (columns === null || sql === null) {
    return { ...index, sql: null, obstacle: index.obstacle ?? OTHERWISE }
  }
  const now = columns.map(rename)
  const plain = /^(?:PRIMARY KEY|UNIQUE|btree|hash|gin|gist|brin) /.exec(sql)?.[0]
  const list = (names: readonly string[]): string => `(${names.map(ident).join(', ')})`
  const printed = (names: readonly string[]): string => `(${names.map(bare).join(', ')})`
  const rest = sql.slice(plain?.length ?? 0)
  if (plain !== undefined && (rest === list(columns) || rest === printed(columns))) {
    return { ...index, columns: now, sql: plain + list(now) }
  }
  return { ...index, columns: now, sql: null, obstacle: OTHERWISE }
}

const OTHERWISE = 'a column has another name at the target'

/** As the server prints a name that needs no quotes. */
function bare(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : ident(name)
}

function renamedKey(key: PgForeignKey, of: (id: string) => Rename): PgForeignKey {
  return {
    ...key,
    columns: key.columns.map(of(key.table)),
    setColumns: key.setColumns.map(of(key.table)),
    referencedColumns: key.referencedColumns.map(of(key.references)),
  }
}
