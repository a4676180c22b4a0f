import { ident, literal, qualified } from '../../../dialect/postgres/quote.ts'
import type { PgField, PgName, PgSequence, PgType } from '../../../dialect/postgres/schema.ts'
import { type TypeIndex, typeIndex } from '../../../dialect/postgres/types.ts'

/** Types that a schema of its own has to make: not built in, not brought by an extension. */
export function ownTypes(types: readonly PgType[]): PgType[] {
  return types.filter(
    (type) =>
      !type.builtIn &&
      type.extension === null &&
      (type.kind === 'enum' ||
        type.kind === 'domain' ||
        type.kind === 'composite' ||
        type.kind === 'range'),
  )
}

/** The statement that makes a type; what it is made of must be there. */
export function createType(type: PgType, types: readonly PgType[]): string {
  const name = qualified(type)
  switch (type.kind) {
    case 'enum':
      return `CREATE TYPE ${name} AS ENUM (${type.labels.map(literal).join(', ')})`
    case 'domain':
      return [
        `CREATE DOMAIN ${name} AS ${type.base.sql}`,
        collate(type.collation),
        type.default === null ? '' : ` DEFAULT ${type.default}`,
        type.notNull ? ' NOT NULL' : '',
      ].join('')
    case 'composite':
      return `CREATE TYPE ${name} AS (${type.fields.map(field).join(', ')})`
    case 'range':
      return `CREATE TYPE ${name} AS RANGE (${rangeOptions(type, typeIndex(types)).join(', ')})`
    default:
      throw new TypeError(`${type.schema}.${type.name} is not a type that is made by itself`)
  }
}

function field({ name, type, collation }: PgField): string {
  return `${ident(name)} ${type.sql}${collate(collation)}`
}

function rangeOptions(type: PgType & { kind: 'range' }, types: TypeIndex): string[] {
  const subtype = types.get(type.subtype)
  const options = [`SUBTYPE = ${subtype === undefined ? 'unknown' : typeName(subtype, types)}`]
  if (type.opclass !== null) options.push(`SUBTYPE_OPCLASS = ${qualified(type.opclass)}`)
  if (type.collation !== null) options.push(`COLLATION = ${qualified(type.collation)}`)
  if (type.subtypeDiff !== null)
    options.push(`SUBTYPE_DIFF = pg_catalog.${ident(type.subtypeDiff)}`)
  if (type.multirange !== null) {
    options.push(`MULTIRANGE_TYPE_NAME = ${qualified(type.multirange)}`)
  }
  return options
}

/** A type without modifiers. */
function typeName(type: PgType, types: TypeIndex): string {
  if (type.kind !== 'array') return qualified(type)
  const element = types.get(type.element)
  return element === undefined ? qualified(type) : `${typeName(element, types)}[]`
}

export function collate(collation: PgName | null): string {
  return collation === null ? '' : ` COLLATE ${qualified(collation)}`
}

/** Makes a sequence that is not one of an identity column. */
export function createSequence(sequence: PgSequence): string {
  return `CREATE SEQUENCE ${qualified(sequence)} AS ${sequence.type} ${sequenceOptions(sequence)}`
}

export function sequenceOptions(sequence: PgSequence): string {
  return [
    `INCREMENT BY ${digits(sequence.increment)}`,
    `MINVALUE ${digits(sequence.min)}`,
    `MAXVALUE ${digits(sequence.max)}`,
    `START WITH ${digits(sequence.start)}`,
    `CACHE ${digits(sequence.cache)}`,
    sequence.cycle ? 'CYCLE' : 'NO CYCLE',
  ].join(' ')
}

function digits(text: string): string {
  if (!/^-?\d+$/u.test(text)) throw new TypeError('a sequence has a bound that is not a number')
  return text
}
