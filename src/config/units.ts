/** `500ms`, `30s`, `5m`, `12h`, `7d`, or ISO 8601 like `PT30S` and `P7D`. */
export const DURATION =
  /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d)|P(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?)$/

/** By which `diagnose` knows what kind of value was wanted. */
export const WANTED_DURATION = 'duration'

/** `512`, `64KiB`, `16MiB`, `1.5GiB`, `16MB`. */
export const SIZE = /^\d+(?:\.\d+)?(?:B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?$/

const MILLIS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

const ISO = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/

/** Milliseconds of a duration, or null when it is none. */
export function milliseconds(text: string): number | null {
  if (!DURATION.test(text) || /^P(?:.*T)?$/.test(text)) return null
  const iso = ISO.exec(text)
  if (iso !== null) {
    const [days = 0, hours = 0, minutes = 0, seconds = 0] = iso.slice(1).map((n) => Number(n ?? 0))
    return ((days * 24 + hours) * 60 + minutes) * 60_000 + seconds * 1000
  }
  const unit = text.replace(/^[\d.]+/, '')
  return Number.parseFloat(text) * (MILLIS[unit] ?? Number.NaN)
}

/** Bytes of a size, or null when it is none. */
export function bytes(text: string): number | null {
  if (!SIZE.test(text)) return null
  const unit = text.replace(/^[\d.]+/, '')
  return Math.floor(Number.parseFloat(text) * (unit === '' ? 1 : (BYTES[unit] ?? Number.NaN)))
}

/** The nearest right spelling of a duration with a slip in it, or null. */
export function durationFor(text: string): string | null {
  const parts = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text)
  if (parts === null) return null
  const [, number = '', word = ''] = parts
  if (word === '') return `${number}s`
  const unit = /^(?:ms|msec|milli)/i.test(word) ? 'ms' : word[0]?.toLowerCase()
  return unit !== undefined && unit in MILLIS ? `${number}${unit}` : null
}
