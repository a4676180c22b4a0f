import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import { isBuiltInTypeText, literalSql } from '../../../dialect/postgres/expression.ts'
import { qualified } from '../../../dialect/postgres/quote.ts'
import type { PgField, PgType, PgTypeUse } from '../../../dialect/postgres/schema.ts'
import { isBuiltIn } from '../../../dialect/postgres/types.ts'
import { Fault } from '../../../model/fault.ts'
import type { Table, Vocabulary } from '../../../model/table.ts'
import { grouped, named, number, oidArray, optional, text, texts, yes } from '../rows.ts'

/**
 * An array as it is meant by anybody who declares a column; int2vector and oidvector are not,
 * though their catalogue rows look alike.
 */
const IS_ARRAY = `(t.typcategory = 'A' and t.typelem <> 0 and t.typlen = -1 and t.oid not in (22, 30))`

/** The types that `first` selects and everything that they are made of. */
const closureOf = (first: string): string => `
with recursive need(oid) as (
  ${first}
  union
  select part.oid
  from need join pg_type t on t.oid = need.oid
  cross join lateral (
    select t.typelem where ${IS_ARRAY}
    union all select t.typbasetype where t.typtype = 'd'
    union all
    select a.atttypid from pg_attribute a join pg_class c on c.oid = a.attrelid
    where t.typtype = 'c' and c.oid = t.typrelid and c.relkind = 'c'
      and a.attnum > 0 and not a.attisdropped
    union all select r.rngsubtype from pg_range r where r.rngtypid = t.oid
    union all select r.rngtypid from pg_range r where r.rngmultitypid = t.oid
  ) part(oid)
)
`

const CLOSURE = closureOf('select unnest($1::oid[])')

/** What has an OID below is built in. */
const VOCABULARIES = `${closureOf(`select distinct a.atttypid from pg_attribute a
  where a.attrelid = any($1::oid[]) and a.attnum > 0 and a.atttypid >= 16384`)}
select n.nspname as schema, t.typname as name,
  (select json_agg(v.enumlabel order by v.enumsortorder) from pg_enum v
    where v.enumtypid = t.oid) as labels
from pg_type t join pg_namespace n on n.oid = t.typnamespace
where t.oid in (select oid from need) and t.typtype = 'e' order by t.oid`

const TYPES = `${CLOSURE}
select t.oid, n.nspname as schema, t.typname as name, t.typtype, t.typelem, t.typisdefined,
  ${IS_ARRAY} as is_array, t.typtypmod, t.typbasetype, t.typnotnull, t.typdefault,
  case when t.typbasetype <> 0 then format_type(t.typbasetype, t.typtypmod) end as base_format,
  t.typsend <> 0 and t.typreceive <> 0 as binary,
  exists (select from pg_constraint k where k.contypid = t.oid and k.contype = 'c') as checked,
  (select c.relkind from pg_class c where c.oid = t.typrelid) as relkind,
  (select e.extname from pg_depend d join pg_extension e on e.oid = d.refobjid
    where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e'
      and d.refclassid = 'pg_extension'::regclass) as extension,
  (select json_agg(v.enumlabel order by v.enumsortorder) from pg_enum v
    where v.enumtypid = t.oid) as labels,
  cn.nspname as collation_schema, co.collname as collation_name,
  r.rngsubtype, rn.nspname as opclass_schema, ro.opcname as opclass_name,
  rcn.nspname as range_collation_schema, rc.collname as range_collation_name,
  case when r.rngcanonical <> 0 then r.rngcanonical::regproc::text end as canonical,
  case when r.rngsubdiff <> 0 then r.rngsubdiff::regproc::text end as subdiff,
  r.rngsubdiff::oid as subdiff_oid,
  mn.nspname as multirange_schema, m.typname as multirange_name,
  (select q.rngtypid from pg_range q where q.rngmultitypid = t.oid) as range_of
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
left join pg_type b on b.oid = t.typbasetype
left join pg_collation co on co.oid = t.typcollation and t.typtype = 'd'
  and t.typcollation <> b.typcollation
left join pg_namespace cn on cn.oid = co.collnamespace
left join pg_range r on r.rngtypid = t.oid
left join pg_type s on s.oid = r.rngsubtype
left join pg_opclass ro on ro.oid = r.rngsubopc and not ro.opcdefault
left join pg_namespace rn on rn.oid = ro.opcnamespace
left join pg_collation rc on rc.oid = r.rngcollation and r.rngcollation <> s.typcollation
left join pg_namespace rcn on rcn.oid = rc.collnamespace
left join pg_type m on m.oid = r.rngmultitypid
left join pg_namespace mn on mn.oid = m.typnamespace
where t.oid in (select oid from need)
order by t.oid`

