import type { Column } from '../../../model/table.ts'
import type { Type } from '../../../model/value.ts'
import {
  bit,
  bool,
  bytes,
  date,
  decimal,
  double,
  type Form,
  type Held,
  integer,
  itself,
  latin,
  single,
  span,
  text,
  time,
  timestamp,
  timestamptz,
  Unfit,
  withoutPadding,
} from './forms.ts'
import { sameForm } from './same.ts'

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
 * How values of the column's type go into a column of the target so that each reads back as it was;
 * null when they cannot. A column of text takes every type, which is how somebody who made the table
 * chooses text; one of the source's own type takes what that one holds.
 */
export function formOf(column: Pick<Column, 'type' | 'native'>, held: Held): Form | null {
  const { type } = column
  const padded = /\bzerofill\b/i.test(held.full)
  const form = sameForm(column, held) ?? openForm(type, held) ?? exactForm(type, held)
  return padded && form !== null && form.read === null ? { ...form, read: withoutPadding } : form
}

function openForm(type: Type, held: Held): Form | null {
  if (!TEXTS.has(held.type) || type.kind === 'bytes') return null
  return held.charset === 'utf8mb4' || isAscii(type) ? text : null
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
