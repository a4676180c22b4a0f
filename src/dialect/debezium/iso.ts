import type { Out } from '../../model/out.ts'
import { inexact, misread } from './misread.ts'
import { type Calendar, clock, date, daysOf, timestamp } from './moments.ts'

const MOMENT =
  /^([+-]?\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?$/
const CLOCK = /^(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?$/
const DATE = /^([+-]?\d{4,})-(\d\d)-(\d\d)(?:Z)?$/
const INTERVAL =
  /^P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?)(\d+)(?:\.(\d{1,9}))?S)?)?$/

const INFINITE = new Set(['infinity', '-infinity'])

/** How a moment is mostly written, as bytes: a digit where it has `0`. */
const MOSTLY = Buffer.from('0000-00-00T00:00:00.000000')

/**
 * Makes `2026-11-21 07:44:16.948971` of `2026-11-21T07:44:16.948971Z`, which stands from `start`
 * on; false, and nothing changed, when it is anything less plain.
 */
export function rewriteMoment(out: Out, start: number): boolean {
  const { buffer, at } = out
  const end = at - 1
  const size = end - start
  if (size < 19 || size > 26 || size === 20 || buffer[end] !== 0x5a) return false
  for (let i = 0; i < size; i++) {
    const byte = buffer[start + i] ?? 0
    const sign = MOSTLY[i]
    if (sign === 0x30 ? byte < 0x30 || byte > 0x39 : byte !== sign) return false
  }
  if (!plain(buffer, start)) return false
  buffer[start + 10] = 0x20
  let last = end
  if (size > 19) {
    while (buffer[last - 1] === 0x30) last--
    if (buffer[last - 1] === 0x2e) last--
  }
  out.at = last
  return true
}

/** A year from 1 on, a month, a day that each month has, and a time of day. */
function plain(buffer: Buffer, start: number): boolean {
  const two = (at: number): number => {
    const high = (buffer[start + at] ?? 0) - 0x30
    return high * 10 + (buffer[start + at + 1] ?? 0) - 0x30
  }
  const [month, day] = [two(5), two(8)]
  const real = month >= 1 && month <= 12 && day >= 1 && day <= 28
  return real && two(0) + two(2) > 0 && two(11) < 24 && two(14) < 60 && two(17) < 60
}

/** `2026-11-21T07:44:16.948971Z` and with another offset, as a moment in UTC. */
export function zonedTimestamp(out: Out, text: string, calendar: Calendar): void {
  if (infinite(out, text)) return
  const parts = MOMENT.exec(text)
  if (parts?.[8] === undefined) throw misread('a moment is not written as one')
  timestamp(out, momentOf(parts) - offsetOf(parts[8]), { ...calendar, zone: '+00' })
}

/** The same without an offset, or in UTC. */
export function localTimestamp(out: Out, text: string, calendar: Calendar): void {
  if (infinite(out, text)) return
  const parts = MOMENT.exec(text)
  if (parts === null || (parts[8] ?? 'Z') !== 'Z') throw misread('a moment is not written as one')
  timestamp(out, momentOf(parts), calendar)
}

/** `07:44:16.948971Z` and with another offset. */
export function zonedTime(out: Out, text: string): void {
  const parts = CLOCK.exec(text)
  if (parts?.[5] === undefined) throw misread('a time is not written as one')
  clock(out, Number(microsOf(parts.slice(1))))
  out.ascii(parts[5] === 'Z' ? '+00' : shortOffset(parts[5]))
}

/** The same without an offset, or in UTC. */
export function localTime(out: Out, text: string): void {
  const parts = CLOCK.exec(text)
  if (parts === null || (parts[5] ?? 'Z') !== 'Z') throw misread('a time is not written as one')
  clock(out, Number(microsOf(parts.slice(1))))
}

/** `2026-03-04` and `2026-03-04Z`. */
export function isoDate(out: Out, text: string, calendar: Calendar): void {
  if (infinite(out, text)) return
  const parts = DATE.exec(text)
  if (parts === null) throw misread('a date is not written as one')
  date(out, dayOf(parts), calendar)
}

function infinite(out: Out, text: string): boolean {
  if (!INFINITE.has(text)) return false
  out.ascii(text)
  return true
}

