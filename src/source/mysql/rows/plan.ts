import type { ToUtf8 } from '../../../dialect/mysql/charset.ts'
import type { Charsets } from '../../../dialect/mysql/charset-wide.ts'
import { type NativeType, parseNative } from '../../../dialect/mysql/types.ts'
import { Fault } from '../../../model/fault.ts'
import type { Type } from '../../../model/value.ts'
import { COLUMN } from './column-types.ts'
import { decodeJson, printJson } from './json-value.ts'
import { type Decode, decimal, double, float, integer, long64 } from './numbers.ts'
import * as strings from './strings.ts'
import type { LoggedColumn } from './table-map.ts'
import * as temporal from './temporal.ts'

/** A column as the source declares it, in the order of the log: each of the table's. */
export interface Declared {
  readonly name: string
  /** The source's own full name of the type, with its character set where it has one. */
  readonly native: string
  /** What the cells are to hold; null for a column that is not mirrored. */
  readonly type: Type | null
}

/** One column's part in reading a row. */
export interface CellPlan {
  readonly decode: Decode
  /** False: it is read to get past it. */
  readonly wanted: boolean
  /** Reads a document, for partial updates; null for what is no binary JSON. */
  readonly json: { readonly lengthSize: number } | null
}

/** Where a column is: `schema.table`, and the character sets of its server. */
export interface Home {
  readonly table: string
  readonly charsets: Charsets
}

/** How the values of a column are read. Throws Fault HF-L114 where log and declaration differ. */
export function cellPlan(logged: LoggedColumn, declared: Declared, home: Home): CellPlan {
  const { table, charsets } = home
  const label = `${table}.${declared.name}`
  const native = parseNative(declared.native)
  const decode = decodeOf({ logged, declared, native, label, charsets })
  if (decode === null) {
    const what = `the log holds ${label} as type ${logged.type}, which is not ${native.base}`
    throw new Fault('HF-L114', { what, side: 'source', table })
  }
  const json = logged.type === COLUMN.json ? { lengthSize: logged.meta } : null
  return { decode, wanted: declared.type !== null, json }
}

interface Cell {
  readonly logged: LoggedColumn
  readonly declared: Declared
  readonly native: NativeType
  readonly label: string
  readonly charsets: Charsets
}

/** Types of declarations by those of the log; a difference would shift values. */
const expected: Readonly<Record<number, readonly string[]>> = {
  [COLUMN.tiny]: ['tinyint'],
  [COLUMN.short]: ['smallint'],
  [COLUMN.int24]: ['mediumint'],
  [COLUMN.long]: ['int'],
  [COLUMN.longlong]: ['bigint'],
  [COLUMN.newDecimal]: ['decimal'],
  [COLUMN.float]: ['float'],
  [COLUMN.double]: ['double'],
  [COLUMN.year]: ['year'],
  [COLUMN.date]: ['date'],
  [COLUMN.newDate]: ['date'],
  [COLUMN.time]: ['time'],
  [COLUMN.time2]: ['time'],
  [COLUMN.datetime]: ['datetime'],
  [COLUMN.datetime2]: ['datetime'],
  [COLUMN.timestamp]: ['timestamp'],
  [COLUMN.timestamp2]: ['timestamp'],
  [COLUMN.bit]: ['bit'],
  [COLUMN.enum]: ['enum'],
  [COLUMN.set]: ['set'],
  [COLUMN.json]: ['json'],
  [COLUMN.vector]: ['vector'],
}

function decodeOf(cell: Cell): Decode | null {
  const { logged, native } = cell
  const names = expected[logged.type]
  if (names === undefined) return stringOf(cell)
  if (!names.includes(native.base)) return null
  const { notes } = logged
  if (notes.unsigned !== undefined && notes.unsigned !== native.unsigned) {
    if (native.base !== 'year') return null
  }
  return numberOf(cell) ?? momentOf(cell) ?? labelOf(cell)
}

function numberOf({ logged, native: { unsigned } }: Cell): Decode | null {
  switch (logged.type) {
    case COLUMN.tiny:
      return integer(1, unsigned)
    case COLUMN.short:
      return integer(2, unsigned)
    case COLUMN.int24:
      return integer(3, unsigned)
    case COLUMN.long:
      return integer(4, unsigned)
    case COLUMN.longlong:
      return long64(unsigned)
    case COLUMN.float:
      return float
    case COLUMN.double:
      return double
    case COLUMN.newDecimal: {
      const [precision, scale] = [logged.meta >> 8, logged.meta & 0xff]
      if (precision < 1 || precision > 65 || scale > precision) return null
      return decimal(precision, scale)
    }
    case COLUMN.bit:
      return logged.meta < 1 || logged.meta > 64 ? null : strings.bit(logged.meta)
    default:
      return null
  }
}

