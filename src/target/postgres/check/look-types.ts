import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import type { PgName } from '../../../dialect/postgres/schema.ts'
import { key } from '../schema/existing.ts'

/** A type of the target, as far as it is compared. */
export interface FoundType extends PgName {
  readonly oid: number
  /** pg_type.typtype: base, composite, domain, enum, range, multirange, pseudo. */
  readonly kind: string
  readonly labels: readonly string[]
  /** Of a composite: names and types of the fields, as `key` of the type and its array depth. */
  readonly fields: readonly { readonly name: string; readonly type: string }[]
  /** Of a domain its base, of a range its subtype. */
  readonly of: string | null
}

/** int2vector and oidvector, which the catalogue describes like arrays, are types of their own. */
const VECTORS = '(22, 30)'

const ELEMENT = `case when t.typcategory = 'A' and t.typlen = -1 and t.typelem <> 0
  and t.oid not in ${VECTORS} then t.typelem else t.oid end`

/** A type's name, with [] behind that of an array's elements. */
const NAME = (oid: string): string => `(
  select pg_catalog.json_build_array(n.nspname, e.typname)::text
    || case when e.oid <> t.oid then '[]' else '' end
  from pg_catalog.pg_type t
  join pg_catalog.pg_type e on e.oid = ${ELEMENT}
  join pg_catalog.pg_namespace n on n.oid = e.typnamespace where t.oid = ${oid})`

const TYPES = `
select b.oid, s.nspname as schema, b.typname as name, b.typtype as kind,
  (select pg_catalog.json_agg(v.enumlabel order by v.enumsortorder)
    from pg_catalog.pg_enum v where v.enumtypid = b.oid) as labels,
  (select pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, ${NAME('a.atttypid')})
      order by a.attnum)
    from pg_catalog.pg_attribute a
    where b.typtype = 'c' and a.attrelid = b.typrelid and a.attnum > 0
      and not a.attisdropped) as fields,
  case b.typtype when 'd' then ${NAME('b.typbasetype')}
    when 'r' then (select ${NAME('r.rngsubtype')} from pg_catalog.pg_range r
      where r.rngtypid = b.oid) end as of
from pg_catalog.pg_type b join pg_catalog.pg_namespace s on s.oid = b.typnamespace
where b.typtype in ('b', 'd', 'e', 'r', 'm')
    and (b.oid in ${VECTORS} or not (b.typcategory = 'A' and b.typelem <> 0))
  or b.typtype = 'c' and exists (
    select from pg_catalog.pg_class c where c.oid = b.typrelid and c.relkind = 'c')`

/** All types of the target but arrays and the row types of tables, by `key`. */
export async function readTargetTypes(session: Session): Promise<ReadonlyMap<string, FoundType>> {
  const rows = await session.query(TYPES)
  return new Map(rows.map(foundType).map((type) => [key(type), type]))
}

function foundType(row: TextRow): FoundType {
  // The cells are what the query above makes.
  const labels = JSON.parse(row['labels'] ?? '[]') as string[]
  const fields = JSON.parse(row['fields'] ?? '[]') as [string, string][]
  return {
    oid: Number(row['oid']),
    schema: row['schema'] ?? '',
    name: row['name'] ?? '',
    kind: row['kind'] ?? '',
    labels,
    fields: fields.map(([name, type]) => ({ name, type: compact(type) })),
    of: row['of'] == null ? null : compact(row['of']),
  }
}

/** json_build_array puts a space behind its comma; JSON.stringify puts none. */
function compact(name: string): string {
  const array = name.endsWith('][]')
  const pair = JSON.parse(array ? name.slice(0, -2) : name) as [string, string]
  return `${JSON.stringify(pair)}${array ? '[]' : ''}`
}
