import type { Sql } from '../../../dialect/mysql/sql.ts'
import { doubleText, singleText } from '../../../model/floats.ts'

/** A value that the column of the target has no place for, whatever the server would make of it. */
export class Unfit extends Error {
  override readonly name = 'Unfit'
}

/** How values of a neutral type go into a column of the target and come back. */
export interface Form {
  /** Writes canonical text as a literal. Throws Unfit. */
  write(sql: Sql, canonical: Buffer): void
  /** What to select, given the column's quoted name. */
  select(name: string): string
  /** Canonical text of what the server sends; null when it is that already. */
  readonly read: ((sent: Buffer) => Buffer) | null
  /** Characters, so that comparing is a matter of collations. */
  readonly characters: boolean
  /** Zeros of both signs are equal to the server. */
  readonly signedZero: boolean
}

export const itself = (name: string): string => name

const base = { select: itself, read: null, characters: false, signedZero: false } as const

export function latin(bytes: Buffer): string {
  return bytes.toString('latin1')
}

/** Copies what matches; anything else the column cannot hold. */
function plainly(pattern: RegExp): Form['write'] {
  return (sql, canonical) => {
    if (!pattern.test(latin(canonical))) throw new Unfit('a number that is none')
    sql.plain(canonical)
  }
}

export const integer: Form = { ...base, write: plainly(/^-?\d+$/) }
/** Longer than any decimal that the server has. */
export const decimal: Form = { ...base, write: plainly(/^-?\d{1,65}(?:\.\d{1,38})?$/) }

export const text: Form = {
  ...base,
  characters: true,
  write: (sql, canonical) => sql.text(canonical),
}

export const bytes: Form = { ...base, write: (sql, canonical) => sql.hex(canonical) }

const TRUE = 0x74
const FALSE = 0x66
const ONE = 0x31
const ZERO = 0x30
const T = Buffer.from('t')
const F = Buffer.from('f')

export const bool: Form = {
  ...base,
  write(sql, canonical) {
    if (canonical.length !== 1 || (canonical[0] !== TRUE && canonical[0] !== FALSE)) {
      throw new Unfit('neither true nor false')
    }
    sql.raw(canonical[0] === TRUE ? '1' : '0')
  },
  read: (sent) => (sent.length !== 1 ? sent : sent[0] === ONE ? T : sent[0] === ZERO ? F : sent),
}

const FLOAT = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/

/** With an exponent the server reads it as the nearest double, not as a decimal. */
function floatLiteral(sql: Sql, digits: string): void {
  sql.raw(digits.includes('e') ? digits : `${digits}e0`)
}

export const double: Form = {
  ...base,
  signedZero: true,
  write(sql, canonical) {
    const digits = latin(canonical)
    if (!FLOAT.test(digits)) throw new Unfit('a number without a finite value')
    floatLiteral(sql, digits)
  },
  read: (sent) => Buffer.from(doubleText(Number(latin(sent))), 'latin1'),
}

/** The server prints six digits of a FLOAT, and all of the double that it becomes in a sum. */
export const single: Form = {
  ...base,
  signedZero: true,
  write(sql, canonical) {
    const digits = latin(canonical)
    if (!FLOAT.test(digits)) throw new Unfit('a number without a finite value')
    floatLiteral(sql, doubleText(Math.fround(Number(digits))))
  },
  select: (name) => `(${name} - 0e0)`,
  read: (sent) => Buffer.from(singleText(Math.fround(Number(latin(sent)))), 'latin1'),
}

/** `00012` to `12`: a column may be padded with zeros. */
export function withoutPadding(sent: Buffer): Buffer {
  return Buffer.from(latin(sent).replace(/^0+(?=\d)/, ''), 'latin1')
}

/** `.500` to `.5`, `.000` to nothing: canonical text has no zeros at the end. */
function withoutZeros(sent: Buffer): Buffer {
  if (!sent.includes(0x2e)) return sent
  let end = sent.length
  while (sent[end - 1] === ZERO) end--
  return sent.subarray(0, sent[end - 1] === 0x2e ? end - 1 : end)
}

function temporal(keyword: 'DATE' | 'TIME' | 'TIMESTAMP', pattern: RegExp, behind: string): Form {
  const tail = Buffer.from(behind, 'latin1')
  return {
    ...base,
    write(sql, canonical) {
      const value = latin(canonical)
      if (!pattern.test(value)) throw new Unfit('beyond the range of the type')
      sql.raw(`${keyword}'${value.slice(0, value.length - tail.length)}'`)
    },
    read: (sent) => {
      const trimmed = withoutZeros(sent)
      return tail.length === 0 ? trimmed : Buffer.concat([trimmed, tail])
    },
  }
}

const DATE = '(?!0000)\\d{4}-\\d\\d-\\d\\d'
const TIME = '\\d\\d:\\d\\d:\\d\\d(?:\\.\\d{1,6})?'

export const date = temporal('DATE', new RegExp(`^${DATE}$`), '')
export const time = temporal('TIME', new RegExp(`^${TIME}$`), '')
export const timestamp = temporal('TIMESTAMP', new RegExp(`^${DATE} ${TIME}$`), '')
export const timestamptz = temporal('TIMESTAMP', new RegExp(`^${DATE} ${TIME}\\+00$`), '+00')
/** TIME of another server of the family: hours up to 838, either sign. */
export const span: Form = {
  ...temporal('TIME', /^-?\d{2,3}:\d\d:\d\d(?:\.\d{1,6})?$/, ''),
}

export function bit(length: number): Form {
  return {
    ...base,
    write(sql, canonical) {
      if (!/^[01]+$/.test(latin(canonical))) throw new Unfit('no bits')
      sql.raw(`b'${latin(canonical)}'`)
    },
    read: (sent) => {
      const bits = Array.from(sent, (byte) => byte.toString(2).padStart(8, '0')).join('')
      return Buffer.from(bits.slice(-length).padStart(length, '0'), 'latin1')
    },
  }
}

/** A column as the server's catalogue has it. */
export interface Held {
  /** DATA_TYPE, in lower case. */
  readonly type: string
  /** COLUMN_TYPE, labels as they are. */
  readonly full: string
  readonly unsigned: boolean
  readonly charset: string | null
  /** Characters. */
  readonly length: number | null
  readonly precision: number | null
  readonly scale: number | null
  /** Digits after the second. */
  readonly fraction: number | null
  /** A zero keeps its sign, which MariaDB's never does. */
  readonly signedZero: boolean
}
