import type { Session, TextRow } from '../../../dialect/mysql/connect.ts'
import { ident, literal } from '../../../dialect/mysql/quote.ts'
import { columnType } from '../../../dialect/mysql/types.ts'
import { Fault } from '../../../model/fault.ts'
import { type Table, tableName } from '../../../model/table.ts'
import { formOf } from '../schema/fit.ts'
import type { Form, Held } from '../schema/forms.ts'
import { isNarrow } from '../schema/same.ts'

/** A column of a table at the target, as the catalogue has it. */
export interface FoundColumn extends Held {
  readonly name: string
  readonly collation: string | null
  readonly nullable: boolean
  /** A row that does not mention it gets a value all the same. */
  readonly optional: boolean
  readonly generated: boolean
  /** An update of the row that does not mention it gives it the time. */
  readonly stamped: boolean
}

export interface FoundIndex {
  readonly name: string
  /** Names; null for an expression or a part of a column. */
  readonly columns: readonly (string | null)[]
}

/** A table at the target, as the catalogue has it. */
export interface FoundTable {
  readonly name: string
  readonly engine: string
  readonly columns: readonly FoundColumn[]
  readonly unique: readonly FoundIndex[]
}

/** A column of a mirrored table: how values go in and come back. */
export interface BoundColumn {
  /** Quoted. */
  readonly name: string
  readonly form: Form
  /** A new row need not mention it. */
  readonly optional: boolean
  /** What to compare instead of the column, where its collation takes texts that differ for equal. */
  readonly exact: string
}

/** A mirrored table and what it is at the target. */
export interface Binding {
  readonly table: Table
  /** Quoted. */
  readonly name: string
  readonly columns: readonly BoundColumn[]
  /** The unique index on the key, quoted; null without a key. */
  readonly index: string | null
  /** There are other unique indexes, or will be, which could catch a row. */
  readonly others: boolean
  /** Quoted names of columns that an update gives the time, unless it mentions them. */
  readonly stamped: readonly string[]
}

function count(row: TextRow, name: string): number | null {
  const value = row[name]
  return value == null ? null : Number(value)
}

function columnOf(row: TextRow, signedZero: boolean): FoundColumn {
  const extra = (row['extra'] ?? '').toLowerCase()
  const generated = /\b(virtual|stored|persistent) generated\b|^(virtual|stored)/.test(extra)
  const full = columnType(row['full'] ?? '')
  return {
    name: row['name'] ?? '',
    type: (row['type'] ?? '').toLowerCase(),
    full,
    unsigned: /\bunsigned\b/i.test(full),
    charset: row['charset'] ?? null,
    collation: row['collation'] ?? null,
    length: count(row, 'length'),
    precision: count(row, 'numbers'),
    scale: count(row, 'scale'),
    fraction: count(row, 'fraction'),
    signedZero,
    nullable: row['nullable'] === 'YES',
    optional:
      row['nullable'] === 'YES' ||
      row['preset'] != null ||
      generated ||
      extra.includes('auto_increment'),
    generated,
    stamped: extra.includes('on update'),
  }
}

const COLUMNS = `SELECT table_name AS t, column_name AS name, data_type AS type,
  column_type AS full, character_set_name AS charset, collation_name AS collation,
  character_maximum_length AS length, numeric_precision AS numbers, numeric_scale AS scale,
  datetime_precision AS fraction, is_nullable AS nullable, column_default AS preset, extra AS extra
FROM information_schema.columns WHERE table_schema = database()`

const UNIQUE = `SELECT table_name AS t, index_name AS name, column_name AS col, sub_part AS part
FROM information_schema.statistics WHERE table_schema = database() AND non_unique = 0`

const TABLES = `SELECT table_name AS t, engine AS engine, table_type AS kind, @@lower_case_table_names AS folds
FROM information_schema.tables WHERE table_schema = database()`

