import { ident } from './quote.ts'

/** A type as the catalogue describes it, as far as digests need it. */
export interface DigestType {
  readonly schema: string
  readonly name: string
  /** pg_type.typtype. */
  readonly kind: string
  /** The send function, without its schema; empty when there is none. */
  readonly send: string
  /** pg_type.typdelim. */
  readonly delimiter: string
  /** OIDs of what it is made of; null when it is nothing of the kind. */
  readonly base: string | null
  readonly element: string | null
  readonly subtype: string | null
}

/** Types by OID. */
export type DigestTypes = ReadonlyMap<string, DigestType>

/** The text that the server prints; every type has this form. */
export const TEXT_FORM = 'pg-text'

/**
 * Built-in types whose hash tells every two values apart that are stored differently. int8 is not
 * among them (its hash folds the halves together), nor what compares equal and prints differently.
 */
const HASHED = new Set(['bool', 'int2', 'int4', 'date', 'uuid', 'bytea'])

/**
 * Built-in types whose binary form is not the value (OIDs of the server, prefixes, containers), or
 * whose send function is declared for another type (refcursor).
 */
const NOT_SENT = new Set([
  'xml',
  'record',
  'refcursor',
  'pg_node_tree',
  'pg_ndistinct',
  'pg_dependencies',
])

/**
 * The forms of a column of this type, best first. Names begin with `pg-` and say which expression
 * is hashed; two columns with one of these names hash alike on every major and under every
 * encoding and locale, since a binary form is in the client's encoding.
 */
export function formsOf(oid: string, types: DigestTypes): readonly string[] {
  const best = exactForm(oid, types)
  return best === null ? [TEXT_FORM] : [best, TEXT_FORM]
}

function exactForm(oid: string, types: DigestTypes): string | null {
  const type = types.get(oid)
  if (type === undefined) return null
  if (type.kind === 'd') {
    return type.base === null || isEnum(type.base, types) ? null : exactForm(type.base, types)
  }
  if (type.kind === 'b' && type.schema === 'pg_catalog' && HASHED.has(type.name)) {
    return `pg-native:${type.name}`
  }
  const sent = sendName(oid, types)
  return sent === null ? null : `pg-send:${sent}`
}

/**
 * The send function, and of a container the one of its parts behind it, when the bytes mean the
 * same on every server; else null.
 */
function sendName(oid: string, types: DigestTypes): string | null {
  const type = types.get(oid)
  if (type === undefined) return null
  if (type.kind === 'd') {
    return type.base === null || isEnum(type.base, types) ? null : sendName(type.base, types)
  }
  if (type.kind === 'e') return type.send
  if (type.kind === 'r' || type.kind === 'm') return around(type.send, type.subtype, types)
  if (type.kind !== 'b' || type.schema !== 'pg_catalog') return null
  if (type.element !== null)
    return builtIn(type.element, types) && around(type.send, type.element, types)
  if (type.name.startsWith('reg') || NOT_SENT.has(type.name) || type.send === '') return null
  return type.send
}

/** Operators and functions of enums do not take a domain over one. */
export function isEnum(oid: string, types: DigestTypes): boolean {
  return types.get(oid)?.kind === 'e'
}

function around(send: string, part: string | null, types: DigestTypes): string | null {
  const inner = part === null ? null : sendName(part, types)
  return inner === null ? null : `${send}/${inner}`
}

/** An array's binary form holds the OID of its elements, which is the same only for these. */
function builtIn(oid: string, types: DigestTypes): true | null {
  const type = types.get(oid)
  return type !== undefined && type.kind === 'b' && type.schema === 'pg_catalog' ? true : null
}

/** What is hashed of `value`, an SQL expression of a column's type, in this form. */
export function exactExpression(value: string, form: string): string {
  if (form.startsWith('pg-native:')) return value
  if (form.startsWith('pg-send:')) {
    const send = form.slice('pg-send:'.length).split('/')[0] ?? ''
    return `pg_catalog.${ident(send)}(${value})`
  }
  // A row is printed by the output functions of its parts. A cast to text may be anybody's function,
  // and some of PostgreSQL's own change the text (bpchar, inet, xml).
  if (form === TEXT_FORM) return `pg_catalog.textsend(ROW(${value})::pg_catalog.text)`
  throw new RangeError(`no digest of the form ${form}`)
}

/** One 64-bit hash of several exact expressions; it depends on their order. */
export function hashOf(expressions: readonly string[]): string {
  if (expressions.length === 0) return '0::pg_catalog.int8'
  return `pg_catalog.hash_record_extended(ROW(${expressions.join(', ')}), 0)`
}

/**
 * The digest of a row. The hash of a record is 31·h + hᵢ, so that a plain sum of them would not
 * see values swapped between rows; it is hashed again, as bytes, since the hash of an int8 folds
 * its halves together.
 */
export function digestOf(expressions: readonly string[]): string {
  const inner = hashOf(expressions)
  return `pg_catalog.hash_record_extended(ROW(pg_catalog.int8send(${inner})), 1)`
}
