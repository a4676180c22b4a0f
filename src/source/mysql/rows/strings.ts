import { inflateRawSync, inflateSync } from 'node:zlib'
import type { ToUtf8 } from '../../../dialect/mysql/charset.ts'
import { Fault } from '../../../model/fault.ts'
import type { Out } from '../../../model/out.ts'
import { Bytes, misread } from '../log/bytes.ts'
import type { Decode } from './numbers.ts'

/** How the bytes of a text become those of its cell. */
export interface Text {
  readonly convert: ToUtf8 | 'same'
  /** `table.column`, for what is refused. */
  readonly label: string
}

/** A string or blob whose length stands before it, in `size` bytes. */
export function text(size: number, { convert, label }: Text): Decode {
  if (convert === 'same') {
    return (from, to) => {
      const length = from.uint(size)
      const at = from.take(length)
      to.bytes(from.buffer, at, at + length)
    }
  }
  return (from, to) => to.bytes(converted(from.slice(from.uint(size)), convert, label))
}

/** Throws Fault HF-D411 for bytes that are no characters. */
export function converted(bytes: Buffer, convert: ToUtf8, label: string): Buffer {
  const utf8 = convert(bytes)
  if (utf8 === null) {
    const what = `the column ${label} holds bytes that are no characters of its character set`
    throw new Fault('HF-D411', { what })
  }
  return utf8
}

/** BINARY(n): the log leaves out the zeros at the end. */
export function padded(size: number, length: number): Decode {
  return (from, to) => {
    const there = from.uint(size)
    if (there > length) throw misread('a row holds more bytes than its column')
    const at = from.take(there)
    to.bytes(from.buffer, at, at + there)
    to.room(length - there)
    to.buffer.fill(0, to.at, to.at + length - there)
    to.at += length - there
  }
}

/** As many `0` and `1` as the column has bits, from big-endian bytes. */
export function bit(bits: number): Decode {
  const size = (bits + 7) >> 3
  return (from, to) => {
    const at = from.take(size)
    to.room(bits)
    for (let i = bits - 1; i >= 0; i--) {
      const byte = from.buffer[at + size - 1 - (i >> 3)] ?? 0
      to.buffer[to.at++] = 0x30 + ((byte >> (i & 7)) & 1)
    }
  }
}

/** The label, or nothing for the number 0, which is what the server keeps for a wrong value. */
export function enumeration(size: number, labels: readonly Buffer[]): Decode {
  return (from, to) => {
    const ordinal = from.uint(size)
    if (ordinal === 0) return
    const label = labels[ordinal - 1]
    if (label === undefined) throw misread('a row holds an ENUM that its column does not have')
    to.bytes(label)
  }
}

/** The labels, with commas between them. */
export function set(size: number, labels: readonly Buffer[]): Decode {
  return (from, to) => {
    const at = from.take(size)
    let first = true
    for (let index = 0; index < size * 8; index++) {
      if ((((from.buffer[at + (index >> 3)] ?? 0) >> (index & 7)) & 1) === 0) continue
      const label = labels[index]
      if (label === undefined) throw misread('a row holds a SET that its column does not have')
      if (!first) to.byte(0x2c)
      to.bytes(label)
      first = false
    }
  }
}

/**
 * MariaDB's compressed columns (sql/field_comp.cc): a byte with the kind, the way and the size of
 * a length, the length, big-endian, a stream of zlib; or the byte 0 and what was not worth it.
 */
export function compressed(size: number, plain: (from: Buffer, to: Out) => void): Decode {
  return (from, to) => {
    const bytes = from.slice(from.uint(size))
    if (bytes.length === 0) return
    plain(unpacked(bytes), to)
  }
}

const LARGEST = 0xffffffff

function unpacked(packed: Buffer): Buffer {
  const bytes = new Bytes(packed, 'a compressed value')
  const head = bytes.byte()
  if (head === 0) return bytes.rest()
  const lengthSize = head & 0x07
  if (head >> 4 !== 8 || lengthSize < 1 || lengthSize > 4) {
    throw misread('a value is compressed in an unknown way')
  }
  const length = packed.readUIntBE(bytes.take(lengthSize), lengthSize)
  const bare = (head & 0x08) !== 0
  const maxOutputLength = Math.min(length + 1, LARGEST)
  let whole: Buffer
  try {
    const zipped = bytes.rest()
    whole = bare
      ? inflateRawSync(zipped, { maxOutputLength })
      : inflateSync(zipped, { maxOutputLength })
  } catch {
    throw misread('a compressed value cannot be read')
  }
  if (whole.length !== length) throw misread('a compressed value has not the length it claims')
  return whole
}

/** The content of a compressed text. */
export function convertedText({ convert, label }: Text): (from: Buffer, to: Out) => void {
  if (convert === 'same') return (from, to) => to.bytes(from)
  return (from, to) => to.bytes(converted(from, convert, label))
}

const GROUPS = [4, 2, 2, 2, 6] as const

/**
 * MariaDB's UUID. What has a version of RFC 4122 is kept with its five groups in reverse order
 * (sql/sql_type_uuid.h, swap); the others stand as they are.
 */
export const uuid: Decode = (from, to) => {
  const length = from.byte()
  if (length > 16) throw misread('a row holds a UUID of more than 16 bytes')
  const bytes = Buffer.alloc(16)
  from.slice(length).copy(bytes)
  to.ascii(uuidText(bytes))
}

function uuidText(bytes: Buffer): string {
  const turned = isTurned(bytes)
  const hex: string[] = []
  let at = turned ? 16 : 0
  for (const size of GROUPS) {
    if (turned) at -= size
    hex.push(bytes.toString('hex', at, at + size))
    if (!turned) at += size
  }
  return hex.join('-')
}

/** In the turned form the variant is in byte 6 and the version in byte 8. */
function isTurned(bytes: Buffer): boolean {
  const variant = bytes[6] ?? 0
  const version = (bytes[8] ?? 0) >> 4
  return (variant & 0x80) !== 0 && version > 0 && version < 6
}

/** MariaDB's INET6, as the server prints it. */
export const inet6: Decode = (from, to) => {
  const length = from.byte()
  if (length > 16) throw misread('a row holds an address of more than 16 bytes')
  const bytes = Buffer.alloc(16)
  from.slice(length).copy(bytes)
  to.ascii(inet6Text(bytes))
}

function inet6Text(bytes: Buffer): string {
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2))
  const zeros = longestZeros(words)
  const dotted = bytes.subarray(12).join('.')
  if (zeros.from === 0 && (zeros.size === 6 || (zeros.size === 5 && words[5] === 0xffff))) {
    return zeros.size === 6 ? `::${dotted}` : `::ffff:${dotted}`
  }
  const hex = (some: readonly number[]): string => some.map((word) => word.toString(16)).join(':')
  if (zeros.size < 2) return hex(words)
  return `${hex(words.slice(0, zeros.from))}::${hex(words.slice(zeros.from + zeros.size))}`
}

function longestZeros(words: readonly number[]): { readonly from: number; readonly size: number } {
  let best = { from: 0, size: 0 }
  for (let from = 0; from < words.length; from++) {
    let size = 0
    while (words[from + size] === 0) size++
    if (size > best.size) best = { from, size }
  }
  return best
}

/** MariaDB's INET4. */
export const inet4: Decode = (from, to) => {
  const length = from.byte()
  if (length > 4) throw misread('a row holds an address of more than 4 bytes')
  const bytes = Buffer.alloc(4)
  from.slice(length).copy(bytes)
  to.ascii(bytes.join('.'))
}
