import { Out } from '../../../model/out.ts'
import { Bytes, misread } from '../log/bytes.ts'
import { COLUMN } from './column-types.ts'
import { decimal } from './numbers.ts'
import { datetime2, time2 } from './temporal.ts'

/** A JSON document with its numbers as the server prints them. Keys are in the server's order. */
export type Json =
  | { readonly kind: 'object'; readonly members: [key: string, value: Json][] }
  | { readonly kind: 'array'; readonly elements: Json[] }
  | { readonly kind: 'string'; readonly text: string }
  /** A number, a literal, or a string that needs no escapes: printed as it is. */
  | { readonly kind: 'plain'; readonly text: string }

const KIND = {
  smallObject: 0,
  largeObject: 1,
  smallArray: 2,
  largeArray: 3,
  literal: 4,
  int16: 5,
  uint16: 6,
  int32: 7,
  uint32: 8,
  int64: 9,
  uint64: 10,
  double: 11,
  string: 12,
  opaque: 15,
} as const

/** sql-common/json_syntax_check.h: the server refuses deeper documents. */
const DEEPEST = 100
const LITERALS = ['null', 'true', 'false'] as const

/**
 * MySQL's binary JSON (sql-common/json_binary.h). Throws Fault HF-L107: offsets are checked
 * against the bytes of their container, and no container stands before its parent's values, so
 * that no damaged bytes make it walk in circles or write more than they could mean.
 */
export function decodeJson(bytes: Buffer): Json {
  // What an ALTER or INSERT IGNORE of old servers left behind counts as null there, too.
  if (bytes.length === 0) return { kind: 'plain', text: 'null' }
  return new Reader(bytes.length).value(bytes[0] ?? 0, bytes.subarray(1), 0)
}

class Reader {
  /** Values that these bytes can hold: each takes three bytes at least where none overlap. */
  #left: number
  /** Bytes that scalars and keys can still take up. */
  #room: number

  constructor(size: number) {
    this.#left = Math.ceil(size / 2) + 1
    this.#room = size
  }

  value(type: number, bytes: Buffer, depth: number): Json {
    if (depth > DEEPEST) throw misread('a JSON document is too deep')
    if (--this.#left < 0) throw misread('a JSON document holds more values than it has room for')
    switch (type) {
      case KIND.smallObject:
      case KIND.smallArray:
        return this.#container(type === KIND.smallObject, { bytes, size: 2, depth })
      case KIND.largeObject:
      case KIND.largeArray:
        return this.#container(type === KIND.largeObject, { bytes, size: 4, depth })
      default:
        return this.#scalar(type, new Bytes(bytes, 'a JSON document'))
    }
  }

  #scalar(type: number, bytes: Bytes): Json {
    const value = scalar(type, bytes)
    this.#take(bytes.at)
    return value
  }

  #take(size: number): void {
    this.#room -= size
    if (this.#room < 0) throw misread('a JSON document holds values that overlap')
  }

  #container(
    isObject: boolean,
    at: { readonly bytes: Buffer; readonly size: 2 | 4; readonly depth: number },
  ): Json {
    const { size, depth } = at
    const head = new Bytes(at.bytes, 'a JSON document')
    const count = head.uint(size)
    const length = head.uint(size)
    if (length > at.bytes.length) throw misread('a JSON document is longer than its bytes')
    const bytes = new Bytes(at.bytes.subarray(0, length), 'a JSON document', 2 * size)
    if (bytes.end < 2 * size) throw misread('a JSON document ends before its content does')
    const entry = (isObject ? size + 2 : 0) + 1 + size
    if (count * entry > bytes.left) throw misread('a JSON document claims too many values')
    const first = 2 * size + count * entry
    const keys: string[] = []
    for (let i = 0; isObject && i < count; i++) {
      const [from, long] = [bytes.uint(size), bytes.uint16()]
      if (from < first || from + long > length) throw misread('a JSON key is outside its document')
      this.#take(long)
      keys.push(bytes.buffer.toString('utf8', from, from + long))
    }
    const values: Json[] = []
    for (let i = 0; i < count; i++) {
      const type = bytes.byte()
      const from = bytes.take(size)
      values.push(this.#entry(type, bytes.buffer, { from, size, first, depth }))
    }
    if (!isObject) return { kind: 'array', elements: values }
    return { kind: 'object', members: values.map((value, index) => [keys[index] ?? '', value]) }
  }

  /** Small values stand in the entry itself, others where it points. */
  #entry(
    type: number,
    bytes: Buffer,
    at: {
      readonly from: number
      readonly size: 2 | 4
      readonly first: number
      readonly depth: number
    },
  ): Json {
    const { from, size, depth } = at
    if (isInline(type, size)) return this.value(type, bytes.subarray(from, from + size), depth + 1)
    const offset = bytes.readUIntLE(from, size)
    if (offset < at.first || offset >= bytes.length) {
      throw misread('a JSON value is outside its document')
    }
    return this.value(type, bytes.subarray(offset), depth + 1)
  }
}

function isInline(type: number, size: 2 | 4): boolean {
  if (type === KIND.literal || type === KIND.int16 || type === KIND.uint16) return true
  return size === 4 && (type === KIND.int32 || type === KIND.uint32)
}

