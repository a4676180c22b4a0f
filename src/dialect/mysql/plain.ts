import type { Plain, PlainDefault, PlainIndex } from '../../model/table.ts'
import { tableName } from '../../model/table.ts'
import type { MysqlColumn, MysqlIndex, MysqlSchema, MysqlTable } from './schema.ts'
import { parseNative } from './types.ts'

/** What servers of other kinds can have, too. */
export function plainOf({ tables, foreignKeys, flavour }: MysqlSchema): Plain {
  const indexes = tables.flatMap((table) =>
    table.indexes.filter(({ name }) => name !== 'PRIMARY').map((index) => indexOf(table, index)),
  )
  const columns = tables.flatMap((table) =>
    table.columns.map((column) => defaultOf(table, column, flavour)),
  )
  const all = [...indexes, ...columns]
  return {
    indexes: all.filter((one) => one !== null && typeof one === 'object' && 'unique' in one),
    defaults: all.filter((one) => one !== null && typeof one === 'object' && 'value' in one),
    left: [
      ...all.filter((one) => typeof one === 'string'),
      ...foreignKeys.map(({ name, table }) => `foreign key ${name} of ${tableName(table)}`),
    ],
  }
}

function indexOf(
  table: MysqlTable,
  { name, unique, type, parts }: MysqlIndex,
): PlainIndex | string {
  const left = `index ${name} of ${tableName(table)}`
  if (type !== 'BTREE') return left
  const columns: { readonly name: string; readonly length: number | null }[] = []
  for (const { column, prefix, descending } of parts) {
    const of = table.columns.find((one) => one.name === column)
    if (column === null || of === undefined || prefix !== null || descending) return left
    columns.push({ name: column, length: lengthOf(of) })
  }
  return { table: table.id, name, unique, columns }
}

const SIZED = new Set(['char', 'varchar', 'binary', 'varbinary'])

function lengthOf({ type }: MysqlColumn): number | null {
  const { base, numbers, labels } = parseNative(type)
  if (SIZED.has(base)) return numbers[0] ?? 1
  if (base === 'enum') return Math.max(...labels.map((label) => [...label].length))
  if (base === 'set') return [...labels.join(',')].length
  return /text$|blob$|json|geometry|point|polygon|linestring|collection|vector/.test(base)
    ? null
    : 0
}

const NUMBERS = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal'])
const WORDS = new Set(['char', 'varchar', 'enum', 'set'])

/** A default, null for none, or what is left behind. */
function defaultOf(
  table: MysqlTable,
  column: MysqlColumn,
  flavour: MysqlSchema['flavour'],
): PlainDefault | string | null {
  const subject = `${tableName(table)}.${column.name}`
  if (column.generated !== null) return `the expression of ${subject}`
  if (column.extra.includes('auto_increment')) return `AUTO_INCREMENT of ${subject}`
  const { default: given } = column
  if (given === null || (flavour === 'mariadb' && given === 'NULL')) return null
  const value = constantOf(column, given, flavour)
  if (value === null) return `the default of ${subject}`
  return { table: table.id, column: column.name, value }
}

function constantOf(
  { type, extra }: MysqlColumn,
  given: string,
  flavour: MysqlSchema['flavour'],
): string | null {
  const { base } = parseNative(type)
  if (/\bdefault_generated\b/.test(extra)) return null
  // The quote is doubled, and what a backslash stands for is not said.
  const quoted = /^'((?:[^'\\]|'')*)'$/.exec(given)?.[1]?.replaceAll("''", "'")
  const text = flavour === 'mysql' ? given : quoted
  if (NUMBERS.has(base)) return /^-?\d+(?:\.\d+)?$/.test(text ?? given) ? (text ?? given) : null
  if (text === undefined) return null
  if (base === 'date') return /^(?!0000)\d{4}-(?!00)\d\d-(?!00)\d\d$/.test(text) ? text : null
  return WORDS.has(base) ? text : null
}
