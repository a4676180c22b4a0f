import { isAscii, isUtf8 } from 'node:buffer'
import { BSON } from 'mongodb'

/** Kinds of elements (https://bsonspec.org/spec.html). */
const KIND = {
  double: 0x01,
  string: 0x02,
  document: 0x03,
  binary: 0x05,
  bool: 0x08,
  date: 0x09,
  null: 0x0a,
  int: 0x10,
  long: 0x12,
  decimal: 0x13,
} as const

/** A piece of bytes, where it stands. */
export interface Span {
  readonly bytes: Buffer
  readonly from: number
  readonly to: number
}

export function spanOf(bytes: Buffer): Span {
  return { bytes, from: 0, to: bytes.length }
}

const WORD = 0x100000000
/** Pieces up to this size are copied by hand, which costs less than the call. */
const SHORT = 48
/** What an element takes at most beside its name and what it holds. */
const MOST = 24

/** The name of an element as it is written: UTF-8 and a zero. */
export function elementName(name: string): Buffer {
  return Buffer.from(`${name}\0`, 'utf8')
}

/**
 * Writes documents of BSON one after another, as they stand in a command. For documents of which
 * there are many: nothing is made for a value, where the library wants an object for each.
 */
export class Bson {
  #bytes: Buffer
  #at = 0
  #count = 0
  /** Where the documents that are not whole begin. */
  readonly #open: number[] = []

  /** `room`: bytes that will probably do. */
  constructor(room: number) {
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(room, 256))
  }

  /** Documents that are whole. */
  get count(): number {
    return this.#count
  }
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  /** A document begins. */
  begin(): void {
    this.#room(MOST)
    this.#open.push(this.#at)
    this.#at += 4
  }

  /** The one that began last is whole; returns its size. */
  end(): number {
    this.#room(1)
    this.#bytes[this.#at++] = 0
    const from = this.#open.pop() ?? 0
    const size = this.#at - from
    this.#int32(from, size)
    if (this.#open.length === 0) this.#count++
    return size
  }

  /** The next document is the value of this field of the one that is open. */
  field(name: Buffer): void {
    this.#element(KIND.document, name)
  }

  /** A document inside of the one that is open begins. */
  enter(name: Buffer): void {
    this.field(name)
    this.begin()
  }

  /** A whole document that somebody else has made. */
  document(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
    if (this.#open.length === 0) this.#count++
  }

  null(name: Buffer): void {
    this.#element(KIND.null, name)
  }

  bool(name: Buffer, value: boolean): void {
    this.#element(KIND.bool, name)
    this.#bytes[this.#at++] = value ? 1 : 0
  }

  int(name: Buffer, value: number): void {
    this.#element(KIND.int, name)
    this.#int32(this.#at, value)
    this.#at += 4
  }

  /** A whole number that a double holds exactly. */
  long(name: Buffer, value: number): void {
    this.#element(KIND.long, name)
    this.#int64(value)
  }

  /** Milliseconds from 1970. */
  date(name: Buffer, millis: number): void {
    this.#element(KIND.date, name)
    this.#int64(millis)
  }

  double(name: Buffer, value: number): void {
    this.#element(KIND.double, name)
    this.#bytes.writeDoubleLE(value, this.#at)
    this.#at += 8
  }

  /** A Decimal128 of digits that a double holds exactly; `upper` are its last four bytes. */
  decimal(name: Buffer, digits: number, upper: number): void {
    this.#element(KIND.decimal, name)
    this.#int64(digits)
    this.#int32(this.#at, 0)
    this.#int32(this.#at + 4, upper)
    this.#at += 8
  }

  /** Text of ASCII. */
  ascii(name: Buffer, text: string): void {
    this.#element(KIND.string, name)
    const { length } = text
    this.#room(length + MOST)
    this.#int32(this.#at, length + 1)
    this.#at += 4
    for (let i = 0; i < length; i++) this.#bytes[this.#at + i] = text.charCodeAt(i)
    this.#at += length
    this.#bytes[this.#at++] = 0
  }

  /** False, with nothing written, for bytes that are not UTF-8. */
  text(name: Buffer, span: Span): boolean {
    const from = this.#at
    this.#element(KIND.string, name)
    const size = span.to - span.from
    this.#room(size + MOST)
    this.#int32(this.#at, size + 1)
    this.#at += 4
    if (!this.#utf8(span)) {
      this.#at = from
      return false
    }
    this.#bytes[this.#at++] = 0
    return true
  }

  /** Bytes of a subtype. */
  binary(name: Buffer, subtype: number, span: Span): void {
    this.#element(KIND.binary, name)
    const size = span.to - span.from
    this.#room(size + MOST)
    this.#int32(this.#at, size)
    this.#bytes[this.#at + 4] = subtype
    this.#at += 5
    this.#copy(span)
  }

  /** Any value, by way of the library. */
  value(name: Buffer, value: unknown): void {
    const made = BSON.serialize(new Map([['', value]]))
    this.#element(made[4] ?? KIND.null, name)
    const size = made.length - 7
    this.#room(size + MOST)
    this.#bytes.set(made.subarray(6, 6 + size), this.#at)
    this.#at += size
  }

  #element(kind: number, name: Buffer): void {
    const { length } = name
    this.#room(length + MOST)
    const [bytes, at] = [this.#bytes, this.#at]
    bytes[at] = kind
    for (let i = 0; i < length; i++) bytes[at + 1 + i] = name[i] ?? 0
    this.#at = at + 1 + length
  }

  #utf8(span: Span): boolean {
    if (span.to - span.from > SHORT) {
      this.#copy(span)
      const piece = span.bytes.subarray(span.from, span.to)
      return isAscii(piece) || isUtf8(piece)
    }
    const { bytes, from, to } = span
    const [into, at] = [this.#bytes, this.#at]
    let all = 0
    for (let i = from; i < to; i++) {
      const byte = bytes[i] ?? 0
      into[at + i - from] = byte
      all |= byte
    }
    this.#at = at + to - from
    return all < 0x80 || isUtf8(bytes.subarray(from, to))
  }

  #copy({ bytes, from, to }: Span): void {
    this.#at += bytes.copy(this.#bytes, this.#at, from, to)
  }

  #int64(value: number): void {
    this.#int32(this.#at, (value % WORD) | 0)
    this.#int32(this.#at + 4, Math.floor(value / WORD))
    this.#at += 8
  }

  #int32(at: number, value: number): void {
    const bytes = this.#bytes
    bytes[at] = value
    bytes[at + 1] = value >>> 8
    bytes[at + 2] = value >>> 16
    bytes[at + 3] = value >>> 24
  }

  #room(size: number): void {
    const needed = this.#at + size
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(2 * needed)
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}
