import type { Span } from './bson.ts'

/** Milliseconds from 1970 that a Date holds in either direction (ECMA-262, time values). */
const FURTHEST = 8_640_000_000_000_000

const moment =
  /^(?<year>\d{4,})-(?<month>\d\d)-(?<day>\d\d) (?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)(?:\.(?<fraction>\d{1,3}))?(?:\+00)?(?<bc> BC)?$/

/**
 * Milliseconds from 1970 of a canonical timestamp in UTC or without a zone; NaN for one that is no
 * date of BSON: infinite, finer than a millisecond, or too far away.
 */
export function millisOf(text: Span): number {
  const usual = usualMillis(text)
  return Number.isNaN(usual) ? anyMillis(text) : usual
}

/** Where the digits and the rest of a moment between the years 1000 and 9999 stand. */
const USUAL = Buffer.from('0000-00-00 00:00:00.000')
const ZERO = 0x30
const PLUS = 0x2b

/** NaN for what is written in another way; by hand, since it is read for every value. */
function usualMillis({ bytes, from, to }: Span): number {
  const end = to - from > 19 && bytes[to - 3] === PLUS ? to - 3 : to
  if (end < to && (bytes[to - 2] !== ZERO || bytes[to - 1] !== ZERO)) return Number.NaN
  const length = end - from
  if (length !== 19 && (length < 21 || length > 23)) return Number.NaN
  for (let i = 0; i < length; i++) {
    const byte = bytes[from + i] ?? 0
    const isDigit = byte >= ZERO && byte <= ZERO + 9
    if (USUAL[i] === ZERO ? !isDigit : byte !== USUAL[i]) return Number.NaN
  }
  const year = digits(bytes, from, from + 4)
  if (year < 1000) return Number.NaN
  const rest = length === 19 ? 0 : digits(bytes, from + 20, end) * 10 ** (23 - length)
  const pair = (at: number): number => digits(bytes, from + at, from + at + 2)
  return Date.UTC(year, pair(5) - 1, pair(8), pair(11), pair(14), pair(17), rest)
}

function digits(bytes: Buffer, from: number, to: number): number {
  let value = 0
  for (let at = from; at < to; at++) value = value * 10 + (bytes[at] ?? 0) - ZERO
  return value
}

function anyMillis({ bytes, from, to }: Span): number {
  const parts = moment.exec(bytes.toString('latin1', from, to))?.groups
  if (parts === undefined) return Number.NaN
  const number = (name: string): number => Number(parts[name])
  const year = parts['bc'] === undefined ? number('year') : 1 - number('year')
  const made = new Date(0)
  made.setUTCFullYear(year, number('month') - 1, number('day'))
  const millis = Number((parts['fraction'] ?? '').padEnd(3, '0'))
  made.setUTCHours(number('hour'), number('minute'), number('second'), millis)
  return Math.abs(made.getTime()) > FURTHEST ? Number.NaN : made.getTime()
}

const two = (number: number): string => String(number).padStart(2, '0')

/** The canonical timestamp of a date; `zone` is put behind its time. */
export function momentText(date: Date, zone: string): string | null {
  if (Number.isNaN(date.getTime())) return null
  const year = date.getUTCFullYear()
  const shown = String(year > 0 ? year : 1 - year).padStart(4, '0')
  const day = `${shown}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`
  const millis = date.getUTCMilliseconds()
  const fraction = millis === 0 ? '' : `.${String(millis).padStart(3, '0').replace(/0+$/, '')}`
  return `${day} ${time}${fraction}${zone}${year > 0 ? '' : ' BC'}`
}
