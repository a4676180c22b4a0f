import type { Session } from '../../../dialect/postgres/connect.ts'
import type { PgName } from '../../../dialect/postgres/schema.ts'

/** What has a name at the target already. */
export interface Existing {
  readonly schemas: ReadonlySet<string>
  /** By `key`, pg_type.typtype. */
  readonly types: ReadonlyMap<string, string>
  /** By `key`, pg_class.relkind. */
  readonly relations: ReadonlyMap<string, string>
  /** By `key`; all schemas. */
  readonly collations: ReadonlySet<string>
  /** Those that take different texts for equal. */
  readonly looseCollations: ReadonlySet<string>
  /** By `key`, that of the partitioned parent. */
  readonly parents: ReadonlyMap<string, string>
}

/** A name as the key of a map. */
export function key({ schema, name }: PgName): string {
  return JSON.stringify([schema, name])
}

const SCHEMAS =
  'select nspname as name from pg_catalog.pg_namespace where nspname = any($1::text[])'

const TYPES = `
select n.nspname as schema, t.typname as name, t.typtype as kind
from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where n.nspname = any($1::text[])`

const COLLATIONS = `
select n.nspname as schema, c.collname as name, not c.collisdeterministic as loose
from pg_catalog.pg_collation c join pg_catalog.pg_namespace n on n.oid = c.collnamespace
where c.collencoding in (-1, (select encoding from pg_catalog.pg_database
  where datname = pg_catalog.current_database()))`

const RELATIONS = `
select n.nspname as schema, c.relname as name, c.relkind as kind,
  pn.nspname as parent_schema, p.relname as parent_name
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join pg_catalog.pg_inherits i on i.inhrelid = c.oid and c.relispartition
left join pg_catalog.pg_class p on p.oid = i.inhparent
left join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
where n.nspname = any($1::text[])`

/** Looks up all names in these schemas. */
export async function readExisting(session: Session, schemas: Iterable<string>): Promise<Existing> {
  const wanted = [textArray(new Set(schemas))]
  const found = await session.query(SCHEMAS, wanted)
  const types = await session.query(TYPES, wanted)
  const relations = await session.query(RELATIONS, wanted)
  const collations = await session.query(COLLATIONS)
  const named = (schema: string | null | undefined, name: string | null | undefined): string =>
    key({ schema: schema ?? '', name: name ?? '' })
  return {
    schemas: new Set(found.map(({ name }) => name ?? '')),
    types: new Map(types.map((row) => [named(row['schema'], row['name']), row['kind'] ?? ''])),
    relations: new Map(
      relations.map((row) => [named(row['schema'], row['name']), row['kind'] ?? '']),
    ),
    collations: new Set(collations.map((row) => named(row['schema'], row['name']))),
    looseCollations: new Set(
      collations
        .filter(({ loose }) => loose === 't')
        .map((row) => named(row['schema'], row['name'])),
    ),
    parents: new Map(
      relations
        .filter((row) => row['parent_name'] !== null)
        .map((row) => [
          named(row['schema'], row['name']),
          named(row['parent_schema'], row['parent_name']),
        ]),
    ),
  }
}

/** Texts as the text of a text[]. */
export function textArray(texts: Iterable<string>): string {
  const quoted = [...texts].map(
    (text) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`,
  )
  return `{${quoted.join(',')}}`
}
