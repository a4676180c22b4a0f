import type { Charsets } from '../../../dialect/mysql/charset-wide.ts'
import { ident } from '../../../dialect/mysql/quote.ts'
import { type NativeType, parseNative } from '../../../dialect/mysql/types.ts'
import { Fault } from '../../../model/fault.ts'
import { doubleText, singleText } from '../../../model/floats.ts'
import type { Out } from '../../../model/out.ts'
import { type Column, type Table, tableName } from '../../../model/table.ts'
import { type Bytes, misread } from '../log/bytes.ts'
import type { Decode } from '../rows/numbers.ts'
import { converted } from '../rows/strings.ts'
import { isDate, refused } from '../rows/temporal.ts'

/** How one column is asked for, and how what the server sends for it becomes its cell. */
export interface TextCell {
  /** What stands behind SELECT. */
  readonly sql: string
  /** Reads a length-encoded string of the text protocol. */
  readonly decode: Decode
}

/**
 * The cells of a table's rows in the text protocol, for a session whose `character_set_results` is
 * null: texts come in the character set of their column, and are read as those of the log are.
 * Throws Fault HF-L114 for a character set that is not known.
 */
export function textCells(table: Table, charsets: Charsets): readonly TextCell[] {
  return table.columns.map((column) => {
    const label = `${tableName(table)}.${column.name}`
    const native = parseNative(column.native)
    const name = ident(column.name)
    // The server shortens a FLOAT that it prints; a product is printed in full, and keeps -0.
    const sql = native.base === 'float' || native.base === 'double' ? `${name} * 1e0` : name
    return { sql, decode: decodeOf({ column, native, label, charsets }) }
  })
}

interface Cell {
  readonly column: Column
  readonly native: NativeType
  /** `schema.table.column` */
  readonly label: string
  readonly charsets: Charsets
}

function decodeOf(cell: Cell): Decode {
  const { column, native, label } = cell
  const { kind } = column.type
  switch (native.base) {
    case 'float':
      return single
    case 'double':
      return double
    case 'bit':
      return bits(native.numbers[0] ?? 1)
    case 'date':
    case 'datetime':
    case 'timestamp':
      if (!canonical.has(kind)) return plain
      return moment({ label, suffix: kind === 'timestamptz' ? '+00' : '' })
    case 'time':
      return canonical.has(kind) ? time : plain
    default:
      return kind === 'int' || kind === 'decimal' ? digits : textOf(cell)
  }
}

/** Kinds of moments that are written as model/value.ts says; else as the server prints them. */
const canonical: ReadonlySet<string> = new Set(['date', 'timestamp', 'timestamptz', 'interval'])

function textOf({ native, label, charsets }: Cell): Decode {
  if (native.charset === null) return plain
  const convert = charsets.utf8From(native.charset)
  if (convert === 'same' || native.charset === 'binary') return plain
  if (convert === null) {
    const what = `the character set of ${label} is not known: ${native.charset}`
    throw new Fault('HF-L114', { what, side: 'source' })
  }
  return (from, to) => to.bytes(converted(from.slice(from.packed()), convert, label))
}

const plain: Decode = (from, to) => {
  const size = from.packed()
  const at = from.take(size)
  to.bytes(from.buffer, at, at + size)
}

const ZERO = 0x30
const DOT = 0x2e

/** A number without the zeros in front that ZEROFILL and YEAR have. */
const digits: Decode = (from, to) => {
  const size = from.packed()
  let at = from.take(size)
  const { buffer } = from
  const end = at + size
  while (at + 1 < end && buffer[at] === ZERO && buffer[at + 1] !== DOT) at++
  to.bytes(buffer, at, end)
}

function numberIn(from: Bytes): number {
  const text = from.text(from.packed())
  const value = Number(text)
  if (text === '' || Number.isNaN(value)) throw misread('a row holds a number that is none')
  return value
}

const single: Decode = (from, to) => to.ascii(singleText(Math.fround(numberIn(from))))

const double: Decode = (from, to) => to.ascii(doubleText(numberIn(from)))

/** From big-endian bytes to as many `0` and `1` as the column has bits. */
function bits(count: number): Decode {
  return (from, to) => {
    const size = from.packed()
    const at = from.take(size)
    to.room(count)
    for (let i = count - 1; i >= 0; i--) {
      const byte = from.buffer[at + size - 1 - (i >> 3)] ?? 0
      to.buffer[to.at++] = ZERO + ((byte >> (i & 7)) & 1)
    }
  }
}

/** `2024-01-31 10:20:30.500000`, without the zeros at the end of the fraction. */
function moment({ label, suffix }: { readonly label: string; readonly suffix: string }): Decode {
  return (from, to) => {
    const size = from.packed()
    const at = from.take(size)
    const { buffer } = from
    const two = (place: number): number => twoDigits(buffer, at + place)
    if (size < 10) throw misread('a row holds a date that no date can be')
    if (!isDate(two(0) * 100 + two(2), two(5), two(8))) throw refused(label, 'date')
    to.bytes(buffer, at, withoutZeros(buffer, at, at + size))
    if (suffix !== '') to.ascii(suffix)
  }
}

/** `-838:59:59.500000`, likewise. */
const time: Decode = (from: Bytes, to: Out) => {
  const size = from.packed()
  const at = from.take(size)
  to.bytes(from.buffer, at, withoutZeros(from.buffer, at, at + size))
}

function twoDigits(buffer: Buffer, at: number): number {
  return ((buffer[at] ?? 0) - ZERO) * 10 + (buffer[at + 1] ?? 0) - ZERO
}

/** Where a text ends when the zeros at the end of its fraction are left out. */
function withoutZeros(buffer: Buffer, from: number, end: number): number {
  const dot = buffer.subarray(from, end).lastIndexOf(DOT)
  if (dot < 0) return end
  let to = end
  while (buffer[to - 1] === ZERO) to--
  return buffer[to - 1] === DOT ? to - 1 : to
}