/** Kinds in which a date that is none has no form. */
const canonical: ReadonlySet<string> = new Set(['date', 'timestamp', 'timestamptz', 'interval'])

function momentOf({ logged, declared, native, label }: Cell): Decode | null {
  const { type, meta } = logged
  const style = declared.type !== null && canonical.has(declared.type.kind) ? 'canonical' : 'native'
  const old = [COLUMN.time, COLUMN.datetime, COLUMN.timestamp] as readonly number[]
  // MariaDB's own old form with fractions says nothing of them: its values have other lengths.
  if (old.includes(type) && (native.numbers[0] ?? 0) > 0) return null
  if (meta > 6) return null
  const options = { style, precision: meta, label } as const
  switch (type) {
    case COLUMN.date:
    case COLUMN.newDate:
      return temporal.date(options)
    case COLUMN.year:
      return declared.type?.kind === 'int' ? temporal.year : temporal.nativeYear
    case COLUMN.time:
      return temporal.time(options)
    case COLUMN.time2:
      return temporal.time2(options)
    case COLUMN.datetime:
      return temporal.datetime(options)
    case COLUMN.datetime2:
      return temporal.datetime2(options)
    case COLUMN.timestamp:
      return temporal.timestamp(options, false)
    case COLUMN.timestamp2:
      return temporal.timestamp(options, true)
    default:
      return null
  }
}

function labelOf({ logged, native }: Cell): Decode | null {
  const { type, meta, notes } = logged
  if (type === COLUMN.json || type === COLUMN.vector) {
    if (meta < 1 || meta > 4) return null
    return type === COLUMN.json
      ? document(meta)
      : strings.text(meta, { convert: 'same', label: '' })
  }
  const { labels } = native
  if (notes.labels !== undefined && notes.labels.length !== labels.length) return null
  const bytes = labels.map((label) => Buffer.from(label, 'utf8'))
  if (type === COLUMN.enum && (meta === 1 || meta === 2)) return strings.enumeration(meta, bytes)
  return type === COLUMN.set && meta >= 1 && meta <= 8 ? strings.set(meta, bytes) : null
}

function document(size: number): Decode {
  return (from, to) => to.text(printJson(decodeJson(from.slice(from.uint(size)))))
}

const bases = {
  text: ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext'],
  bytes: ['varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'],
  geometry: [
    'geometry',
    'point',
    'linestring',
    'polygon',
    'multipoint',
    'multilinestring',
    'multipolygon',
    'geometrycollection',
  ],
} as const

function stringOf(cell: Cell): Decode | null {
  const { logged, native, label } = cell
  const { type, meta } = logged
  const size = lengthSize(type, meta)
  if (size === null) return null
  const is = (names: readonly string[]): boolean => names.includes(native.base)
  if (type === COLUMN.geometry) {
    return is(bases.geometry) ? strings.text(size, { convert: 'same', label }) : null
  }
  if (type === COLUMN.string && native.base === 'uuid') return strings.uuid
  if (type === COLUMN.string && native.base === 'inet6') return strings.inet6
  if (type === COLUMN.string && native.base === 'inet4') return strings.inet4
  if (native.base === 'binary') return strings.padded(size, native.numbers[0] ?? 1)
  // MariaDB keeps JSON as text and vectors as bytes.
  const isText = is(bases.text) || native.base === 'json'
  if (!isText && !is(bases.bytes) && native.base !== 'vector') return null
  const convert = isText ? charset(cell) : 'same'
  if (type !== COLUMN.blobCompressed && type !== COLUMN.varcharCompressed) {
    return strings.text(size, { convert, label })
  }
  return strings.compressed(size, strings.convertedText({ convert, label }))
}

function charset({ native, label, charsets }: Cell): ToUtf8 | 'same' {
  const name = native.base === 'json' ? 'utf8mb4' : native.charset
  const convert = name === null ? null : charsets.utf8From(name)
  if (convert !== null) return convert
  const what = `the character set of ${label} is not known${name === null ? '' : `: ${name}`}`
  throw new Fault('HF-L114', { what, side: 'source' })
}

/** Bytes of the length before a string. */
function lengthSize(type: number, meta: number): number | null {
  switch (type) {
    case COLUMN.varchar:
    case COLUMN.varString:
    case COLUMN.string:
    case COLUMN.varcharCompressed:
      return meta > 255 ? 2 : 1
    case COLUMN.blob:
    case COLUMN.tinyBlob:
    case COLUMN.mediumBlob:
    case COLUMN.longBlob:
    case COLUMN.blobCompressed:
    case COLUMN.geometry:
      return meta >= 1 && meta <= 4 ? meta : null
    default:
      return null
  }
}
