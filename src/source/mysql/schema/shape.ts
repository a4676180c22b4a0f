import { createHash } from 'node:crypto'
import type { MysqlColumn, MysqlIndex, MysqlTable } from '../../../dialect/mysql/schema.ts'
import { neutralType } from '../../../dialect/mysql/types.ts'
import { Fault } from '../../../model/fault.ts'
import { type Column, type Identity, type Table, tableName } from '../../../model/table.ts'

/** The source's own full name of a column's type. */
export function nativeOf({ type, charset }: Pick<MysqlColumn, 'type' | 'charset'>): string {
  return charset === null ? type : `${type} character set ${charset}`
}

/**
 * What the source notes of a table beside its columns, to follow statements that change it
 * (`Table.mark`).
 */
export interface Mark {
  /** The character set of columns that name none. */
  readonly charset: string
  /** The name of the index that identifies rows; null without one. */
  readonly key: string | null
  /** Columns whose values the server works out. */
  readonly generated: readonly string[]
  /** Columns that hold null in a row that does not say otherwise. */
  readonly nulls: readonly string[]
  /** How many columns of MariaDB's own stand behind the others in the log. */
  readonly hidden: number
  /** Foreign keys of mirrored tables whose rows change with columns of this one. */
  readonly followers: readonly Follower[]
}

/** A foreign key with ON UPDATE CASCADE or SET NULL. */
export interface Follower {
  readonly name: string
  /** Of the table that has it. */
  readonly schema: string
  readonly table: string
  /** Columns of the table that it refers to. */
  readonly columns: readonly string[]
}

export function writeMark({ charset, key, generated, nulls, hidden, followers }: Mark): string {
  const keys = followers.map(({ name, schema, table, columns }) => [
    name,
    schema,
    table,
    ...columns,
  ])
  return JSON.stringify([
    charset,
    key,
    generated,
    nulls,
    hidden,
    ...(keys.length > 0 ? [keys] : []),
  ])
}

/** Throws Fault HF-X108 for what `writeMark` has not written. */
export function readMark(table: Table): Mark {
  const mark = parseMark(table.mark ?? '')
  if (mark !== null) return mark
  const name = tableName(table)
  const what = `what is known of ${name} at its last look cannot be read`
  throw new Fault('HF-X108', { what, side: 'target', table: name })
}

function parseMark(text: string): Mark | null {
  try {
    const facts: unknown = JSON.parse(text)
    if (!Array.isArray(facts) || facts.length < 5 || facts.length > 6) return null
    const [charset, key, generated, nulls, hidden, keys = []]: readonly unknown[] = facts
    if (typeof charset !== 'string' || typeof hidden !== 'number') return null
    if (key !== null && typeof key !== 'string') return null
    if (!Array.isArray(generated) || !Array.isArray(nulls) || !Array.isArray(keys)) return null
    const names = { generated: generated.map(String), nulls: nulls.map(String) }
    return { charset, key, ...names, hidden, followers: keys.map(followerOf) }
  } catch {
    return null
  }
}

/** Throws for what is no list. */
function followerOf(facts: unknown): Follower {
  if (!Array.isArray(facts)) throw new TypeError('not a list')
  const [name = '', schema = '', table = '', ...columns] = facts.map(String)
  return { name, schema, table, columns }
}

/** The Table that rows of `table` are read with. Throws Fault HF-D405. */
export function tableOf(
  table: MysqlTable,
  mariadb: boolean,
  followers: readonly Follower[] = [],
): Table {
  const columns = table.columns.map((column): Column => {
    const native = nativeOf(column)
    return { name: column.name, type: neutralType(native), native, nullable: column.nullable }
  })
  const index = identityIndex(table)
  const names = index?.parts.map(({ column }) => column) ?? []
  const at = names.map((name) => columns.findIndex((column) => column.name === name))
  const identity: Identity = index === null ? { by: 'row' } : { by: 'key', columns: at }
  const mark = writeMark({ ...markOf(table, index, mariadb), followers })
  const { id, schema, name } = table
  return { id, schema, name, columns, identity, version: versionOf(columns, identity), mark }
}

function markOf(
  table: MysqlTable,
  index: MysqlIndex | null,
  mariadb: boolean,
): Omit<Mark, 'followers'> {
  const named = (columns: readonly MysqlColumn[]): string[] => columns.map(({ name }) => name)
  // A unique index over values of any length is one over a hidden column with their digest.
  const digests = table.indexes.filter(({ unique, type }) => unique && type === 'HASH')
  return {
    charset: table.charset,
    key: index?.name ?? null,
    generated: named(table.columns.filter(({ generated }) => generated !== null)),
    nulls: named(table.columns.filter((column) => isNullUnsaid(column, mariadb))),
    hidden: table.engine === 'MEMORY' ? 0 : digests.length,
  }
}

/** MariaDB prints the default NULL as a word. */
function isNullUnsaid(column: MysqlColumn, mariadb: boolean): boolean {
  const none = column.default === null || (mariadb && column.default === 'NULL')
  return column.nullable && none && column.generated === null
}

/**
 * The index by which rows are found: the primary key, else a unique one of columns that are never
 * null. The server logs its columns under every row image (sql/table.cc, mark_columns_per_binlog_
 * row_image). Where a prefix is unique, the whole is.
 */
function identityIndex({ indexes, columns }: MysqlTable): MysqlIndex | null {
  const filled = new Set(columns.filter(({ nullable }) => !nullable).map(({ name }) => name))
  const identifies = ({ unique, parts }: MysqlIndex): boolean =>
    unique && parts.every(({ column }) => column !== null && filled.has(column))
  const primary = indexes.find(({ name }) => name === 'PRIMARY')
  return primary ?? indexes.find(identifies) ?? null
}

/** A digest of what decides how rows read: names and types in order, and the identity. */
export function versionOf(columns: readonly Column[], identity: Identity): string {
  const facts = [columns.map(({ name, native, type }) => [name, native, type]), identity]
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16)
}
