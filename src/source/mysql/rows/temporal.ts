import { Fault } from '../../../model/fault.ts'
import type { Out } from '../../../model/out.ts'
import { type Bytes, misread } from '../log/bytes.ts'
import type { Decode } from './numbers.ts'

/**
 * How a moment is written: `canonical` as model/value.ts says, where a date that is none has no
 * form and is refused; `native` as the server prints it in UTC.
 */
export type Style = 'canonical' | 'native'

export interface TemporalOptions {
  readonly style: Style
  /** Digits after the second. */
  readonly precision: number
  /** `table.column`, for what is refused. */
  readonly label: string
}

const MONTHS = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const

function daysIn(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 && leap ? 29 : (MONTHS[month] ?? 0)
}

/** False for 0000-00-00, for a date without its day or month, and for 30 February. */
export function isDate(year: number, month: number, day: number): boolean {
  return year > 0 && month > 0 && day > 0 && day <= daysIn(year, month)
}

/** A value that is none, such as a date of zeros; it has no canonical form. */
export function refused(label: string, kind: string): Fault {
  return new Fault('HF-D411', { what: `the column ${label} holds a ${kind} that is none` })
}

interface Day {
  readonly year: number
  readonly month: number
  readonly day: number
}

function writeDate(to: Out, { year, month, day }: Day, options: TemporalOptions): void {
  if (!isDate(year, month, day) && options.style === 'canonical')
    throw refused(options.label, 'date')
  if (year > 9999 || month > 12) throw misread('a row holds a date that no date can be')
  to.padded(year, 4)
  to.byte(0x2d)
  to.padded(month, 2)
  to.byte(0x2d)
  to.padded(day, 2)
}

function writeTime(to: Out, hour: number, rest: { minute: number; second: number }): void {
  const { minute, second } = rest
  if (minute > 59 || second > 59) throw misread('a row holds a time that no time can be')
  if (hour > 99) to.integer(hour)
  else to.padded(hour, 2)
  to.byte(0x3a)
  to.padded(minute, 2)
  to.byte(0x3a)
  to.padded(second, 2)
}

/** `micros` with as many digits as the column has, or as are not zero. */
function writeFraction(to: Out, micros: number, { style, precision }: TemporalOptions): void {
  if (micros > 999_999) throw misread('a row holds a fraction of more than a second')
  let digits = precision
  let value = Math.floor(micros / 10 ** (6 - precision))
  while (style === 'canonical' && digits > 0 && value % 10 === 0) {
    digits--
    value /= 10
  }
  if (digits === 0) return
  to.byte(0x2e)
  to.padded(value, digits)
}

/** Bytes of a fraction of so many digits. */
function fractionSize(precision: number): number {
  return (precision + 1) >> 1
}

/** The fraction behind the seconds, in microseconds (sql-common/my_time.cc). */
function fraction(from: Bytes, precision: number): number {
  const size = fractionSize(precision)
  if (size === 0) return 0
  return from.buffer.readUIntBE(from.take(size), size) * 10 ** (6 - size * 2)
}

export function date(options: TemporalOptions): Decode {
  return (from, to) => {
    const value = from.uint24()
    const year = value >> 9
    writeDate(to, { year, month: (value >> 5) & 15, day: value & 31 }, options)
  }
}

export const year: Decode = (from, to) => {
  const value = from.byte()
  to.integer(value === 0 ? 0 : 1900 + value)
}

/** As the server prints it. */
export const nativeYear: Decode = (from, to) => {
  const value = from.byte()
  to.padded(value === 0 ? 0 : 1900 + value, 4)
}

/**
 * The same, with the text of the value before at hand: rows near each other were mostly made at the
 * same time. `size`: bytes of a value in the log.
 */
function remembering(size: number, decode: Decode): Decode {
  const bytes = Buffer.alloc(size)
  const text = Buffer.alloc(LONGEST)
  let length = 0
  return (from, to) => {
    const { buffer, at } = from
    if (length > 0 && from.left >= size && stands(bytes, buffer, at)) {
      from.skip(size)
      to.bytes(text, 0, length)
      return
    }
    const before = to.size
    decode(from, to)
    buffer.copy(bytes, 0, at, at + size)
    length = to.buffer.copy(text, 0, to.base + before, to.at)
  }
}

/** Bytes of the longest text of a moment: no more than five digits of a year, and six of a second. */
const LONGEST = 32