/** Tables of the session's database by name; views and what is missing are left out. */
export async function findTables(
  session: Session,
  names: readonly string[],
): Promise<ReadonlyMap<string, FoundTable>> {
  if (names.length === 0) return new Map()
  const among = ` AND table_name IN (${names.map(literal).join(', ')})`
  const tables = await session.query(`${TABLES}${among}`)
  const columns = await session.query(`${COLUMNS}${among} ORDER BY table_name, ordinal_position`)
  const unique = await session.query(
    `${UNIQUE}${among} ORDER BY table_name, index_name, seq_in_index`,
  )
  const signedZero = session.version.flavour === 'mysql'
  const found = tables.filter((row) => row['kind'] === 'BASE TABLE')
  return new Map(
    found.map((row) => {
      const name = row['t'] ?? ''
      const of = (one: TextRow): boolean => one['t'] === name
      const table: FoundTable = {
        name,
        engine: row['engine'] ?? '',
        columns: columns.filter(of).map((column) => columnOf(column, signedZero)),
        unique: indexesOf(unique.filter(of)),
      }
      return [wantedName(row, names), table]
    }),
  )
}

/** The name that was asked for: some servers keep the names of tables in lower case. */
function wantedName(row: TextRow, names: readonly string[]): string {
  const name = row['t'] ?? ''
  if (row['folds'] === '0' || names.includes(name)) return name
  return names.find((one) => sameName(one, name)) ?? name
}

function indexesOf(rows: readonly TextRow[]): readonly FoundIndex[] {
  const indexes = new Map<string, (string | null)[]>()
  for (const row of rows) {
    const columns = indexes.get(row['name'] ?? '') ?? []
    columns.push(row['part'] == null ? (row['col'] ?? null) : null)
    indexes.set(row['name'] ?? '', columns)
  }
  return [...indexes].map(([name, columns]) => ({ name, columns }))
}

/** Names of columns are equal whatever their case, to this family of servers. */
export function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

export function keyNames({ identity, columns }: Table): readonly string[] {
  if (identity.by !== 'key') return []
  return identity.columns.flatMap((at) => columns[at]?.name ?? [])
}

/** The unique index on exactly these columns. */
export function indexOn(found: FoundTable, names: readonly string[]): FoundIndex | null {
  const fits = ({ columns }: FoundIndex): boolean =>
    columns.length === names.length &&
    columns.every((name) => name !== null && names.some((one) => sameName(one, name)))
  return found.unique.find(fits) ?? null
}

/** What is known of a table beside what stands there. */
export interface Expected {
  /** It gets further unique indexes later: it is written as if these were there. */
  readonly others: boolean
  /** It has the types of a source of this family. */
  readonly alike: boolean
}

/** Throws HF-T218 for what is not there any more. */
export function bind(
  table: Table,
  found: FoundTable | undefined,
  how: Expected & { readonly collation: string },
): Binding {
  if (found === undefined) throw missing(table, 'the table')
  const columns = table.columns.map((column): BoundColumn => {
    const held = found.columns.find((one) => sameName(one.name, column.name))
    const form = held === undefined ? null : formOf(column, held)
    const narrow = held !== undefined && how.alike && isNarrow(column.native, held)
    if (held === undefined || form === null || narrow) {
      throw missing(table, `column ${column.name}`)
    }
    const { optional } = held
    const name = ident(held.name)
    return { name, form, optional, exact: exactly(held, how.collation) }
  })
  const names = keyNames(table)
  const index = names.length === 0 ? null : indexOn(found, names)
  if (names.length > 0 && index === null) throw missing(table, `the key on ${names.join(', ')}`)
  return {
    table,
    name: ident(found.name),
    columns,
    index: index === null ? null : ident(index.name),
    others: how.others || found.unique.length > (index === null ? 0 : 1),
    stamped: found.columns.filter(({ stamped }) => stamped).map(({ name }) => ident(name)),
  }
}

function exactly(held: FoundColumn, collation: string): string {
  const name = ident(held.name)
  if (held.charset === null || held.collation === collation) return name
  const text = held.charset === 'utf8mb4' ? name : `CONVERT(${name} USING utf8mb4)`
  return `${text} COLLATE ${collation}`
}

function missing(table: Table, what: string): Fault {
  return new Fault('HF-T218', {
    what: `${what} of ${tableName(table)} is not at the target as the mirror made or found it`,
    side: 'target',
    table: tableName(table),
  })
}
