import { Bytes, misread } from '../log/bytes.ts'
import type { RawEvent } from '../log/event.ts'
import { type ColumnNotes, decodeNotes } from './column-notes.ts'
import { COLUMN } from './column-types.ts'

/** How the values of one column stand in the rows. */
export interface LoggedColumn {
  /** With what STRING hides resolved: an ENUM says so. */
  readonly type: number
  /**
   * By type: the most bytes of a string; the size of a blob's length; bits of a BIT; digits after
   * the second; precision * 256 + scale of a decimal; bytes of an ENUM or SET.
   */
  readonly meta: number
  readonly nullable: boolean
  readonly notes: ColumnNotes
}

/** What precedes the rows of a table in each statement. */
export interface TableMap {
  readonly id: number
  readonly schema: string
  readonly name: string
  readonly columns: readonly LoggedColumn[]
  /** The event's bytes, by which an equal one is recognised. */
  readonly body: Buffer
}

/** The number of a table that its rows name; good until the statement ends. */
export function tableIdOf(bytes: Bytes, short: boolean): number {
  return short ? bytes.uint32() : bytes.uint48()
}

/** True when it was described in these very bytes. */
export function isDescribedBy({ body }: TableMap, { buffer, from, to }: RawEvent): boolean {
  if (to - from !== body.length) return false
  for (let i = 0; i < body.length; i++) if (body[i] !== buffer[from + i]) return false
  return true
}

/** What the head of the file says of its server. */
export interface Dialect {
  /** Numbers of tables have four bytes, as they have in very old logs. */
  readonly short: boolean
  readonly mariadb: boolean
}

/** Throws Fault HF-L107. */
export function decodeTableMap(body: Buffer, { short, mariadb }: Dialect): TableMap {
  const bytes = new Bytes(body, 'the description of a table')
  const id = short ? bytes.uint32() : bytes.uint48()
  bytes.skip(2)
  const schema = name(bytes)
  const table = name(bytes)
  const count = bytes.packed()
  const types = bytes.slice(count)
  const metas = decodeMetas(types, bytes.slice(bytes.packed()))
  const nullable = bytes.slice((count + 7) >> 3)
  const notes = decodeNotes(
    bytes,
    metas.map(({ type }) => type),
    mariadb,
  )
  const columns = metas.map((column, index) => ({
    ...column,
    nullable: (((nullable[index >> 3] ?? 0) >> (index & 7)) & 1) === 1,
    notes: notes[index] ?? {},
  }))
  return { id, schema, name: table, columns, body }
}

function name(bytes: Bytes): string {
  const text = bytes.text(bytes.byte())
  bytes.skip(1)
  return text
}

type Meta = Pick<LoggedColumn, 'type' | 'meta'>

function decodeMetas(types: Buffer, metadata: Buffer): readonly Meta[] {
  const bytes = new Bytes(metadata, 'the description of a column')
  const metas = Array.from(types, (type) => decodeMeta(type, bytes))
  bytes.done()
  return metas
}

function decodeMeta(type: number, bytes: Bytes): Meta {
  switch (type) {
    case COLUMN.float:
    case COLUMN.double:
    case COLUMN.blob:
    case COLUMN.tinyBlob:
    case COLUMN.mediumBlob:
    case COLUMN.longBlob:
    case COLUMN.geometry:
    case COLUMN.json:
    case COLUMN.vector:
    case COLUMN.timestamp2:
    case COLUMN.datetime2:
    case COLUMN.time2:
    case COLUMN.blobCompressed:
      return { type, meta: bytes.byte() }
    case COLUMN.varchar:
    case COLUMN.varcharCompressed:
      return { type, meta: bytes.uint16() }
    case COLUMN.newDecimal: {
      const precision = bytes.byte()
      return { type, meta: precision * 256 + bytes.byte() }
    }
    case COLUMN.bit: {
      const bits = bytes.byte()
      return { type, meta: bytes.byte() * 8 + bits }
    }
    case COLUMN.string:
    case COLUMN.varString:
    case COLUMN.enum:
    case COLUMN.set:
      return decodeString(bytes.byte(), bytes.byte())
    default:
      if (plain.has(type)) return { type, meta: 0 }
      throw misread(`a table has a column of the unknown type ${type}`)
  }
}

const plain: ReadonlySet<number> = new Set([
  COLUMN.tiny,
  COLUMN.short,
  COLUMN.long,
  COLUMN.longlong,
  COLUMN.int24,
  COLUMN.null,
  COLUMN.date,
  COLUMN.newDate,
  COLUMN.time,
  COLUMN.timestamp,
  COLUMN.datetime,
  COLUMN.year,
])

/** Two bits of a CHAR's length beyond 255 bytes are hidden in the type (sql/log_event.cc). */
function decodeString(first: number, second: number): Meta {
  if ((first & 0x30) !== 0x30) {
    return { type: first | 0x30, meta: second | (((first & 0x30) ^ 0x30) << 4) }
  }
  const known: readonly number[] = [COLUMN.string, COLUMN.varString, COLUMN.enum, COLUMN.set]
  if (!known.includes(first)) throw misread(`a table has a string of the unknown type ${first}`)
  return { type: first, meta: second }
}
