import { isUtf8 } from 'node:buffer'
import { Binary, Decimal128, Double, Int32, Long, UUID } from 'mongodb'
import { doubleText, singleText } from '../../model/floats.ts'
import type { Type } from '../../model/value.ts'
import { type Bson, type Span, spanOf } from './bson.ts'
import { jsonDocument } from './json.ts'
import { millisOf, momentText } from './moments.ts'

/** How JSON stands in documents that its source has parsed; what it has not is always a string. */
export type JsonForm = 'text' | 'document'

/** How the cells of one column stand in documents, decided by its declared type alone. */
export interface Codec {
  /** What a document holds, as people call it. */
  readonly as: string
  /** From the canonical text (model/value.ts); null when the form cannot hold it. */
  write(text: Buffer): unknown
  /** The same as an element of a document; false, with nothing written, for what it cannot hold. */
  put(out: Bson, name: Buffer, text: Span): boolean
  /** The canonical text; null for what `write` does not make. */
  read(value: unknown): string | Buffer | null
}

/** Digits that a Decimal128 holds (IEEE 754-2008). */
const DECIMAL_DIGITS = 34
/** Digits behind the second that a date of BSON holds. */
const DATE_DIGITS = 3

const text: Codec = {
  as: 'string',
  write: (from) => (isUtf8(from) ? from.toString('utf8') : null),
  put: (out, name, from) => out.text(name, from),
  read: (value) => (typeof value === 'string' ? value : null),
}

const bool: Codec = {
  as: 'bool',
  write: (from) => isTrue(spanOf(from)),
  put(out, name, from) {
    out.bool(name, isTrue(from))
    return true
  },
  read: (value) => (typeof value === 'boolean' ? (value ? 't' : 'f') : null),
}

function isTrue({ bytes, from, to }: Span): boolean {
  return to - from === 1 && bytes[from] === TRUE
}

const bytes: Codec = {
  as: 'binary',
  write: (from) => new Binary(Buffer.from(from)),
  put(out, name, from) {
    out.binary(name, Binary.SUBTYPE_DEFAULT, from)
    return true
  },
  read: (value) => (value instanceof Binary && value.sub_type === 0 ? bufferOf(value) : null),
}

function bufferOf(value: Binary): Buffer {
  return Buffer.from(value.buffer.buffer, value.buffer.byteOffset, value.position)
}

const uuid: Codec = {
  as: 'uuid',
  write: (from) => new UUID(from.toString('latin1')),
  put(out, name, { bytes, from, to }) {
    const digits = bytes.toString('latin1', from, to).replaceAll('-', '')
    const value = Buffer.from(digits, 'hex')
    if (value.length !== UUID_BYTES) return false
    out.binary(name, Binary.SUBTYPE_UUID, spanOf(value))
    return true
  },
  read: (value) => {
    if (!(value instanceof Binary) || value.sub_type !== Binary.SUBTYPE_UUID) return null
    return value.toUUID().toHexString(true)
  },
}

const UUID_BYTES = 16
const TRUE = 0x74
const WORD = 0x100000000
const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30

/** A number of few digits: its digits as a whole number, and how many of them are behind the point. */
const short = { digits: 0, scale: 0, negative: false }

/** Digits that a double holds, whichever they are. */
const SHORT = 15

/** Reads into `short`; false for what is no such number. By hand, since it is read for every value. */
function isShort({ bytes, from, to }: Span): boolean {
  const negative = bytes[from] === MINUS
  const first = negative ? from + 1 : from
  if (to === first || to - first > SHORT) return false
  let [digits, point] = [0, to]
  for (let at = first; at < to; at++) {
    const digit = (bytes[at] ?? 0) - ZERO
    if (bytes[at] === POINT && point === to && at > first && at < to - 1) point = at
    else if (digit < 0 || digit > 9) return false
    else digits = digits * 10 + digit
  }
  short.digits = digits
  short.scale = Math.max(0, to - 1 - point)
  short.negative = negative
  return true
}

/** The same for a whole number, which is `shortWhole` then. */
function isShortWhole(text: Span): boolean {
  return isShort(text) && short.scale === 0
}

function shortWhole(): number {
  return short.negative ? -short.digits : short.digits
}

/** Half of the exponents are below zero (IEEE 754-2008, decimal128). */
const EXPONENT_BIAS = 6176

/** Sign and exponent of `short`, where the binary form of IEEE 754 has them. */
function shortUpper(): number {
  return ((EXPONENT_BIAS - short.scale) << 17) | (short.negative ? 1 << 31 : 0)
}

