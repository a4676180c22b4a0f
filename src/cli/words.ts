/** Numbers as people read them. */

/** `1,234,567`. */
export function count(value: number | bigint): string {
  return value.toString().replace(/\B(?=(\d{3})+(?!\d))/g, ',')
}

/** `412`, `48k`, `9.1M`. */
export function short(value: number): string {
  const scales = [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const
  for (const [scale, unit] of scales) {
    if (value >= scale) {
      const scaled = value / scale
      return `${scaled >= 100 ? Math.round(scaled) : Math.round(scaled * 10) / 10}${unit}`
    }
  }
  return String(Math.round(value))
}

/** `812 MB`. */
export function size(value: number | bigint): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let scaled = Number(value)
  let unit = 0
  while (scaled >= 1000 && unit < units.length - 1) {
    scaled /= 1000
    unit++
  }
  return `${unit === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${units[unit]}`
}

/** `0.4 s`, `41 s`, `2m 14s`, `3h 02m`, `6d 02h`. */
export function span(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0')
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ${two((seconds % 3600) / 60)}m`
  return `${Math.floor(seconds / 86_400)}d ${two((seconds % 86_400) / 3600)}h`
}

/** `1 table`, `2 tables`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}
