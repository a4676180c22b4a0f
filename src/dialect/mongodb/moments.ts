/** Milliseconds from 1970 that a Date holds in either direction (ECMA-262, time values). */
const FURTHEST = 8_640_000_000_000_000

const moment =
  /^(?<year>\d{4,})-(?<month>\d\d)-(?<day>\d\d) (?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)(?:\.(?<fraction>\d{1,3}))?(?:\+00)?(?<bc> BC)?$/

/**
 * The date of a canonical timestamp in UTC or without a zone; null for one that a date is not:
 * infinite, finer than a millisecond, or too far away.
 */
export function dateOf(text: string): Date | null {
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
