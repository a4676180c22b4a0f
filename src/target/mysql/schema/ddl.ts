import { ident } from '../../../dialect/mysql/quote.ts'
import type { MysqlTable } from '../../../dialect/mysql/schema.ts'
import type { Blueprint, Table } from '../../../model/table.ts'
import type { PlannedTable } from '../../target.ts'
import { formOf } from './fit.ts'
import type { Held } from './forms.ts'
import {
  defaultOf,
  type Known,
  keyIndex,
  knownAs,
  nativeSchema,
  nativeTable,
  nativeTypes,
} from './native.ts'
import { boundsOf, plainDefault } from './plain.ts'
import { isNarrow } from './same.ts'
import { columnTypes } from './types.ts'

/** What a table is made like. */
export interface Making {
  readonly known: Known
  readonly blueprint: Blueprint
  /** The table at a source of this family; null for another one. */
  readonly native: MysqlTable | null
}

export function makingOf(blueprint: Blueprint, table: Table, known: Known): Making {
  return { known, blueprint, native: nativeTable(nativeSchema(blueprint), table) }
}

/** A table with its key: natively where the source is of this family, else of neutral types. */
export function createTable({ table, target }: PlannedTable, making: Making): string {
  const key = table.identity.by === 'key' ? table.identity.columns : []
  const types = typesOf(table, making)
  const columns = table.columns.map(({ name, nullable }, i) => {
    const never = !nullable || key.includes(i)
    return `${ident(name)} ${types[i] ?? ''} ${never ? 'NOT NULL' : 'NULL'}${furtherOf(table, i, making)}`
  })
  const names = key.map((i) => ident(table.columns[i]?.name ?? ''))
  const lines =
    names.length === 0 ? columns : [...columns, `${keyWords(table, making)} (${names.join(', ')})`]
  return `CREATE TABLE IF NOT EXISTS ${ident(target.name)} (${lines.join(', ')}) ENGINE=InnoDB ROW_FORMAT=DYNAMIC ${charsetOf(making)}`
}

/** The unique index that the source finds rows by keeps its name where it is not the primary key. */
function keyWords(table: Table, { native }: Making): string {
  const index = native === null ? null : keyIndex(native, table)
  return index === null || index.name === 'PRIMARY'
    ? 'PRIMARY KEY'
    : `UNIQUE KEY ${ident(index.name)}`
}

function charsetOf({ native, known }: Making): string {
  const own = native === null ? null : knownAs(native.collation, known)
  if (own === null || native === null) {
    return `DEFAULT CHARACTER SET utf8mb4 COLLATE ${known.exact}`
  }
  return `DEFAULT CHARACTER SET ${native.charset} COLLATE ${own}`
}

/** Default and counter of a column that is made natively. */
function furtherOf(table: Table, i: number, making: Making): string {
  const { native, known, blueprint } = making
  if (native === null) {
    const value = plainDefault(blueprint, table, i)
    return value === null ? '' : ` DEFAULT ${value}`
  }
  const name = table.columns[i]?.name
  const column = native.columns.find((one) => one.name === name)
  if (column === undefined) return ''
  if (nativeTypes(native, table, known)[i] === null) return ''
  if (isCounter(table, i, native)) return ' AUTO_INCREMENT'
  const given = defaultOf(column, nativeSchema(blueprint)?.flavour ?? 'mysql')
  const stamps = /\bon update (current_timestamp(?:\(\d?\))?)/.exec(column.extra)
  return `${given == null ? '' : ` DEFAULT ${given}`}${stamps === null ? '' : ` ON UPDATE ${stamps[1]}`}`
}

/** A counter has to be the first column of an index; the key is the only one so far. */
export function isCounter(table: Table, i: number, native: MysqlTable): boolean {
  const column = native.columns.find(({ name }) => name === table.columns[i]?.name)
  const first = table.identity.by === 'key' && table.identity.columns[0] === i
  return first && (column?.extra ?? '').includes('auto_increment')
}

function typesOf(table: Table, { known, native, blueprint }: Making): readonly string[] {
  const neutral = columnTypes({
    types: table.columns.map(({ type }) => type),
    key: table.identity.by === 'key' ? table.identity.columns : [],
    collation: known.exact,
    bounds: native === null ? boundsOf(blueprint, table) : new Map(),
  })
  const own = nativeTypes(native, table, known)
  return neutral.map((type, i) => own[i] ?? type)
}

/** A column that stands at the target. */
interface Standing extends Held {
  readonly name: string
}

/**
 * What to do to a table so that it holds rows of `table`: columns that it lacks are added, in which
 * old rows hold null; those that were made natively get the room that they have at the source.
 */
export function alterations(
  table: Table,
  there: readonly Standing[],
  making: Making,
): readonly string[] {
  const types = typesOf(table, making)
  return table.columns.flatMap((column, i) => {
    const name = ident(column.name)
    const held = there.find((one) => sameColumn(one.name, column.name))
    if (held === undefined) return [`ADD COLUMN ${name} ${types[i] ?? ''} NULL`]
    const fits = !isNarrow(column.native, held) && formOf(column, held) !== null
    if (making.native === null || fits) return []
    const keyed = table.identity.by === 'key' && table.identity.columns.includes(i)
    const never = keyed || !column.nullable ? 'NOT NULL' : 'NULL'
    return [`MODIFY COLUMN ${name} ${types[i] ?? ''} ${never}${furtherOf(table, i, making)}`]
  })
}

function sameColumn(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