const FIELDS = `
select a.attrelid, t.oid as type, a.attname, a.atttypid, a.atttypmod,
  format_type(a.atttypid, a.atttypmod) as format,
  cn.nspname as collation_schema, co.collname as collation_name
from pg_type t join pg_class c on c.oid = t.typrelid and c.relkind = 'c'
join pg_attribute a on a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
join pg_type f on f.oid = a.atttypid
left join pg_collation co on co.oid = a.attcollation and a.attcollation <> f.typcollation
left join pg_namespace cn on cn.oid = co.collnamespace
where t.oid = any($1::oid[]) order by t.oid, a.attnum`

/** Reads the types with these OIDs and all that they are made of, parts before wholes. */
export async function readTypes(session: Session, oids: Iterable<number>): Promise<PgType[]> {
  const rows = await session.query(TYPES, [oidArray(new Set(oids))])
  const composites = rows.filter((row) => row['typtype'] === 'c').map((row) => text(row, 'oid'))
  const fields = composites.length === 0 ? [] : await session.query(FIELDS, [oidArray(composites)])
  const names: Names = new Map(rows.map((row) => [number(row, 'oid'), nameOf(row)]))
  const fieldRows = grouped(fields, 'type')
  const types = rows.map((row) => typeOf(row, fieldRows.get(text(row, 'oid')) ?? [], names))
  return inOrder(types)
}

/** The enums that columns of these tables hold, also inside of other types. */
export async function readVocabularies(
  session: Session,
  tables: readonly Table[],
): Promise<Vocabulary[]> {
  const ids = tables.map(({ id }) => id)
  const rows = await session.query(VOCABULARIES, [oidArray(ids)])
  return rows.map((row) => ({
    schema: text(row, 'schema'),
    name: text(row, 'name'),
    labels: texts(row, 'labels'),
  }))
}

interface TypeName {
  readonly schema: string
  readonly name: string
  /** The OID of an array's element. */
  readonly element: number | null
}

type Names = ReadonlyMap<number, TypeName>

function nameOf(row: TextRow): TypeName {
  const element = yes(row, 'is_array') ? number(row, 'typelem') : null
  return { schema: text(row, 'schema'), name: text(row, 'name'), element }
}

function typeOf(row: TextRow, fields: readonly TextRow[], names: Names): PgType {
  const oid = number(row, 'oid')
  const facts = {
    oid,
    schema: text(row, 'schema'),
    name: text(row, 'name'),
    builtIn: isBuiltIn(oid),
    extension: optional(row, 'extension'),
  }
  if (!yes(row, 'typisdefined')) return { ...facts, kind: 'other' }
  if (yes(row, 'is_array')) return { ...facts, kind: 'array', element: number(row, 'typelem') }
  switch (text(row, 'typtype')) {
    case 'b':
      return { ...facts, kind: 'base', binary: yes(row, 'binary') }
    case 'e':
      return { ...facts, kind: 'enum', labels: texts(row, 'labels') }
    case 'd':
      return { ...facts, ...domainOf(row, names) }
    case 'c': {
      if (row['relkind'] !== 'c') return { ...facts, kind: 'other' }
      return { ...facts, kind: 'composite', fields: fields.map((field) => fieldOf(field, names)) }
    }
    case 'r':
      return { ...facts, ...rangeOf(row) }
    case 'm':
      return { ...facts, kind: 'multirange', range: number(row, 'range_of') }
    default:
      return { ...facts, kind: 'other' }
  }
}

