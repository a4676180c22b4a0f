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
}

export function writeMark({ charset, key, generated }: Mark): string {
  return JSON.stringify([charset, key, generated])
}

/** Throws Fault HF-X108 for what `writeMark` has not written. */
export function readMark(table: Table): Mark {
  try {
    const facts: unknown = JSON.parse(table.mark ?? '')
    if (Array.isArray(facts) && facts.length === 3) {
      const [charset, key, generated]: readonly unknown[] = facts
      const names = Array.isArray(generated) ? generated.map(String) : []
      if (typeof charset === 'string' && (key === null || typeof key === 'string')) {
        return { charset, key, generated: names }
      }
    }
  } catch {
    // Said below.
  }
  const name = tableName(table)
  const what = `what is known of ${name} at its last look cannot be read`
  throw new Fault('HF-X108', { what, side: 'target', table: name })
}

/** The Table that rows of `table` are read with. Throws Fault HF-D405. */
export function tableOf(table: MysqlTable): Table {
  const columns = table.columns.map((column): Column => {
    const native = nativeOf(column)
    return { name: column.name, type: neutralType(native), native, nullable: column.nullable }
  })
  const index = identityIndex(table)
  const names = index?.parts.map(({ column }) => column) ?? []
  const at = names.map((name) => columns.findIndex((column) => column.name === name))
  const identity: Identity = index === null ? { by: 'row' } : { by: 'key', columns: at }
  const generated = table.columns.flatMap((column) => (column.generated ? [column.name] : []))
  const mark = writeMark({ charset: table.charset, key: index?.name ?? null, generated })
  const { id, schema, name } = table
  return { id, schema, name, columns, identity, version: versionOf(columns, identity), mark }
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