function shortDecimal(): Decimal128 {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt32LE(short.digits % WORD, 0)
  bytes.writeUInt32LE(Math.floor(short.digits / WORD), 4)
  bytes.writeInt32LE(shortUpper(), 12)
  return new Decimal128(bytes)
}

function latin1({ bytes, from, to }: Span): string {
  return bytes.toString('latin1', from, to)
}

const int: Codec = {
  as: 'int',
  write: (from) => new Int32(Number(from.toString('latin1'))),
  put(out, name, from) {
    out.int(name, isShortWhole(from) ? shortWhole() : Number(latin1(from)))
    return true
  },
  read: (value) => (value instanceof Int32 ? String(value.value) : null),
}

const long: Codec = {
  as: 'long',
  write(from) {
    if (!isShortWhole(spanOf(from))) return Long.fromString(from.toString('latin1'))
    const number = shortWhole()
    return new Long((number % WORD) | 0, Math.floor(number / WORD) | 0)
  },
  put(out, name, from) {
    if (isShortWhole(from)) out.long(name, shortWhole())
    else out.value(name, Long.fromString(latin1(from)))
    return true
  },
  read: (value) => (value instanceof Long ? value.toString() : null),
}

const decimal: Codec = {
  as: 'decimal',
  write(from) {
    if (!isShort(spanOf(from))) return Decimal128.fromString(from.toString('latin1'))
    return shortDecimal()
  },
  put(out, name, from) {
    if (isShort(from)) out.decimal(name, short.digits, shortUpper())
    else out.value(name, Decimal128.fromString(latin1(from)))
    return true
  },
  read: (value) => (value instanceof Decimal128 ? plainDecimal(value.toString()) : null),
}

/** The digits that a Decimal128 was made of, without the exponent that it is printed with. */
function plainDecimal(printed: string): string {
  const parts = /^(-?)(\d)(?:\.(\d+))?E([+-]\d+)$/.exec(printed)
  if (parts === null) return printed
  const [, sign = '', lead = '', fraction = '', power = ''] = parts
  const digits = lead + fraction
  const scale = fraction.length - Number(power)
  if (scale <= 0) return `${sign}${digits}${'0'.repeat(-scale)}`
  const padded = digits.padStart(scale + 1, '0')
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`
}

const double: Codec = {
  as: 'double',
  write: (from) => new Double(Number(from.toString('latin1'))),
  put(out, name, from) {
    out.double(name, Number(latin1(from)))
    return true
  },
  read: (value) => (value instanceof Double ? doubleText(value.value) : null),
}

/** A number of single precision is a double exactly. */
const single: Codec = {
  as: 'double',
  write: (from) => new Double(Math.fround(Number(from.toString('latin1')))),
  put(out, name, from) {
    out.double(name, Math.fround(Number(latin1(from))))
    return true
  },
  read: (value) => (value instanceof Double ? singleText(value.value) : null),
}

function date(zone: string): Codec {
  return {
    as: 'date',
    write(from) {
      const millis = millisOf(spanOf(from))
      return Number.isNaN(millis) ? null : new Date(millis)
    },
    put(out, name, from) {
      const millis = millisOf(from)
      if (Number.isNaN(millis)) return false
      out.date(name, millis)
      return true
    },
    read: (value) => (value instanceof Date ? momentText(value, zone) : null),
  }
}

const timestamp = date('')
const timestamptz = date('+00')

/**
 * The form of a type. What has no exact counterpart for all of its values is a string, as the
 * source prints it: decimals of more than 34 digits, times, days, and moments finer than a
 * millisecond.
 */
export function codecOf(type: Type, json: JsonForm = 'text'): Codec {
  switch (type.kind) {
    case 'json':
      return json === 'document' && type.binary ? jsonDocument : text
    case 'bool':
      return bool
    case 'int':
      if (type.bits === 64) return type.unsigned ? decimal : long
      return type.bits === 32 && type.unsigned ? long : int
    case 'decimal': {
      const { precision, scale } = type
      const fits = precision !== null && precision <= DECIMAL_DIGITS
      return fits && scale !== null && scale >= 0 ? decimal : text
    }
    case 'float':
      return type.bits === 32 ? single : double
    case 'bytes':
      return bytes
    case 'uuid':
      return uuid
    case 'timestamp':
      return type.precision <= DATE_DIGITS ? timestamp : text
    case 'timestamptz':
      return type.precision <= DATE_DIGITS ? timestamptz : text
    default:
      return text
  }
}

/**
 * The same for a cell of a key: documents are told apart by it, so that no two values that the
 * source tells apart may be equal to the server, as -0 and 0 are.
 */
export function keyCodecOf(type: Type): Codec {
  return type.kind === 'float' ? text : codecOf(type)
}