function domainOf(row: TextRow, names: Names) {
  const standard = optional(row, 'typdefault')
  const base = use(
    {
      oid: number(row, 'typbasetype'),
      typmod: number(row, 'typtypmod'),
      format: text(row, 'base_format'),
    },
    names,
  )
  return {
    kind: 'domain',
    base,
    notNull: yes(row, 'typnotnull'),
    collation: named(row, 'collation'),
    default: standard === null ? null : literalSql(standard),
    checked: yes(row, 'checked'),
  } as const
}

function fieldOf(row: TextRow, names: Names): PgField {
  return {
    name: text(row, 'attname'),
    type: typeUse(row, names),
    collation: named(row, 'collation'),
  }
}

function rangeOf(row: TextRow) {
  const canonical = optional(row, 'canonical')
  const difference = optional(row, 'subdiff')
  const carried = difference !== null && isBuiltIn(number(row, 'subdiff_oid'))
  const functions = carried ? [canonical] : [canonical, difference]
  return {
    kind: 'range',
    subtype: number(row, 'rngsubtype'),
    opclass: named(row, 'opclass'),
    collation: named(row, 'range_collation'),
    subtypeDiff: carried ? difference : null,
    functions: functions.filter((name) => name !== null),
    multirange: named(row, 'multirange'),
  } as const
}

/** The type of a row with atttypid, atttypmod and format. */
export function typeUse(row: TextRow, names: Names): PgTypeUse {
  const [oid, typmod] = [number(row, 'atttypid'), number(row, 'atttypmod')]
  return use({ oid, typmod, format: text(row, 'format') }, names)
}

/**
 * The text of a type as SQL: what format_type prints for built-in ones, which is checked, and
 * quoted anew for the others.
 */
function use(
  of: { readonly oid: number; readonly typmod: number; readonly format: string },
  names: Names,
): PgTypeUse {
  const { oid, typmod, format } = of
  const whole = names.get(oid)
  const element = whole?.element ?? oid
  const type = names.get(element)
  if (type === undefined) throw unreadable(format)
  if (isBuiltIn(element)) {
    if (!isBuiltInTypeText(format)) throw unreadable(format)
    return { oid, typmod, sql: format }
  }
  const modifier = typmod < 0 ? null : /\([A-Za-z0-9_, .-]*\)(?=(?:\[\])?$)/u.exec(format)
  const brackets = whole?.element == null ? '' : '[]'
  return { oid, typmod, sql: `${qualified(type)}${modifier?.[0] ?? ''}${brackets}` }
}

function unreadable(format: string): Fault {
  return new Fault('HF-D405', { what: `the type ${format} cannot be written down`, side: 'source' })
}

/** What `readTypes` knows a type by, for the uses in columns. */
export function typeNames(types: readonly PgType[]): Names {
  return new Map(
    types.map((type) => [
      type.oid,
      {
        schema: type.schema,
        name: type.name,
        element: type.kind === 'array' ? type.element : null,
      },
    ]),
  )
}

/** Parts before wholes. */
function inOrder(types: readonly PgType[]): PgType[] {
  const byOid = new Map(types.map((type) => [type.oid, type]))
  const done = new Set<number>()
  const ordered: PgType[] = []
  const visit = (type: PgType): void => {
    if (done.has(type.oid)) return
    done.add(type.oid)
    for (const part of partsOf(type)) {
      const found = byOid.get(part)
      if (found !== undefined) visit(found)
    }
    ordered.push(type)
  }
  for (const type of types) visit(type)
  return ordered
}

function partsOf(type: PgType): readonly number[] {
  switch (type.kind) {
    case 'array':
      return [type.element]
    case 'domain':
      return [type.base.oid]
    case 'composite':
      return type.fields.map((field) => field.type.oid)
    case 'range':
      return [type.subtype]
    case 'multirange':
      return [type.range]
    default:
      return []
  }
}
