import { VALUES } from '../../model/prints.ts'
import type { Described } from '../../model/reader.ts'
import type { Table } from '../../model/table.ts'
import type { Session, TextRow } from './connect.ts'
import { type DigestType, formsOf, isEnum } from './digest.ts'

/** Where a table is in this database: by OID, or by the name that it is known by here. */
export type Whereabouts =
  | { readonly oid: string }
  | { readonly schema: string; readonly name: string }

/** A column of a table as it is in this database. */
export interface LocalColumn {
  readonly name: string
  /** Qualified, with its modifiers. */
  readonly type: string
  /** A text array of values is read as an array of the type, by its input function. */
  readonly inArrays: boolean
  /** `=` of its type is found without a search path. */
  readonly comparable: boolean
}

/** A table as it is in this database. */
export interface Layout {
  readonly schema: string
  readonly name: string
  readonly oid: string
  /** A plain table, so that its rows have places of their own in it. */
  readonly plain: boolean
  /** An estimate: to ask for the real size would wait for whoever has the table locked. */
  readonly blocks: number
  /** In the order of the Table's columns; null where there is none of that name. */
  readonly columns: readonly (LocalColumn | null)[]
}

export interface Located {
  readonly layout: Layout | null
  readonly described: Described
}

/**
 * All columns of the tables and every type that these are made of (pg_attribute, pg_type,
 * pg_range). The second statement follows domains, arrays, ranges and multiranges downwards.
 */
const TABLES_SQL = `
SELECT w.i, c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind,
       greatest(c.reltuples, 0)::int8 AS rows,
       CASE WHEN c.relkind = 'r' THEN greatest(c.relpages, 0) ELSE 0 END AS blocks
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY w(oid, schema, name, i)
JOIN pg_namespace n ON w.oid IS NOT NULL OR n.nspname = w.schema
JOIN pg_class c ON c.relnamespace = n.oid
 AND CASE WHEN w.oid IS NOT NULL THEN c.oid = w.oid::oid ELSE c.relname = w.name END
WHERE c.relkind IN ('r', 'p')`

const COLUMNS_SQL = `
SELECT a.attrelid AS relation, a.attname AS name, a.atttypid AS type,
       format_type(a.atttypid, a.atttypmod) AS sql
FROM pg_attribute a
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped`

const TYPES_SQL = `
WITH RECURSIVE part(oid) AS (
  SELECT unnest($1::oid[])
  UNION
  SELECT p.oid FROM part
  JOIN pg_type t ON t.oid = part.oid
  LEFT JOIN pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid)
  CROSS JOIN LATERAL (VALUES (t.typbasetype), (r.rngsubtype),
    (CASE WHEN t.typsubscript = 'array_subscript_handler'::regproc THEN t.typelem END)) p(oid)
  WHERE p.oid <> 0
)
SELECT t.oid, n.nspname AS schema, t.typname AS name, t.typtype AS kind, s.proname AS send, t.typdelim,
       nullif(t.typbasetype, 0) AS base, r.rngsubtype AS subtype,
       CASE WHEN t.typsubscript = 'array_subscript_handler'::regproc THEN t.typelem END AS element
FROM part
JOIN pg_type t ON t.oid = part.oid
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_proc s ON s.oid = t.typsend
LEFT JOIN pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid)`

/** Looks the tables up in the catalogue as the session's transaction sees it. */
export async function locate(
  session: Session,
  tables: readonly { readonly table: Table; readonly at: Whereabouts }[],
): Promise<readonly Located[]> {
  const found = await session.query(TABLES_SQL, [
    textArray(tables.map(({ at }) => ('oid' in at ? at.oid : null))),
    textArray(tables.map(({ at }) => ('oid' in at ? null : at.schema))),
    textArray(tables.map(({ at }) => ('oid' in at ? null : at.name))),
  ])
  const columns = await session.query(COLUMNS_SQL, [
    textArray(found.map((row) => row['oid'] ?? '')),
  ])
  const used = [...new Set(columns.map((row) => row['type'] ?? ''))]
  const types = await readTypes(session, used)
  const byRelation = Map.groupBy(columns, (row) => row['relation'])
  const byOrdinal = new Map(found.map((row) => [Number(row['i']), row]))
  return tables.map(({ table }, i) => {
    const row = byOrdinal.get(i + 1)
    return row === undefined
      ? { layout: null, described: absent(table) }
      : present(table, row, { columns: byRelation.get(row['oid'] ?? '') ?? [], types })
  })
}

async function readTypes(
  session: Session,
  oids: readonly string[],
): Promise<ReadonlyMap<string, DigestType>> {
  const rows = await session.query(TYPES_SQL, [textArray(oids)])
  return new Map(
    rows.map((row) => [
      row['oid'] ?? '',
      {
        schema: row['schema'] ?? '',
        name: row['name'] ?? '',
        kind: row['kind'] ?? '',
        send: row['send'] ?? '',
        delimiter: row['typdelim'] ?? '',
        base: row['base'] ?? null,
        element: row['element'] ?? null,
        subtype: row['subtype'] ?? null,
      },
    ]),
  )
}

function absent(table: Table): Described {
  return { exists: false, lacking: [], forms: table.columns.map(() => []), rows: 0 }
}

function present(
  table: Table,
  row: TextRow,
  facts: { readonly columns: readonly TextRow[]; readonly types: ReadonlyMap<string, DigestType> },
): Located {
  const byName = new Map(facts.columns.map((column) => [column['name'], column]))
  const locals = table.columns.map(({ name }) => byName.get(name) ?? null)
  const layout: Layout = {
    schema: row['schema'] ?? '',
    name: row['name'] ?? '',
    oid: row['oid'] ?? '',
    plain: row['kind'] === 'r',
    blocks: Number(row['blocks'] ?? 0),
    columns: locals.map((local) =>
      local === null
        ? null
        : {
            name: local['name'] ?? '',
            type: local['sql'] ?? '',
            inArrays: inArrays(local['type'] ?? '', facts.types),
            comparable: comparable(local['type'] ?? '', facts.types),
          },
    ),
  }
  const lacking = table.columns.filter((_, i) => locals[i] === null).map(({ name }) => name)
  const forms = locals.map((local) =>
    local === null ? [] : [...formsOf(local['type'] ?? '', facts.types), VALUES],
  )
  return { layout, described: { exists: true, lacking, forms, rows: Number(row['rows'] ?? 0) } }
}

/**
 * There are no arrays of arrays, those of boxes part their elements with a semicolon, and those of
 * composites fall into fields where they are unnested.
 */
function inArrays(oid: string, types: ReadonlyMap<string, DigestType>): boolean {
  const type = types.get(oid)
  if (type === undefined || type.kind === 'c' || type.element !== null) return false
  if (type.kind === 'd' && type.base !== null && types.get(type.base)?.element === null) {
    return inArrays(type.base, types)
  }
  return type.delimiter === ','
}

/** Built-in types, and what the polymorphic operators of pg_catalog serve. */
function comparable(oid: string, types: ReadonlyMap<string, DigestType>): boolean {
  const type = types.get(oid)
  if (type === undefined) return false
  if (type.kind === 'd') {
    return type.base !== null && !isEnum(type.base, types) && comparable(type.base, types)
  }
  return type.schema === 'pg_catalog' || type.kind !== 'b'
}

/** A text array parameter. */
export function textArray(values: readonly (string | null)[]): string {
  const items = values.map((value) =>
    value === null ? 'NULL' : `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`,
  )
  return `{${items.join(',')}}`
}