function dayOf([, year, month, day]: readonly (string | undefined)[]): number {
  return daysOf(Number(year), Number(month), Number(day))
}

function momentOf(parts: readonly (string | undefined)[]): bigint {
  return BigInt(dayOf(parts)) * 86_400_000_000n + microsOf(parts.slice(4))
}

/** Hour, minute, second and the digits behind as microseconds. */
function microsOf([hour, minute, second, digits]: readonly (string | undefined)[]): bigint {
  const [h, m, s] = [Number(hour), Number(minute), Number(second ?? 0)]
  if (h > 24 || m > 59 || s > 59) throw misread('a time is none')
  const nanos = (digits ?? '').padEnd(9, '0')
  if (!nanos.endsWith('000')) throw inexact('a moment has parts of a microsecond')
  return BigInt((h * 60 + m) * 60 + s) * 1_000_000n + BigInt(nanos.slice(0, 6))
}

function offsetOf(text: string): bigint {
  if (text === 'Z') return 0n
  const digits = text.slice(1).replaceAll(':', '').padEnd(6, '0')
  const [h, m, s] = [digits.slice(0, 2), digits.slice(2, 4), digits.slice(4, 6)].map(Number)
  const seconds = BigInt(((h ?? 0) * 60 + (m ?? 0)) * 60 + (s ?? 0))
  return (text.startsWith('-') ? -seconds : seconds) * 1_000_000n
}

/** `+02`, and minutes and seconds where there are some. */
function shortOffset(text: string): string {
  const digits = text.slice(1).replaceAll(':', '').padEnd(6, '0')
  const parts = [digits.slice(0, 2), digits.slice(2, 4), digits.slice(4, 6)]
  while (parts.length > 1 && parts.at(-1) === '00') parts.pop()
  return `${text.startsWith('-') ? '-' : '+'}${parts.join(':')}`
}

interface Length {
  readonly months: number
  readonly days: number
  readonly micros: bigint
}

/** `P1Y2M3DT4H5M6.7S` in PostgreSQL's own style. */
export function isoInterval(out: Out, text: string): void {
  const parts = INTERVAL.exec(text)
  if (parts === null) throw misread('an interval is not written as one')
  out.ascii(intervalText(lengthOf(parts)))
}

function lengthOf(parts: readonly (string | undefined)[]): Length {
  const [y, mo, d, h, m] = parts.slice(1, 6).map((part) => BigInt(part ?? 0))
  const nanos = (parts[8] ?? '').padEnd(9, '0')
  if (!nanos.endsWith('000')) throw inexact('an interval has parts of a microsecond')
  const seconds = BigInt(parts[7] ?? 0) * 1_000_000n + BigInt(nanos.slice(0, 6))
  const clockPart = ((h ?? 0n) * 60n + (m ?? 0n)) * 60_000_000n
  return {
    months: Number((y ?? 0n) * 12n + (mo ?? 0n)),
    days: Number(d ?? 0n),
    micros: clockPart + (parts[6] === '-' ? -seconds : seconds),
  }
}

function intervalText({ months, days, micros }: Length): string {
  const units: string[] = []
  let negative = false
  const unit = (value: number, word: string): void => {
    if (value === 0) return
    units.push(`${negative && value > 0 ? '+' : ''}${value} ${word}${value === 1 ? '' : 's'}`)
    negative = value < 0
  }
  unit(Math.trunc(months / 12), 'year')
  unit(months % 12, 'mon')
  unit(days, 'day')
  if (micros !== 0n || units.length === 0) units.push(timeText(micros, negative))
  return units.join(' ')
}

function timeText(micros: bigint, afterNegative: boolean): string {
  const size = micros < 0n ? -micros : micros
  const two = (value: bigint): string => String(value).padStart(2, '0')
  const seconds = size / 1_000_000n
  const rest = String(size % 1_000_000n)
    .padStart(6, '0')
    .replace(/0+$/, '')
  const clockText = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`
  const sign = micros < 0n ? '-' : afterNegative ? '+' : ''
  return `${sign}${clockText}${rest === '' ? '' : `.${rest}`}`
}
