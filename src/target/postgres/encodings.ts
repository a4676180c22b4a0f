import type { PgSchema } from '../../dialect/postgres/schema.ts'
import {
  type BinaryForm,
  binaryForm,
  type TypeIndex,
  typeIndex,
} from '../../dialect/postgres/types.ts'
import type { Table } from '../../model/table.ts'
import { BINARY_COPY, BINARY_STREAM, TEXT_COPY, TEXT_STREAM, VALUES } from './config.ts'

export interface Encodings {
  readonly stream: readonly string[]
  readonly copy: readonly string[]
}

/** PostgreSQL 17 gave intervals infinities, whose bytes an older server reads as numbers. */
const INTERVAL = 1186
const INTERVAL_ARRAY = 1187
const INFINITE_INTERVALS = 170_000

const forms = new WeakMap<PgSchema, TypeIndex>()

/** How each column's binary form at the source of `schema` reads at a server of this version. */
export function columnForms(table: Table, schema: PgSchema, version: number): BinaryForm[] {
  const types = forms.get(schema) ?? typeIndex(schema.types)
  forms.set(schema, types)
  const known = schema.tables.find(({ id }) => id === table.id)
  const cautious = schema.version >= INFINITE_INTERVALS && version < INFINITE_INTERVALS
  return table.columns.map(({ name }) => {
    const use = known?.columns.find((column) => column.name === name)?.type
    if (use === undefined) return 'none'
    if (cautious && holdsInterval(use.oid, types)) return 'none'
    return binaryForm(use.oid, types)
  })
}

function holdsInterval(oid: number, types: TypeIndex): boolean {
  if (oid === INTERVAL || oid === INTERVAL_ARRAY) return true
  const type = types.get(oid)
  switch (type?.kind) {
    case 'domain':
      return holdsInterval(type.base.oid, types)
    case 'array':
      return holdsInterval(type.element, types)
    case 'composite':
      return type.fields.some((field) => holdsInterval(field.type.oid, types))
    case 'range':
      return holdsInterval(type.subtype, types)
    case 'multirange':
      return holdsInterval(type.range, types)
    default:
      return false
  }
}

/** What rows of the table can be taken in, best first; `schema` is null for other sources. */
export function encodingsOf(table: Table, schema: PgSchema | null, version: number): Encodings {
  if (schema === null) return { stream: [TEXT_STREAM, VALUES], copy: [TEXT_COPY, VALUES] }
  const found = columnForms(table, schema, version)
  const stream = found.includes('none') ? [] : [BINARY_STREAM]
  // The bytes of a copy are passed on unread, so that no OID in them could be rewritten.
  const copy = found.every((form) => form === 'same') ? [BINARY_COPY] : []
  return { stream: [...stream, TEXT_STREAM, VALUES], copy: [...copy, TEXT_COPY, VALUES] }
}
