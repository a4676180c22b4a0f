import type { Out } from '../../model/out.ts'
import { inexact, misread } from './misread.ts'

const DAY = 86_400_000_000
/** Days from 0000-03-01, where a cycle of 400 years begins, to 1970-01-01. */
const TO_EPOCH = 719_468
const CYCLE = 146_097

/** The day that was written last: rows near each other mostly have the same one. */
let lastDay = Number.NaN
const lastText = Buffer.alloc(32)
let lastSize = 0

/** The date so many days after 1970-01-01, and ` BC` apart from it: true when that belongs behind. */
function writeDay(out: Out, days: number): boolean {
  const shifted = days + TO_EPOCH
  const cycle = Math.floor(shifted / CYCLE)
  const rest = shifted - cycle * CYCLE
  const years = Math.floor(
    (rest - Math.floor(rest / 1460) + Math.floor(rest / 36_524) - Math.floor(rest / 146_096)) / 365,
  )
  const ofYear = rest - (365 * years + Math.floor(years / 4) - Math.floor(years / 100))
  const month = Math.floor((5 * ofYear + 2) / 153)
  const civil = month < 10 ? month + 3 : month - 9
  const year = years + cycle * 400 + (civil <= 2 ? 1 : 0)
  out.padded(year > 0 ? year : 1 - year, 4)
  out.byte(0x2d)
  out.padded(civil, 2)
  out.byte(0x2d)
  out.padded(ofYear - Math.floor((153 * month + 2) / 5) + 1, 2)
  return year <= 0
}

function writeKnownDay(out: Out, days: number): boolean {
  if (days === lastDay) {
    out.bytes(lastText, 0, lastSize)
    return false
  }
  const from = out.size
  if (writeDay(out, days)) return true
  lastSize = out.size - from
  out.buffer.copy(lastText, 0, out.at - lastSize, out.at)
  lastDay = days
  return false
}

const BC = ' BC'

/**
 * What the connector of PostgreSQL writes for moments without an end. No date and no timestamp of
 * a server is the first two and the last one; the third is a moment of the year 294247.
 */
const LAST_DAY = -2_147_472_692
const FIRST_DAY = -2_147_472_691
const LAST_MOMENT = 9_223_372_036_825_200_000n
const FIRST_MOMENT = -9_223_372_036_832_400_000n
/** 4713-11-24 BC, before which no server has a date: a larger number has run over. */
const NO_DAY = -2_440_588
const NO_MOMENT = BigInt(NO_DAY) * BigInt(DAY)

/** Days since 1970-01-01. */
export function date(out: Out, days: number, { connector }: Calendar): void {
  if (!Number.isSafeInteger(days)) throw misread('a date is none')
  const endless = days === LAST_DAY ? 'infinity' : days === FIRST_DAY ? '-infinity' : null
  if (endless !== null && connector === 'postgresql') out.ascii(endless)
  else if (days < NO_DAY) throw inexact('a date is before any that a database has')
  else if (writeKnownDay(out, days)) out.ascii(BC)
}

/** Whose moments they are. */
export interface Calendar {
  readonly connector: string
}

/** Days from 1970-01-01 to a date of the calendar without a gap. Throws Misread where it is none. */
export function daysOf(year: number, month: number, day: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  const longest = month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31
  if (month < 1 || month > 12 || day < 1 || day > longest) throw misread('a date is none')
  const shifted = month <= 2 ? year - 1 : year
  const cycle = Math.floor(shifted / 400)
  const rest = shifted - cycle * 400
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const days = rest * 365 + Math.floor(rest / 4) - Math.floor(rest / 100) + ofYear
  return cycle * CYCLE + days - TO_EPOCH
}

/** Microseconds of a length of time or of a day, as `[-]HH:MM:SS[.ffffff]`. */
export function clock(out: Out, micros: number): void {
  let rest = micros
  if (rest < 0) {
    out.byte(0x2d)
    rest = -rest
  }
  const hours = Math.floor(rest / 3_600_000_000)
  rest -= hours * 3_600_000_000
  const minutes = Math.floor(rest / 60_000_000)
  rest -= minutes * 60_000_000
  const seconds = Math.floor(rest / 1_000_000)
  out.padded(hours, 2)
  out.byte(0x3a)
  out.padded(minutes, 2)
  out.byte(0x3a)
  out.padded(seconds, 2)
  fraction(out, rest - seconds * 1_000_000)
}

/** Millionths of a second, without zeros behind. */
function fraction(out: Out, micros: number): void {
  if (micros === 0) return
  let value = micros
  let digits = 6
  while (value % 10 === 0) {
    value /= 10
    digits--
  }
  out.byte(0x2e)
  out.padded(value, digits)
}

/** A time of day; 24:00:00 is one. */
export function timeOfDay(out: Out, micros: number | bigint): void {
  if (typeof micros === 'bigint' || micros < 0 || micros > DAY)
    throw inexact('a time of day is before midnight or after the next')
  clock(out, micros)
}

/** Microseconds since 1970 as `date time`, with `zone` behind the time. */
export function timestamp(
  out: Out,
  micros: number | bigint,
  { connector, zone = '' }: Calendar & { readonly zone?: string },
): void {
  if (typeof micros === 'bigint') {
    const endless =
      micros === LAST_MOMENT ? 'infinity' : micros === FIRST_MOMENT ? '-infinity' : null
    if (endless !== null && connector === 'postgresql') {
      out.ascii(endless)
      return
    }
    if (micros < NO_MOMENT || endless !== null)
      throw inexact('a moment is before any that a database has')
  }
  const { days, rest } = split(micros)
  const before = writeKnownDay(out, days)
  out.byte(0x20)
  clock(out, rest)
  out.ascii(zone)
  if (before) out.ascii(BC)
}

function split(micros: number | bigint): { readonly days: number; readonly rest: number } {
  if (typeof micros === 'bigint') {
    const rest = ((micros % BigInt(DAY)) + BigInt(DAY)) % BigInt(DAY)
    return { days: Number((micros - rest) / BigInt(DAY)), rest: Number(rest) }
  }
  const days = Math.floor(micros / DAY)
  return { days, rest: micros - days * DAY }
}

/** Milliseconds as microseconds. */
export function fromMillis(millis: number | bigint): number | bigint {
  return small(BigInt(millis) * 1000n)
}

/** Nanoseconds as microseconds, when nothing of them is lost. */
export function fromNanos(nanos: number | bigint): number | bigint {
  const exact = BigInt(nanos)
  if (exact % 1000n !== 0n) throw inexact('a moment has parts of a microsecond')
  return small(exact / 1000n)
}

function small(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
