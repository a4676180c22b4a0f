import { BINARY, charsetOf } from '../../../dialect/mysql/charset.ts'
import { Charsets } from '../../../dialect/mysql/charset-wide.ts'
import type { Session } from '../../../dialect/mysql/connect.ts'
import { literal } from '../../../dialect/mysql/quote.ts'
import { columnType, neutralType, parseNative } from '../../../dialect/mysql/types.ts'
import { Fault } from '../../../model/fault.ts'
import { COLUMN } from '../rows/column-types.ts'
import type { Declared } from '../rows/plan.ts'
import type { LoggedColumn, TableMap } from '../rows/table-map.ts'

/** The columns of a table as the catalogue has them now, in the order of the log. Throws Fault. */
export async function declaredNow(
  session: Session,
  table: { readonly schema: string; readonly name: string },
): Promise<readonly Declared[]> {
  const rows = await session.query(`
select column_name as n, column_type as t, character_set_name as c
from information_schema.columns
where table_schema = ${literal(table.schema)} and table_name = ${literal(table.name)}
order by ordinal_position`)
  return rows.map(({ n, t, c }) => {
    const native = `${columnType(t ?? '')}${c === null || c === undefined ? '' : ` character set ${c}`}`
    return { name: n ?? '', native, type: neutralType(native) }
  })
}

/**
 * The columns of a table as the log itself describes them; null when the server does not say all
 * that is needed (`binlog_row_metadata` is not FULL). What MariaDB keeps as bytes of its own
 * (UUID, INET6) shows as `binary`, and as such only.
 */
export function declaredIn(
  map: TableMap,
  charsets: Charsets = Charsets.common,
): readonly Declared[] | null {
  const all: Declared[] = []
  for (const column of map.columns) {
    const { name } = column.notes
    const native = nativeOf(column, charsets)
    if (name === undefined || native === null) return null
    all.push({ name, native, type: neutralType(native) })
  }
  return all
}

const integers: Readonly<Record<number, string>> = {
  [COLUMN.tiny]: 'tinyint',
  [COLUMN.short]: 'smallint',
  [COLUMN.int24]: 'mediumint',
  [COLUMN.long]: 'int',
  [COLUMN.longlong]: 'bigint',
  [COLUMN.float]: 'float',
  [COLUMN.double]: 'double',
}

const plain: Readonly<Record<number, string>> = {
  [COLUMN.date]: 'date',
  [COLUMN.newDate]: 'date',
  [COLUMN.time]: 'time',
  [COLUMN.datetime]: 'datetime',
  [COLUMN.timestamp]: 'timestamp',
  [COLUMN.year]: 'year',
  [COLUMN.json]: 'json',
  [COLUMN.vector]: 'vector',
  [COLUMN.geometry]: 'geometry',
}

const precise: Readonly<Record<number, string>> = {
  [COLUMN.time2]: 'time',
  [COLUMN.datetime2]: 'datetime',
  [COLUMN.timestamp2]: 'timestamp',
  [COLUMN.bit]: 'bit',
}

const blobs = ['', 'tiny', '', 'medium', 'long'] as const

function nativeOf(column: LoggedColumn, charsets: Charsets): string | null {
  const { type, meta, notes } = column
  const number = integers[type]
  if (number !== undefined || type === COLUMN.newDecimal) {
    if (notes.unsigned === undefined) return null
    const name = number ?? `decimal(${meta >> 8},${meta & 0xff})`
    return notes.unsigned ? `${name} unsigned` : name
  }
  const name = precise[type]
  if (name !== undefined) return `${name}(${meta})`
  return plain[type] ?? textOf(column, charsets)
}

function textOf(column: LoggedColumn, charsets: Charsets): string | null {
  const { type, meta, notes } = column
  if (notes.collation === undefined) return null
  const bytes = notes.collation === BINARY
  const charset = charsetOf(notes.collation)
  if (charset === null) {
    const what = `the log holds texts of the unknown collation ${notes.collation}`
    throw new Fault('HF-L114', { what, side: 'source' })
  }
  const suffix = bytes ? '' : ` character set ${charset}`
  switch (type) {
    case COLUMN.enum:
    case COLUMN.set:
      return labelled(column, charset, charsets)
    case COLUMN.string:
      return bytes ? `binary(${meta})` : `char(${meta})${suffix}`
    case COLUMN.varchar:
    case COLUMN.varString:
    case COLUMN.varcharCompressed:
      return bytes ? `varbinary(${meta})` : `varchar(${meta})${suffix}`
    default:
      return `${blobs[meta] ?? ''}${bytes ? 'blob' : 'text'}${suffix}`
  }
}

function labelled(
  { type, notes }: LoggedColumn,
  charset: string,
  charsets: Charsets,
): string | null {
  if (notes.labels === undefined) return null
  const convert = charset === 'binary' ? 'same' : charsets.utf8From(charset)
  const labels = notes.labels.map((label) => {
    const utf8 = convert === 'same' ? label : convert?.(label)
    if (utf8 == null) {
      const what = `a label of the log is in the character set ${charset}, which is not known`
      throw new Fault('HF-L114', { what, side: 'source' })
    }
    return `'${utf8.toString('utf8').replaceAll("'", "''")}'`
  })
  return `${type === COLUMN.enum ? 'enum' : 'set'}(${labels.join(',')}) character set ${charset}`
}

/** The character sets that columns are in. */
export function charsetsOf(columns: readonly Declared[]): readonly string[] {
  return columns.flatMap(({ native }) => parseNative(native).charset ?? [])
}
