import type { PgSchema, PgType } from '../../dialect/postgres/schema.ts'
import { holds, readsInBinary, type TypeIndex, typeIndex } from '../../dialect/postgres/types.ts'
import type { Table } from '../../model/table.ts'
import { BINARY_COPY, BINARY_STREAM, TEXT_COPY, TEXT_STREAM, VALUES } from './config.ts'
import { nativeTable } from './schema/ddl.ts'

export interface Encodings {
  readonly stream: readonly string[]
  readonly copy: readonly string[]
}

/** PostgreSQL 17 gave intervals infinities, whose bytes an older server reads as numbers. */
const INFINITE_INTERVALS = 170_000

function isInterval({ builtIn, name }: PgType): boolean {
  return builtIn && name === 'interval'
}

const forms = new WeakMap<PgSchema, TypeIndex>()

/** True when a server of this version reads the binary form of every column of the source. */
function allInBinary(table: Table, schema: PgSchema, version: number): boolean {
  const types = forms.get(schema) ?? typeIndex(schema.types)
  forms.set(schema, types)
  const known = nativeTable(schema, table.id)
  const cautious = schema.version >= INFINITE_INTERVALS && version < INFINITE_INTERVALS
  return table.columns.every(({ name }) => {
    const use = known?.columns.find((column) => column.name === name)?.type
    if (use === undefined || (cautious && holds(use.oid, types, isInterval))) return false
    return readsInBinary(use.oid, types)
  })
}

/** What rows of the table can be taken in, best first; `schema` is null for other sources. */
export function encodingsOf(table: Table, schema: PgSchema | null, version: number): Encodings {
  if (schema === null) return { stream: [TEXT_STREAM, VALUES], copy: [TEXT_COPY, VALUES] }
  const text = { stream: [TEXT_STREAM, VALUES], copy: [TEXT_COPY, VALUES] }
  if (!allInBinary(table, schema, version)) return text
  return { stream: [BINARY_STREAM, ...text.stream], copy: [BINARY_COPY, ...text.copy] }
}
