import { ident, qualified } from '../../../dialect/postgres/quote.ts'
import type { PgName } from '../../../dialect/postgres/schema.ts'
import type { Blueprint, Table } from '../../../model/table.ts'
import type { Type } from '../../../model/value.ts'
import { plainDefault } from './plain.ts'

/** A table of another dialect, from its neutral types; without its key. */
export function createNeutralTable(table: Table, place: PgName, blueprint: Blueprint): string {
  const key = new Set(table.identity.by === 'key' ? table.identity.columns : [])
  const columns = table.columns.map(({ name, type, nullable }, i) => {
    // Texts that differ in any byte are two keys, and no library of the system has a say in it.
    const collate = key.has(i) && isText(type) ? ' COLLATE pg_catalog."C"' : ''
    return `${ident(name)} ${neutralSql(type)}${collate}${nullable ? '' : ' NOT NULL'}${plainDefault(blueprint, table, i)}`
  })
  return `CREATE TABLE ${qualified(place)} (${columns.join(', ')})`
}

function isText({ kind }: Type): boolean {
  return kind === 'text' || kind === 'enum'
}

/**
 * The type that holds every value of a neutral type and prints it as its canonical text. Enums are
 * texts, since other servers let a column hold what is none of its labels; documents are kept as
 * the text that the source prints, which `jsonb` would write anew. There is none for `opaque`.
 */
export function neutralSql(type: Type): string {
  switch (type.kind) {
    case 'int':
      return intSql(type.bits, type.unsigned)
    case 'decimal':
      return type.precision === null ? 'numeric' : `numeric(${type.precision},${type.scale ?? 0})`
    case 'float':
      return type.bits === 32 ? 'real' : 'double precision'
    case 'bool':
      return 'boolean'
    case 'enum':
    case 'opaque':
    case 'text':
      return 'text'
    case 'bytes':
      return 'bytea'
    case 'time':
      return `time(${type.precision}) without time zone`
    case 'timetz':
      return `time(${type.precision}) with time zone`
    case 'timestamp':
      return `timestamp(${type.precision}) without time zone`
    case 'timestamptz':
      return `timestamp(${type.precision}) with time zone`
    case 'bit':
      return bitSql(type.length, type.varying)
    case 'array':
      return `${neutralSql(type.of)}[]`
    case 'json':
    case 'uuid':
    case 'date':
    case 'interval':
      return type.kind
  }
}

function intSql(bits: number, unsigned: boolean): string {
  const needed = unsigned ? bits + 1 : bits
  if (needed <= 16) return 'smallint'
  if (needed <= 32) return 'integer'
  return needed <= 64 ? 'bigint' : 'numeric(20,0)'
}

function bitSql(length: number | null, varying: boolean): string {
  if (length === null) return 'bit varying'
  return varying ? `bit varying(${length})` : `bit(${length})`
}

/** A column's type as the catalogue has it: pg_type.typname and pg_attribute.atttypmod. */
export interface Held {
  readonly type: PgName
  readonly array: boolean
  readonly typmod: number
}

/** True when a column of this type holds every value of the neutral type and prints it alike. */
export function holdsNeutral(type: Type, held: Held): boolean {
  if (type.kind === 'array') return held.array && holdsNeutral(type.of, { ...held, array: false })
  if (held.array || held.type.schema !== 'pg_catalog') return false
  const { typmod } = held
  const { name } = held.type
  // A precision or length is the modifier itself; -1 is none.
  const isOf = (wanted: string, least: number): boolean =>
    name === wanted && (typmod === -1 || typmod >= least)
  switch (type.kind) {
    case 'int':
      return holdsInt(type.unsigned ? type.bits + 1 : type.bits, name, typmod)
    case 'decimal':
      return name === 'numeric' && holdsDecimal(type, typmod)
    case 'float':
      return name === `float${type.bits / 8}`
    case 'text':
    case 'enum':
      return (name === 'text' || name === 'varchar') && typmod === -1
    case 'time':
    case 'timetz':
    case 'timestamp':
    case 'timestamptz':
      return isOf(type.kind, type.precision)
    case 'bit':
      return holdsBits(type.length, type.varying, { name, typmod })
    case 'bytes':
      return name === 'bytea'
    case 'interval':
      return name === 'interval' && typmod === -1
    default:
      return name === type.kind
  }
}

const INTS: Readonly<Record<string, number>> = { int2: 16, int4: 32, int8: 64 }

function holdsInt(bits: number, name: string, typmod: number): boolean {
  if (name !== 'numeric') return (INTS[name] ?? 0) >= bits
  return typmod === -1 || (scaleOf(typmod) === 0 && precisionOf(typmod) >= 20)
}

/** numeric.c: make_numeric_typmod; the scale has a sign. */
function scaleOf(typmod: number): number {
  return (((typmod - 4) & 0x7ff) ^ 0x400) - 0x400
}
function precisionOf(typmod: number): number {
  return ((typmod - 4) >> 16) & 0xffff
}

function holdsDecimal(type: Type & { readonly kind: 'decimal' }, typmod: number): boolean {
  if (typmod === -1) return true
  if (type.precision === null) return false
  return scaleOf(typmod) === (type.scale ?? 0) && precisionOf(typmod) >= type.precision
}

function holdsBits(
  length: number | null,
  varying: boolean,
  { name, typmod }: { readonly name: string; readonly typmod: number },
): boolean {
  if (name === 'bit') return !varying && typmod === length
  return name === 'varbit' && (typmod === -1 || (length !== null && typmod >= length))
}
