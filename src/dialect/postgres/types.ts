import type { Type } from '../../model/value.ts'
import type { PgType, PgTypeUse } from './schema.ts'

/** Types by OID. */
export type TypeIndex = ReadonlyMap<number, PgType>

export function typeIndex(types: readonly PgType[]): TypeIndex {
  return new Map(types.map((type) => [type.oid, type]))
}

/**
 * OIDs below this are written down in PostgreSQL's own sources and are the same on every server
 * (access/transam.h, FirstGenbkiObjectId); those above are handed out by each server.
 */
const FIRST_LOCAL_OID = 10000

export function isBuiltIn(oid: number): boolean {
  return oid < FIRST_LOCAL_OID
}

/** Types whose binary form is an OID of the source or that have none: their text is what they mean. */
const REFERENCES = new Set([
  'aclitem',
  'regclass',
  'regcollation',
  'regconfig',
  'regdictionary',
  'regnamespace',
  'regoper',
  'regoperator',
  'regproc',
  'regprocedure',
  'regrole',
  'regtype',
])

/** Those, and the ones whose receive functions refuse an empty one (int2vectorrecv, tsqueryrecv). */
const TEXT_ONLY = new Set([...REFERENCES, 'int2vector', 'oidvector', 'tsquery'])

/** Built-in types that no client can write. */
const CLOSED = new Set([
  'gtsvector',
  'pg_brin_bloom_summary',
  'pg_brin_minmax_multi_summary',
  'pg_dependencies',
  'pg_mcv_list',
  'pg_ndistinct',
  'pg_node_tree',
  'pg_ddl_command',
])

/** Types whose values name objects of their own server, so that they mean little elsewhere. */
export function isReference(type: PgType): boolean {
  return type.builtIn && (type.name === 'oid' || REFERENCES.has(type.name))
}

/**
 * True when the binary form of a value is understood by every server. Arrays and composites hold
 * the OIDs of their parts' types, which for user-defined ones are the source's; since PostgreSQL
 * 14 the reading server takes its own instead (array_recv, record_recv: only two different
 * built-in OIDs are an error). Types of extensions travel as text, since their bytes may change
 * between versions of the extension.
 */
export function readsInBinary(oid: number, types: TypeIndex): boolean {
  const type = types.get(oid)
  if (type === undefined) return false
  switch (type.kind) {
    case 'base':
      return type.builtIn && type.binary && !TEXT_ONLY.has(type.name)
    case 'enum':
      return true
    case 'domain':
      return readsInBinary(type.base.oid, types)
    case 'array':
      return readsInBinary(type.element, types)
    case 'composite':
      return type.fields.every((field) => readsInBinary(field.type.oid, types))
    case 'range':
      return type.extension === null && readsInBinary(type.subtype, types)
    case 'multirange':
      return readsInBinary(type.range, types)
    case 'other':
      return false
  }
}

/** True when the type or a part of it is a base type for which `is` holds. */
export function holds(oid: number, types: TypeIndex, is: (base: PgType) => boolean): boolean {
  const type = types.get(oid)
  switch (type?.kind) {
    case 'base':
      return is(type)
    case 'domain':
      return holds(type.base.oid, types, is)
    case 'array':
      return holds(type.element, types, is)
    case 'composite':
      return type.fields.some((field) => holds(field.type.oid, types, is))
    case 'range':
      return holds(type.subtype, types, is)
    case 'multirange':
      return holds(type.range, types, is)
    default:
      return false
  }
}

/** Why values of this type cannot be mirrored; null when they can. */
export function unsupported(oid: number, types: TypeIndex): string | null {
  const type = types.get(oid)
  if (type === undefined) return `type ${oid} is not in the catalogue`
  switch (type.kind) {
    case 'base':
      if (type.builtIn && CLOSED.has(type.name)) return `no client can write ${type.name}`
      if (type.builtIn || type.extension !== null) return null
      return `${type.schema}.${type.name} is a base type of no extension`
    case 'enum':
      return null
    case 'domain':
      return unsupported(type.base.oid, types)
    case 'array':
      return unsupported(type.element, types)
    case 'composite':
      return firstReason(
        type.fields.map((field) => field.type.oid),
        types,
      )
    case 'range':
      return type.functions.length > 0 && !type.builtIn && type.extension === null
        ? `${type.schema}.${type.name} needs ${type.functions.join(', ')}`
        : unsupported(type.subtype, types)
    case 'multirange':
      return unsupported(type.range, types)
    case 'other':
      return `${type.schema}.${type.name} is the row type of a table or a pseudo-type`
  }
}

