import type { PgColumn, PgSchema, PgType } from '../../../dialect/postgres/schema.ts'
import { METADATA, ownColumns } from '../../../model/metadata.ts'
import type { Blueprint, Column } from '../../../model/table.ts'

/** OIDs of the types of METADATA, alike in every server (pg_type.dat). */
const OIDS = { text: 25, timestamptz: 1184 } as const

/**
 * The source's schema with columns for metadata, in partitioned tables, too; it itself where the
 * tables have none.
 */
export function withMetadataColumns(schema: PgSchema, { tables }: Blueprint): PgSchema {
  if (tables.every((table) => ownColumns(table) === table.columns.length)) return schema
  const known = new Set(schema.types.map(({ oid }) => oid))
  const types = Object.entries(OIDS).flatMap(([name, oid]): PgType[] => {
    if (known.has(oid)) return []
    const where = { schema: 'pg_catalog', name, oid, builtIn: true, extension: null }
    return [{ ...where, kind: 'base', binary: true }]
  })
  return {
    ...schema,
    types: [...types, ...schema.types],
    tables: schema.tables.map((table) => {
      const last = Math.max(0, ...table.columns.map(({ number }) => number))
      const more = METADATA.map((column, i) => columnOf(column, last + 1 + i))
      return { ...table, columns: [...table.columns, ...more] }
    }),
  }
}

function columnOf({ name, type, native }: Column, number: number): PgColumn {
  const oid = type.kind === 'text' ? OIDS.text : OIDS.timestamptz
  return {
    ...{ name, number, type: { oid, typmod: -1, sql: native } },
    ...{ collation: null, loose: false, notNull: false, identity: null, generated: null },
    ...{ default: null, sequence: null, defaultLeft: false },
  }
}
