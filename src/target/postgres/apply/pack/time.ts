import { type CellText, writeInt32 } from './cell.ts'

const ZERO = 0x30
const [DASH, COLON, POINT, SPACE, PLUS] = [0x2d, 0x3a, 0x2e, 0x20, 0x2b]
const DATE_LENGTH = 10
const TIME_LENGTH = 8
const SECONDS_A_DAY = 86_400
/** Days from the first of January of the year 0 to that of 2000, where the server's days begin. */
const EPOCH = 730_485

/** date_recv: days since 2000, of years with four digits. */
export function packDate({ bytes, from, to }: CellText, out: Buffer, at: number): number {
  const days = to === from + DATE_LENGTH ? daysAt(bytes, from) : Number.NaN
  return Number.isNaN(days) ? -1 : writeInt32(out, at, days)
}

/** time_recv: microseconds since midnight. */
export function packTime({ bytes, from, to }: CellText, out: Buffer, at: number): number {
  const seconds = secondsAt(bytes, from, to)
  const micros = microsAt(bytes, from + TIME_LENGTH, to)
  return seconds < 0 || micros < 0 ? -1 : writeMicros(out, at, { seconds, micros })
}

/** timestamp_recv: microseconds since 2000. */
export function packTimestamp({ bytes, from, to }: CellText, out: Buffer, at: number): number {
  const time = from + DATE_LENGTH + 1
  if (to < time || bytes[time - 1] !== SPACE) return -1
  const days = daysAt(bytes, from)
  const seconds = secondsAt(bytes, time, to)
  const micros = microsAt(bytes, time + TIME_LENGTH, to)
  if (Number.isNaN(days) || seconds < 0 || micros < 0) return -1
  return writeMicros(out, at, { seconds: days * SECONDS_A_DAY + seconds, micros })
}

/** timestamptz_recv: the same, in UTC. */
export function packTimestamptz(cell: CellText, out: Buffer, at: number): number {
  const { bytes, from, to } = cell
  const zone = to - 3
  if (zone < from || bytes[zone] !== PLUS) return -1
  if (bytes[zone + 1] !== ZERO || bytes[zone + 2] !== ZERO) return -1
  return packTimestamp({ bytes, from, to: zone }, out, at)
}

/** `YYYY-MM-DD` as days since 2000; NaN for what is no date of these years. */
function daysAt(bytes: Buffer, at: number): number {
  const year = two(bytes, at) * 100 + two(bytes, at + 2)
  const month = two(bytes, at + 5)
  const day = two(bytes, at + 8)
  // What is no digit makes these NaN, of which no comparison holds.
  if (bytes[at + 4] !== DASH || bytes[at + 7] !== DASH) return Number.NaN
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1)) return Number.NaN
  if (day > daysIn(year, month)) return Number.NaN
  const before = year - 1
  const leaps = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400)
  const ofYear = (BEFORE[month] ?? 0) + (month > 2 && isLeap(year) ? 1 : 0) + day - 1
  // The year 0 is a leap year.
  return 366 + before * 365 + leaps + ofYear - EPOCH
}

/** Days of a year before each month. */
const BEFORE = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334] as const
const DAYS = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

function daysIn(year: number, month: number): number {
  return month === 2 && isLeap(year) ? 29 : (DAYS[month] ?? 0)
}

/** `HH:MM:SS` as seconds; -1 for what is no time of a day. */
function secondsAt(bytes: Buffer, at: number, end: number): number {
  if (end < at + TIME_LENGTH || bytes[at + 2] !== COLON || bytes[at + 5] !== COLON) return -1
  const hour = two(bytes, at)
  const minute = two(bytes, at + 3)
  const second = two(bytes, at + 6)
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return -1
  return hour * 3600 + minute * 60 + second
}

/** Nothing, or a point and up to six digits; -1 for anything else. */
function microsAt(bytes: Buffer, from: number, to: number): number {
  if (from === to) return 0
  if (bytes[from] !== POINT || to - from < 2 || to - from > 7) return -1
  let micros = 0
  for (let i = from + 1; i < from + 7; i++) {
    const digit = i < to ? (bytes[i] ?? 0) - ZERO : 0
    if (digit < 0 || digit > 9) return -1
    micros = micros * 10 + digit
  }
  return micros
}

/** Two digits; NaN for anything else. */
function two(bytes: Buffer, at: number): number {
  const tens = (bytes[at] ?? 0) - ZERO
  const ones = (bytes[at + 1] ?? 0) - ZERO
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

/** An int64 of microseconds, which a number does not hold exactly for far years. */
function writeMicros(
  out: Buffer,
  at: number,
  { seconds, micros }: { readonly seconds: number; readonly micros: number },
): number {
  const above = Math.floor(seconds / 0x10000)
  const low = (seconds - above * 0x10000) * 1_000_000 + micros
  const carry = Math.floor(low / 0x10000)
  const middle = above * 1_000_000 + carry
  const high = Math.floor(middle / 0x10000)
  writeInt32(out, at, high)
  return writeInt32(out, at + 4, ((middle - high * 0x10000) << 16) | (low - carry * 0x10000))
}