function firstReason(oids: readonly number[], types: TypeIndex): string | null {
  for (const oid of oids) {
    const reason = unsupported(oid, types)
    if (reason !== null) return reason
  }
  return null
}

/** The neutral type (model/value.ts) of a built-in base type, by its catalogue name. */
const NEUTRAL: Readonly<Record<string, (typmod: number) => Type>> = {
  bool: () => ({ kind: 'bool' }),
  int2: () => ({ kind: 'int', bits: 16, unsigned: false }),
  int4: () => ({ kind: 'int', bits: 32, unsigned: false }),
  int8: () => ({ kind: 'int', bits: 64, unsigned: false }),
  oid: () => ({ kind: 'int', bits: 32, unsigned: true }),
  xid: () => ({ kind: 'int', bits: 32, unsigned: true }),
  cid: () => ({ kind: 'int', bits: 32, unsigned: true }),
  xid8: () => ({ kind: 'int', bits: 64, unsigned: true }),
  float4: () => ({ kind: 'float', bits: 32 }),
  float8: () => ({ kind: 'float', bits: 64 }),
  numeric: decimal,
  text: () => ({ kind: 'text' }),
  varchar: () => ({ kind: 'text' }),
  bpchar: () => ({ kind: 'text' }),
  name: () => ({ kind: 'text' }),
  bytea: () => ({ kind: 'bytes' }),
  uuid: () => ({ kind: 'uuid' }),
  json: () => ({ kind: 'json', binary: false }),
  jsonb: () => ({ kind: 'json', binary: true }),
  date: () => ({ kind: 'date' }),
  time: (typmod) => ({ kind: 'time', precision: fraction(typmod) }),
  timetz: (typmod) => ({ kind: 'timetz', precision: fraction(typmod) }),
  timestamp: (typmod) => ({ kind: 'timestamp', precision: fraction(typmod) }),
  timestamptz: (typmod) => ({ kind: 'timestamptz', precision: fraction(typmod) }),
  interval: () => ({ kind: 'interval' }),
  bit: (typmod) => ({ kind: 'bit', length: typmod < 0 ? null : typmod, varying: false }),
  varbit: (typmod) => ({ kind: 'bit', length: typmod < 0 ? null : typmod, varying: true }),
}

function fraction(typmod: number): number {
  return typmod < 0 ? 6 : typmod
}

/** numeric's typmod: precision in the high half, scale in the low 11 bits, signed, plus 4. */
function decimal(typmod: number): Type {
  if (typmod < 4) return { kind: 'decimal', precision: null, scale: null }
  const packed = typmod - 4
  const scale = ((packed & 0x7ff) ^ 1024) - 1024
  return { kind: 'decimal', precision: (packed >> 16) & 0xffff, scale }
}

/** The neutral type of a column; what has none is opaque under its PostgreSQL name. */
export function neutralType(use: PgTypeUse, types: TypeIndex): Type {
  const type = types.get(use.oid)
  const opaque: Type = { kind: 'opaque', dialect: 'postgres', name: use.sql }
  if (type === undefined) return opaque
  switch (type.kind) {
    case 'base':
      return (type.builtIn ? NEUTRAL[type.name]?.(use.typmod) : undefined) ?? opaque
    case 'enum':
      return { kind: 'enum', labels: type.labels }
    case 'domain':
      return neutralType(type.base, types)
    case 'array': {
      const of = neutralType(elementUse(type.element, use), types)
      return of.kind === 'opaque' ? opaque : { kind: 'array', of }
    }
    default:
      return opaque
  }
}

/** An array's typmod is that of its elements. */
function elementUse(element: number, use: PgTypeUse): PgTypeUse {
  return { oid: element, typmod: use.typmod, sql: use.sql.replace(/(\[\])+$/, '') }
}
