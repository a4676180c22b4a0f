import type { Sql } from '../../../dialect/mysql/sql.ts'
import { doubleText, singleText } from '../../../model/floats.ts'
import type { Type } from '../../../model/value.ts'

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

const itself = (name: string): string => name

const base = { select: itself, read: null, characters: false, signedZero: false } as const

function latin(bytes: Buffer): string {
  return bytes.toString('latin1')
}

/** Copies what matches; anything else the column cannot hold. */
function plainly(pattern: RegExp): Form['write'] {
  return (sql, canonical) => {
    if (!pattern.test(latin(canonical))) throw new Unfit('a number that is none')
    sql.plain(canonical)
  }
}

const integer: Form = { ...base, write: plainly(/^-?\d+$/) }
/** Longer than any decimal that the server has. */
const decimal: Form = { ...base, write: plainly(/^-?\d{1,65}(?:\.\d{1,38})?$/) }

const text: Form = {
  ...base,
  characters: true,
  write: (sql, canonical) => sql.text(canonical),
}

const bytes: Form = { ...base, write: (sql, canonical) => sql.hex(canonical) }

const TRUE = 0x74
const FALSE = 0x66
const ONE = 0x31
const ZERO = 0x30
const T = Buffer.from('t')
const F = Buffer.from('f')

const bool: Form = {
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

const double: Form = {
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
const single: Form = {
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

const date = temporal('DATE', new RegExp(`^${DATE}$`), '')
const time = temporal('TIME', new RegExp(`^${TIME}$`), '')
const timestamp = temporal('TIMESTAMP', new RegExp(`^${DATE} ${TIME}$`), '')
const timestamptz = temporal('TIMESTAMP', new RegExp(`^${DATE} ${TIME}\\+00$`), '+00')
/** TIME of another server of the family: hours up to 838, either sign. */
const span: Form = {
  ...temporal('TIME', /^-?\d{2,3}:\d\d:\d\d(?:\.\d{1,6})?$/, ''),
}

function bit(length: number): Form {
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
  /** COLUMN_TYPE. */
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

const INTEGERS: Readonly<Record<string, number>> = {
  tinyint: 8,
  smallint: 16,
  mediumint: 24,
  int: 32,
  bigint: 64,
}

const TEXTS = new Set(['varchar', 'tinytext', 'text', 'mediumtext', 'longtext'])
const BYTES = new Set(['varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'])

/** Types whose canonical text is ASCII. */
function isAscii({ kind }: Type): boolean {
  return (
    kind !== 'text' && kind !== 'enum' && kind !== 'json' && kind !== 'array' && kind !== 'opaque'
  )
}

/**
 * How values of the type go into this column so that each reads back as it was; null when they
 * cannot. A column of text takes every type, which is how somebody who made the table chooses text.
 */
export function formOf(type: Type, held: Held): Form | null {
  if (TEXTS.has(held.type)) {
    if (type.kind === 'bytes') return null
    return held.charset === 'utf8mb4' || isAscii(type) ? text : null
  }
  return exactForm(type, held)
}

function exactForm(type: Type, held: Held): Form | null {
  const fine = (precision: number): boolean => (held.fraction ?? 0) >= precision
  switch (type.kind) {
    case 'bool':
      return held.type === 'tinyint' ? bool : null
    case 'int':
      return holdsIntegers(type, held) ? integer : null
    case 'decimal':
      return holdsDecimals(type, held) ? decimal : null
    case 'float':
      return floatForm(type.bits, held)
    case 'bytes':
      return BYTES.has(held.type) ? bytes : null
    case 'uuid':
      if (held.type === 'char') return held.length === 36 ? text : null
      return held.type === 'uuid' ? text : null
    case 'date':
      return held.type === 'date' ? date : null
    case 'time':
      return held.type === 'time' && fine(type.precision) ? time : null
    case 'timestamp':
      return held.type === 'datetime' && fine(type.precision) ? timestamp : null
    case 'timestamptz':
      if (held.type !== 'datetime' && held.type !== 'timestamp') return null
      return fine(type.precision) ? timestamptz : null
    case 'interval':
      return held.type === 'time' && fine(6) ? span : null
    case 'bit':
      if (held.type !== 'bit' || type.varying || type.length === null) return null
      return type.length === held.precision ? bit(type.length) : null
    default:
      return null
  }
}

function holdsIntegers(type: Extract<Type, { kind: 'int' }>, held: Held): boolean {
  const bits = INTEGERS[held.type]
  if (bits === undefined) return false
  if (type.unsigned === held.unsigned) return bits >= type.bits
  return type.unsigned && bits > type.bits
}

function holdsDecimals(type: Extract<Type, { kind: 'decimal' }>, held: Held): boolean {
  if (held.type !== 'decimal' || held.unsigned) return false
  if (type.precision === null || type.scale === null) return false
  const [precision, scale] = [held.precision ?? 0, held.scale ?? 0]
  return scale === type.scale && precision >= type.precision
}

function floatForm(bits: 32 | 64, { type, signedZero }: Held): Form | null {
  const form =
    type === 'double'
      ? { ...(bits === 64 ? double : single), select: itself }
      : type === 'float' && bits === 32
        ? single
        : null
  return form === null || signedZero ? form : withoutSignedZero(form)
}

function withoutSignedZero(form: Form): Form {
  return {
    ...form,
    signedZero: false,
    write(sql, canonical) {
      if (latin(canonical) === '-0') throw new Unfit('a zero with a sign')
      form.write(sql, canonical)
    },
  }
}