/** True when these bytes stand there, too. */
function stands(wanted: Buffer, bytes: Buffer, at: number): boolean {
  for (let i = wanted.length - 1; i >= 0; i--) if (wanted[i] !== bytes[at + i]) return false
  return true
}

/** DATETIME from 5.6.4 on: a packed number and a fraction, both big-endian. */
export function datetime2(options: TemporalOptions): Decode {
  return remembering(5 + fractionSize(options.precision), (from, to) => {
    const packed = from.buffer.readUIntBE(from.take(5), 5) - 0x8000000000
    if (packed < 0) throw misread('a row holds a moment that no moment can be')
    const days = Math.floor(packed / 0x20000)
    const time = packed % 0x20000
    const months = days >> 5
    const month = months % 13
    writeDate(to, { year: (months - month) / 13, month, day: days & 31 }, options)
    to.byte(0x20)
    if (time >> 12 > 23) throw misread('a row holds a moment that no moment can be')
    writeTime(to, time >> 12, { minute: (time >> 6) & 63, second: time & 63 })
    writeFraction(to, fraction(from, options.precision), options)
  })
}

/** DATETIME before: the digits YYYYMMDDhhmmss as one number. */
export function datetime(options: TemporalOptions): Decode {
  return (from, to) => {
    const digits = from.uint64()
    const day = Number(digits / 1_000_000n)
    const time = Number(digits % 1_000_000n)
    const month = Math.floor(day / 100) % 100
    writeDate(to, { year: Math.floor(day / 10_000), month, day: day % 100 }, options)
    to.byte(0x20)
    const minute = Math.floor(time / 100) % 100
    writeTime(to, Math.floor(time / 10_000), { minute, second: time % 100 })
  }
}

/** TIMESTAMP: seconds since 1970, big-endian with a fraction from 5.6.4 on. */
export function timestamp(options: TemporalOptions, bigEndian: boolean): Decode {
  const calendar = new Calendar()
  return (from, to) => {
    const at = from.take(4)
    const seconds = bigEndian ? from.buffer.readUInt32BE(at) : from.buffer.readUInt32LE(at)
    const micros = bigEndian ? fraction(from, options.precision) : 0
    // No TIMESTAMP begins before the first second of 1970: nothing is the one that is none.
    const none = seconds === 0 && micros === 0
    const day = Math.floor(seconds / 86_400)
    writeDate(to, none ? { year: 0, month: 0, day: 0 } : calendar.at(day), options)
    to.byte(0x20)
    const rest = seconds - day * 86_400
    const minute = Math.floor(rest / 60) % 60
    writeTime(to, Math.floor(rest / 3600), { minute, second: rest % 60 })
    writeFraction(to, micros, options)
    if (options.style === 'canonical') to.ascii('+00')
  }
}

/** Days since 1970 as dates; rows near each other mostly have the same one. */
class Calendar {
  #number = 0
  #day: Day = { year: 1970, month: 1, day: 1 }

  at(number: number): Day {
    if (number === this.#number) return this.#day
    const moment = new Date(number * 86_400_000)
    this.#number = number
    const [month, day] = [moment.getUTCMonth() + 1, moment.getUTCDate()]
    this.#day = { year: moment.getUTCFullYear(), month, day }
    return this.#day
  }
}

/** TIME from 5.6.4 on: one packed number with its fraction, moved by half of its range. */
export function time2(options: TemporalOptions): Decode {
  const { precision } = options
  const extra = fractionSize(precision)
  const size = 3 + extra
  const offset = 0x800000 * 256 ** extra
  return (from, to) => {
    const packed = from.buffer.readUIntBE(from.take(size), size) - offset
    const positive = Math.abs(packed)
    const whole = Math.floor(positive / 256 ** extra)
    const micros = (positive % 256 ** extra) * 10 ** (6 - extra * 2)
    if (packed < 0) to.byte(0x2d)
    writeTime(to, whole >> 12, { minute: (whole >> 6) & 63, second: whole & 63 })
    writeFraction(to, extra === 0 ? 0 : micros, options)
  }
}

/** TIME before: the digits hhmmss as one signed number of three bytes. */
export function time(options: TemporalOptions): Decode {
  return (from, to) => {
    const value = from.buffer.readIntLE(from.take(3), 3)
    const positive = Math.abs(value)
    if (value < 0) to.byte(0x2d)
    const minute = Math.floor(positive / 100) % 100
    writeTime(to, Math.floor(positive / 10_000), { minute, second: positive % 100 })
    writeFraction(to, 0, options)
  }
}