function scalar(type: number, bytes: Bytes): Json {
  const plain = (text: string): Json => ({ kind: 'plain', text })
  switch (type) {
    case KIND.literal: {
      const text = LITERALS[bytes.byte()]
      if (text === undefined) throw misread('a JSON document holds an unknown literal')
      return plain(text)
    }
    case KIND.int16:
      return plain(String(bytes.buffer.readInt16LE(bytes.take(2))))
    case KIND.uint16:
      return plain(String(bytes.uint16()))
    case KIND.int32:
      return plain(String(bytes.buffer.readInt32LE(bytes.take(4))))
    case KIND.uint32:
      return plain(String(bytes.uint32()))
    case KIND.int64:
      return plain(String(bytes.int64()))
    case KIND.uint64:
      return plain(String(bytes.uint64()))
    case KIND.double:
      return plain(doubleText(bytes.buffer.readDoubleLE(bytes.take(8))))
    case KIND.string:
      return { kind: 'string', text: bytes.text(variableLength(bytes)) }
    case KIND.opaque:
      return opaque(bytes)
    default:
      throw misread(`a JSON document holds a value of the unknown kind ${type}`)
  }
}

/** Seven bits in each byte, the lowest first; the eighth says that more follow. */
function variableLength(bytes: Bytes): number {
  let length = 0
  for (let i = 0; i < 5; i++) {
    const byte = bytes.byte()
    length += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return length
  }
  throw misread('a JSON document holds a length that is none')
}

/** What JSON itself does not have, as the server prints it. */
function opaque(bytes: Bytes): Json {
  const type = bytes.byte()
  const content = bytes.slice(variableLength(bytes))
  const plain = (text: string): Json => ({ kind: 'plain', text })
  switch (type) {
    case COLUMN.newDecimal:
      return plain(decimalText(content))
    case COLUMN.date:
      return plain(`"${momentText(content).slice(0, 10)}"`)
    case COLUMN.datetime:
    case COLUMN.timestamp:
      return plain(`"${momentText(content)}"`)
    case COLUMN.time:
      return plain(`"${timeText(content)}"`)
    default:
      return plain(`"base64:type${type}:${content.toString('base64')}"`)
  }
}

function decimalText(content: Buffer): string {
  const bytes = new Bytes(content, 'a JSON decimal')
  const [precision, scale] = [bytes.byte(), bytes.byte()]
  if (precision < 1 || precision > 65 || scale > 30 || scale > precision) {
    throw misread('a JSON document holds a decimal that is none')
  }
  return written((out) => decimal(precision, scale)(bytes, out))
}

const FINEST = { style: 'native', precision: 6, label: 'JSON' } as const
const moment = datetime2(FINEST)
const duration = time2(FINEST)

/** Eight bytes: the packed number shifted left by 24 bits, and microseconds in those. */
function momentText(content: Buffer): string {
  if (content.length !== 8) throw misread('a JSON document holds a date that is none')
  const packed = content.readBigInt64LE()
  if (packed < 0n) throw misread('a JSON document holds a date that is none')
  const bytes = Buffer.alloc(8)
  bytes.writeUIntBE(Number(packed >> 24n) + 0x8000000000, 0, 5)
  bytes.writeUIntBE(Number(packed & 0xffffffn), 5, 3)
  return written((out) => moment(new Bytes(bytes, 'a JSON date'), out))
}

function timeText(content: Buffer): string {
  if (content.length !== 8) throw misread('a JSON document holds a time that is none')
  const packed = content.readBigInt64LE() + 0x800000000000n
  if (packed < 0n || packed >= 1n << 48n) throw misread('a JSON document holds a time that is none')
  const bytes = Buffer.alloc(6)
  bytes.writeUIntBE(Number(packed), 0, 6)
  return written((out) => duration(new Bytes(bytes, 'a JSON time'), out))
}

function written(write: (out: Out) => void): string {
  const out = new Out(64)
  write(out)
  return out.buffer.toString('latin1', 0, out.at)
}

/** From this many digits before the point, or zeros behind it, there is an exponent. */
const MOST_DIGITS = 15

/** The shortest digits as the server lays them out (mysys/dtoa.cc, my_gcvt; Json_wrapper). */
function doubleText(value: number): string {
  if (!Number.isFinite(value)) throw misread('a JSON document holds a number that is none')
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const parts = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(value.toExponential())
  const [sign, digits] = [parts?.[1] ?? '', `${parts?.[2] ?? ''}${parts?.[3] ?? ''}`]
  const point = Number(parts?.[4]) + 1
  const plain = point > -MOST_DIGITS && (point <= MOST_DIGITS || digits.length > point)
  if (!plain) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
    return `${sign}${digits[0]}${fraction}e${point - 1}`
  }
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  const whole = digits.slice(0, point).padEnd(point, '0')
  return `${sign}${whole}.${digits.slice(point) || '0'}`
}

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

/** The server's own text: a space behind each comma and colon. */
export function printJson(json: Json): string {
  switch (json.kind) {
    case 'object':
      return `{${json.members.map(([key, value]) => `${quoted(key)}: ${printJson(value)}`).join(', ')}}`
    case 'array':
      return `[${json.elements.map(printJson).join(', ')}]`
    case 'string':
      return quoted(json.text)
    case 'plain':
      return json.text
  }
}

function quoted(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what JSON has to escape
  const inner = text.replaceAll(/["\\\u0000-\u001f]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, '0')
    return escapes[character] ?? `\\u${code}`
  })
  return `"${inner}"`
}
