/** Milliseconds from 1970 that a Date holds in either direction (ECMA-262, time values). */
const FURTHEST = 8_640_000_000_000_000

const moment =
  /^(?<year>\d{4,})-(?<month>\d\d)-(?<day>\d\d) (?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)(?:\.(?<fraction>\d{1,3}))?(?:\+00)?(?<bc> BC)?$/

/**
 * The date of a canonical timestamp in UTC or without a zone; null for one that a date is not:
 * infinite, finer than a millisecond, or too far away.
 */
export function dateOf(text: string): Date | null {
  return usualDate(text) ?? anyDate(text)
}

/** Where the digits and the rest of a moment between the years 1000 and 9999 stand. */
const USUAL = '0000-00-00 00:00:00.000'

/** Null for what is written in another way; by hand, since it is read for every value. */
function usualDate(text: string): Date | null {
  const end = text.length > 19 && text.endsWith('+00') ? text.length - 3 : text.length
  if (end !== 19 && (end < 21 || end > 23)) return null
  for (let at = 0; at < end; at++) {
    const digit = text.charCodeAt(at) - 0x30
    const isDigit = digit >= 0 && digit <= 9
    if (USUAL[at] === '0' ? !isDigit : text[at] !== USUAL[at]) return null
  }
  const number = (from: number, to: number): number => {
    let value = 0
    for (let at = from; at < to; at++) value = value * 10 + text.charCodeAt(at) - 0x30
    return value
  }
  const year = number(0, 4)
  if (year < 1000) return null
  const millis = end === 19 ? 0 : number(20, end) * 10 ** (23 - end)
  const [month, day, hour] = [number(5, 7), number(8, 10), number(11, 13)]
  return new Date(Date.UTC(year, month - 1, day, hour, number(14, 16), number(17, 19), millis))
}

function anyDate(text: string): Date | null {
  const parts = moment.exec(text)?.groups
  if (parts === undefined) return null
  const number = (name: string): number => Number(parts[name])
  const year = parts['bc'] === undefined ? number('year') : 1 - number('year')
  const made = new Date(0)
  made.setUTCFullYear(year, number('month') - 1, number('day'))
  const millis = Number((parts['fraction'] ?? '').padEnd(3, '0'))
  made.setUTCHours(number('hour'), number('minute'), number('second'), millis)
  return Number.isNaN(made.getTime()) || Math.abs(made.getTime()) > FURTHEST ? null : made
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
