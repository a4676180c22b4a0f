import { Fault } from '../../model/fault.ts'
import type { Type } from '../../model/value.ts'

/** A column's type taken apart. */
export interface NativeType {
  /** In lower case, without what has the same meaning: `int` for `integer`. */
  readonly base: string
  /** What stands in brackets, but for labels. */
  readonly numbers: readonly number[]
  /** Of an ENUM or SET. */
  readonly labels: readonly string[]
  readonly unsigned: boolean
  /** Of a text, ENUM or SET; null when not said. */
  readonly charset: string | null
}

const same: Readonly<Record<string, string>> = {
  integer: 'int',
  bool: 'tinyint',
  boolean: 'tinyint',
  dec: 'decimal',
  numeric: 'decimal',
  fixed: 'decimal',
  'double precision': 'double',
  real: 'double',
  geomcollection: 'geometrycollection',
}

const ESCAPED: Readonly<Record<string, string>> = { '0': '\0', n: '\n', r: '\r' }

/**
 * A type as it stands everywhere here, out of what COLUMN_TYPE prints: whatever the mode, servers
 * put a backslash before that of a label, and letters for zero bytes and ends of lines
 * (`append_unescaped` of their sql/).
 */
export function columnType(printed: string): string {
  if (!/^(?:enum|set)\(/i.test(printed)) return printed
  return printed.replace(/\\(.)/gs, (_, next: string) => ESCAPED[next] ?? next)
}

/**
 * `int(10) unsigned`, `enum('a','b') character set latin1 collate latin1_bin`. Throws Fault
 * HF-D405 for what is no type.
 */
export function parseNative(native: string): NativeType {
  const head = /^\s*([a-z0-9_]+(?: precision)?)\s*(?:\(([^']*?)\))?/i.exec(native)
  const base = (head?.[1] ?? '').toLowerCase()
  if (base === '') throw new Fault('HF-D405', { what: 'a column of the source has no type' })
  const labelled = base === 'enum' || base === 'set'
  const { labels, end } = labelled
    ? parseLabels(native)
    : { labels: [], end: head?.[0].length ?? 0 }
  const rest = native.slice(end).toLowerCase()
  const numbers = (head?.[2] ?? '').split(',').filter((word) => /^\s*\d+\s*$/.test(word))
  return {
    base: same[base] ?? base,
    numbers: numbers.map(Number),
    labels,
    unsigned: /\b(?:unsigned|zerofill)\b/.test(rest),
    charset: /\bcharacter set (\w+)/.exec(rest)?.[1] ?? null,
  }
}

/** `'it''s','b'` behind the first bracket; a quote is doubled, a backslash is itself. */
function parseLabels(native: string): { readonly labels: readonly string[]; readonly end: number } {
  const labels: string[] = []
  const pattern = /[(,]\s*'((?:[^']|'')*)'/gy
  pattern.lastIndex = Math.max(0, native.indexOf('('))
  let end = pattern.lastIndex
  for (let found = pattern.exec(native); found !== null; found = pattern.exec(native)) {
    labels.push((found[1] ?? '').replaceAll("''", "'"))
    end = pattern.lastIndex
  }
  return { labels, end }
}

const simple: Readonly<Record<string, Type>> = {
  year: { kind: 'int', bits: 16, unsigned: true },
  float: { kind: 'float', bits: 32 },
  double: { kind: 'float', bits: 64 },
  date: { kind: 'date' },
  time: { kind: 'interval' },
  json: { kind: 'json', binary: true },
  uuid: { kind: 'uuid' },
  inet4: { kind: 'text' },
  inet6: { kind: 'text' },
  char: { kind: 'text' },
  varchar: { kind: 'text' },
  tinytext: { kind: 'text' },
  text: { kind: 'text' },
  mediumtext: { kind: 'text' },
  longtext: { kind: 'text' },
  set: { kind: 'text' },
  binary: { kind: 'bytes' },
  varbinary: { kind: 'bytes' },
  tinyblob: { kind: 'bytes' },
  blob: { kind: 'bytes' },
  mediumblob: { kind: 'bytes' },
  longblob: { kind: 'bytes' },
  geometry: { kind: 'bytes' },
  point: { kind: 'bytes' },
  linestring: { kind: 'bytes' },
  polygon: { kind: 'bytes' },
  multipoint: { kind: 'bytes' },
  multilinestring: { kind: 'bytes' },
  multipolygon: { kind: 'bytes' },
  geometrycollection: { kind: 'bytes' },
  vector: { kind: 'bytes' },
}

const integers = { tinyint: 8, smallint: 16, mediumint: 24, int: 32, bigint: 64 } as const

/**
 * The neutral type. A date that is none has no form in `date` and `timestamp` and is refused
 * where it is met; TIME is a length of time; a SET is the text of its labels, which is all that a
 * target without sets can hold; geometry is the server's bytes. Throws Fault HF-D405.
 */
export function neutralType(native: string): Type {
  const { base, numbers, labels, unsigned } = parseNative(native)
  const [first, second] = numbers
  if (Object.hasOwn(integers, base)) {
    return { kind: 'int', bits: integers[base as keyof typeof integers], unsigned }
  }
  switch (base) {
    case 'decimal':
      return { kind: 'decimal', precision: first ?? 10, scale: second ?? 0 }
    case 'bit':
      return { kind: 'bit', length: first ?? 1, varying: false }
    case 'datetime':
      return { kind: 'timestamp', precision: first ?? 0 }
    case 'timestamp':
      return { kind: 'timestamptz', precision: first ?? 0 }
    case 'enum':
      return { kind: 'enum', labels }
    default: {
      const type = Object.hasOwn(simple, base) ? simple[base] : undefined
      if (type !== undefined) return type
      throw new Fault('HF-D405', { what: `the source has a column of the type ${base}` })
    }
  }
}
