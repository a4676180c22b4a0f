import { type Plain, type PlainDefault, type PlainIndex, tableName } from '../../model/table.ts'
import type { PgColumn, PgIndex, PgSchema, PgTable } from './schema.ts'

/** What servers of other kinds can have, too. */
export function plainOf({ tables, foreignKeys }: PgSchema): Plain {
  const indexes = tables.flatMap((table) =>
    table.indexes
      .filter(({ constraint }) => constraint?.kind !== 'primary')
      .map((index) => indexOf(table, index)),
  )
  const columns = tables.flatMap((table) => table.columns.map((column) => defaultOf(table, column)))
  const all = [...indexes, ...columns]
  return {
    indexes: all.filter((one) => one !== null && typeof one === 'object' && 'unique' in one),
    defaults: all.filter((one) => one !== null && typeof one === 'object' && 'value' in one),
    left: [
      ...all.filter((one) => typeof one === 'string'),
      ...foreignKeys.map(({ name, table }) => {
        const of = tables.find(({ id }) => id === table)
        return `foreign key ${name}${of === undefined ? '' : ` of ${tableName(of)}`}`
      }),
    ],
  }
}

/** An index over whole columns has nothing else in its definition than their names. */
function indexOf(table: PgTable, index: PgIndex): PlainIndex | string {
  const { name, unique, columns, sql, constraint } = index
  const left = `index ${name} of ${tableName(table)}`
  const deferrable = constraint?.deferrable === true
  if (columns === null || deferrable || constraint?.kind === 'exclusion') return left
  const bare = (sql ?? '').replaceAll('"', '')
  const names = columns.join(', ')
  if (bare !== `btree (${names})` && bare !== `UNIQUE (${names})`) return left
  const parts = columns.map((column) => {
    const of = table.columns.find((one) => one.name === column)
    return { name: column, length: of === undefined ? null : lengthOf(of) }
  })
  return { table: table.id, name, unique, columns: parts }
}

const FIXED =
  /^(?:boolean|smallint|integer|bigint|real|double precision|uuid|date|numeric\(.*\)|time.*|interval.*)$/

function lengthOf({ type }: PgColumn): number | null {
  if (FIXED.test(type.sql)) return 0
  const length = /^character(?: varying)?\((\d+)\)$/.exec(type.sql)?.[1]
  return length === undefined ? null : Number(length)
}

/** A default, null for none, or what is left behind. */
function defaultOf(table: PgTable, column: PgColumn): PlainDefault | string | null {
  const subject = `${tableName(table)}.${column.name}`
  if (column.generated !== null) return `the expression of ${subject}`
  const counts = column.sequence !== null || column.identity !== null
  if (counts) return `the sequence of ${subject}`
  if (column.defaultLeft) return `the default of ${subject}`
  if (column.default === null) return null
  const value = constantOf(column, column.default)
  if (value === null) return `the default of ${subject}`
  return { table: table.id, column: column.name, value }
}

/** `sql` is a literal, perhaps in a CAST (expression.ts, literalSql). */
function constantOf({ type }: PgColumn, sql: string): string | null {
  const inner = /^CAST\((.*) AS [^']*\)$/s.exec(sql)?.[1] ?? sql
  const text = /^'((?:[^'\\]|'')*)'$/.exec(inner)?.[1]?.replaceAll("''", "'")
  const number = /^\(?(-?\d+(?:\.\d+)?)\)?$/.exec(text ?? inner)?.[1]
  if (/^(?:smallint|integer|bigint)$/.test(type.sql)) {
    return number === undefined || number.includes('.') ? null : number
  }
  if (/^numeric\(\d+,\d+\)$/.test(type.sql)) return number ?? null
  if (type.sql === 'boolean') return inner === 'true' ? 't' : inner === 'false' ? 'f' : null
  if (type.sql === 'date') return /^\d{4}-\d\d-\d\d$/.test(text ?? '') ? (text ?? null) : null
  return /^(?:text|character varying(?:\(\d+\))?)$/.test(type.sql) ? (text ?? null) : null
}
