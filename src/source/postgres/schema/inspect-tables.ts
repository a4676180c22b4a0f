import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import {
  isOneExpression,
  isPartitionBound,
  literalSql,
} from '../../../dialect/postgres/expression.ts'
import type {
  PgColumn,
  PgExtension,
  PgIndex,
  PgName,
  PgTable,
  PgType,
} from '../../../dialect/postgres/schema.ts'
import { grouped, named, number, oidArray, optional, text, texts, yes } from '../rows.ts'
import { identityOf } from './identity-key.ts'
import { readTypes, typeNames, typeUse } from './inspect-types.ts'

const TABLES = `
select c.oid, n.nspname as schema, c.relname as name, c.relkind, c.relreplident,
  case when c.relispartition then (select i.inhparent from pg_inherits i
    where i.inhrelid = c.oid) end as parent,
  case when c.relispartition then pg_get_expr(c.relpartbound, c.oid) end as bound,
  case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end as partition_key
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = any($1::oid[]) order by c.oid`

const COLUMNS = `
select a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod,
  format_type(a.atttypid, a.atttypmod) as format,
  a.attnotnull and not exists (select from pg_constraint k where k.conrelid = a.attrelid
    and k.contype = 'n' and not k.convalidated and k.conkey[1] = a.attnum) as not_null,
  a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid) as default_text,
  d.oid as default_oid,
  cn.nspname as collation_schema, co.collname as collation_name,
  coalesce((select not l.collisdeterministic from pg_collation l where l.oid = a.attcollation),
    false) as loose,
  sn.nspname as sequence_schema, s.relname as sequence_name
from pg_attribute a
join pg_type t on t.oid = a.atttypid
left join pg_collation co on co.oid = a.attcollation and a.attcollation <> t.typcollation
left join pg_namespace cn on cn.oid = co.collnamespace
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join lateral (
  select p.refobjid from pg_depend p join pg_class q on q.oid = p.refobjid and q.relkind = 'S'
  where p.classid = 'pg_attrdef'::regclass and p.objid = d.oid
    and p.refclassid = 'pg_class'::regclass limit 1) u on true
left join pg_class s on s.oid = u.refobjid
left join pg_namespace sn on sn.oid = s.relnamespace
where a.attrelid = any($1::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum`

/** Key columns by name; null in the list stands for an expression. */
const INDEXES = `
select i.indrelid, x.relname as name, i.indisunique, i.indisprimary, i.indisreplident,
  i.indimmediate, i.indisexclusion, i.indpred is not null as partial, i.indexrelid,
  k.contype, k.conname, k.condeferrable, k.condeferred,
  pg_get_constraintdef(k.oid) as constraint_text, pg_get_indexdef(i.indexrelid) as index_text,
  format('CREATE %sINDEX %I ON %s%I.%I USING ', case when i.indisunique then 'UNIQUE ' end,
    x.relname, case when c.relkind = 'p' then 'ONLY ' end, n.nspname, c.relname) as head,
  exists (select from pg_inherits h where h.inhrelid = i.indexrelid) as attached,
  (select json_agg(a.attname order by u.ord) from unnest(i.indkey::int2[]) with ordinality u(num, ord)
    left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.num and u.num > 0
    where u.ord <= i.indnkeyatts) as columns,
  (select bool_and(coalesce(a.attnotnull, false))
    from unnest(i.indkey::int2[]) with ordinality u(num, ord)
    left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.num and u.num > 0
    where u.ord <= i.indnkeyatts) as not_null
from pg_index i
join pg_class x on x.oid = i.indexrelid
join pg_class c on c.oid = i.indrelid
join pg_namespace n on n.oid = c.relnamespace
left join pg_constraint k on k.conindid = i.indexrelid and k.conrelid = i.indrelid
  and k.contype in ('p', 'u', 'x')
where i.indrelid = any($1::oid[]) and i.indisvalid and i.indisready and i.indislive
order by i.indrelid, x.relname`

/**
 * What expressions, indexes and partition keys need that is not part of every server. Built-in
 * objects have no entry in pg_depend.
 */
const NEEDS = `
select case when d.classid = 'pg_attrdef'::regclass then 'default ' || d.objid
    else d.objid || '.' || d.objsubid end as of, d.refclassid::regclass::text as class,
  pg_describe_object(d.refclassid, d.refobjid, 0) as what, e.extname as extension,
  en.nspname as extension_schema, cn.nspname as collation_schema, co.collname as collation_name
from pg_depend d
left join pg_depend m on m.classid = d.refclassid and m.objid = d.refobjid and m.deptype = 'e'
  and m.refclassid = 'pg_extension'::regclass
left join pg_extension e on e.oid = m.refobjid
left join pg_namespace en on en.oid = e.extnamespace
left join pg_collation co on d.refclassid = 'pg_collation'::regclass and co.oid = d.refobjid
left join pg_namespace cn on cn.oid = co.collnamespace
where d.deptype in ('n', 'i', 'a') and (
    (d.classid = 'pg_attrdef'::regclass and d.objid in (
      select f.oid from pg_attrdef f join pg_attribute a
        on a.attrelid = f.adrelid and a.attnum = f.adnum and a.attgenerated <> ''
      where f.adrelid = any($1::oid[])))
    or (d.classid = 'pg_class'::regclass and d.objid = any($1::oid[]))
    or (d.classid = 'pg_class'::regclass and d.objid in (
      select i.indexrelid from pg_index i where i.indrelid = any($1::oid[]))))
  and d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass,
    'pg_opfamily'::regclass, 'pg_collation'::regclass, 'pg_ts_config'::regclass,
    'pg_ts_dict'::regclass, 'pg_am'::regclass)`

/** What is read of tables, before any of it is chosen from. */
export interface TableReading {
  /** Partitioned parents before their partitions. */
  readonly tables: readonly PgTable[]
  readonly types: readonly PgType[]
  /** Used by indexes, keys and generated columns. */
  readonly extensions: readonly PgExtension[]
  readonly collations: readonly PgName[]
}

/** Reads these relations (tables and partitioned tables) by OID. Those gone are left out. */
export async function readTables(session: Session, ids: readonly string[]): Promise<TableReading> {
  if (ids.length === 0) return { tables: [], types: [], extensions: [], collations: [] }
  const oids = [oidArray(ids)]
  const tables = await session.query(TABLES, oids)
  const columns = await session.query(COLUMNS, oids)
  const indexes = await session.query(INDEXES, oids)
  const needs = await session.query(NEEDS, oids)
  const types = await readTypes(
    session,
    columns.map((row) => number(row, 'atttypid')),
  )
  const parts: Parts = {
    version: session.version,
    names: typeNames(types),
    wanted: new Set(ids),
    columns: grouped(columns, 'attrelid'),
    indexes: grouped(indexes, 'indrelid'),
    needs: grouped(needs, 'of'),
  }
  const read = tables.map((row) => tableOfRow(row, parts))
  return {
    tables: parentsFirst(read),
    types,
    extensions: distinct(needs.map((row) => extensionOf(row))),
    collations: distinct(
      needs.map((row) => (row['extension'] === null ? named(row, 'collation') : null)),
    ),
  }
}

interface Parts {
  /** server_version_num. */
  readonly version: number
  readonly names: ReturnType<typeof typeNames>
  /** Ids of the tables that are read. */
  readonly wanted: ReadonlySet<string>
  readonly columns: ReadonlyMap<string, readonly TextRow[]>
  readonly indexes: ReadonlyMap<string, readonly TextRow[]>
  readonly needs: ReadonlyMap<string, readonly TextRow[]>
}

function tableOfRow(row: TextRow, parts: Parts): PgTable {
  const id = text(row, 'oid')
  const columns = (parts.columns.get(id) ?? []).map((column) =>
    columnOf(column, typeUse(column, parts.names), parts),
  )
  const indexRows = parts.indexes.get(id) ?? []
  const indexes = indexRows.map((index) => indexOf(index, parts))
  const parent = optional(row, 'parent')
  const kept = parent !== null && parts.wanted.has(parent) ? parent : null
  const [bound, key] = [optional(row, 'bound'), optional(row, 'partition_key')]
  const needed = key === null ? null : obstacle(parts.needs.get(`${id}.0`))
  const goodBound = kept !== null && bound !== null && isPartitionBound(bound)
  const goodKey = key !== null && needed === null && isOneExpression(key)
  return {
    id,
    schema: text(row, 'schema'),
    name: text(row, 'name'),
    kind: row['relkind'] === 'p' ? 'partitioned' : 'table',
    columns,
    parent: kept,
    bound: goodBound ? bound : null,
    partitionKey: goodKey ? key : null,
    obstacle:
      needed ??
      (key !== null && !goodKey ? 'its partition key cannot be carried' : null) ??
      (kept !== null && !goodBound ? 'its partition bound cannot be carried' : null),
    indexes,
    ...identityOf(text(row, 'relreplident'), {
      columns,
      indexes,
      rows: indexRows,
      version: parts.version,
    }),
  }
}

function columnOf(row: TextRow, type: PgColumn['type'], parts: Parts): PgColumn {
  const identity = row['attidentity'] ?? ''
  const standard = optional(row, 'default_text')
  const generated = row['attgenerated'] ?? ''
  const sequence = /^nextval\('/u.test(standard ?? '') ? named(row, 'sequence') : null
  const plain = generated === '' && standard !== null
  const constant = plain && sequence === null ? literalSql(standard) : null
  return {
    name: text(row, 'attname'),
    number: number(row, 'attnum'),
    type,
    collation: named(row, 'collation'),
    loose: yes(row, 'loose'),
    notNull: yes(row, 'not_null'),
    identity: identity === '' ? null : identity === 'a' ? 'always' : 'by default',
    generated: generated === '' ? null : generatedOf(row, parts),
    default: constant,
    sequence: plain ? sequence : null,
    defaultLeft: plain && constant === null && sequence === null,
  }
}

function generatedOf(row: TextRow, parts: Parts): PgColumn['generated'] {
  const expression = text(row, 'default_text')
  // Since PostgreSQL 15 it is the default that depends on them, before it is the column.
  const needed = obstacle([
    ...(parts.needs.get(`default ${text(row, 'default_oid')}`) ?? []),
    ...(parts.needs.get(`${text(row, 'attrelid')}.${text(row, 'attnum')}`) ?? []),
  ])
  const good = needed === null && isOneExpression(expression)
  return {
    kind: row['attgenerated'] === 'v' ? 'virtual' : 'stored',
    expression: good ? expression : null,
    obstacle: good ? null : (needed ?? 'its expression cannot be read'),
  }
}

const CONSTRAINTS = { p: 'primary', u: 'unique', x: 'exclusion' } as const

function indexOf(row: TextRow, parts: Parts): PgIndex {
  const kind = row['contype']
  const known = kind === 'p' || kind === 'u' || kind === 'x' ? CONSTRAINTS[kind] : null
  const columns: unknown[] = JSON.parse(text(row, 'columns'))
  const whole = columns.every((name) => name !== null)
  const needed = obstacle(parts.needs.get(`${text(row, 'indexrelid')}.0`))
  const sql = needed === null ? definition(row, known !== null) : null
  return {
    name: text(row, 'name'),
    unique: yes(row, 'indisunique'),
    constraint:
      known === null
        ? null
        : {
            kind: known,
            name: text(row, 'conname'),
            deferrable: yes(row, 'condeferrable'),
            deferred: yes(row, 'condeferred'),
          },
    columns: whole ? texts(row, 'columns') : null,
    identifies:
      yes(row, 'indisunique') &&
      yes(row, 'indimmediate') &&
      // A key WITHOUT OVERLAPS is more than equality of its columns.
      !yes(row, 'indisexclusion') &&
      !yes(row, 'partial') &&
      whole &&
      yes(row, 'not_null'),
    sql,
    obstacle: sql === null ? (needed ?? 'its definition cannot be read') : null,
    attached: yes(row, 'attached'),
  }
}

function definition(row: TextRow, constraint: boolean): string | null {
  const head = constraint ? '' : text(row, 'head')
  const whole = text(row, constraint ? 'constraint_text' : 'index_text')
  const sql = whole.startsWith(head) ? whole.slice(head.length) : null
  return sql !== null && isOneExpression(sql) ? sql : null
}

/** Names what the source alone has; null when every server can have it. */
function obstacle(needs: readonly TextRow[] | undefined): string | null {
  const own = (needs ?? []).filter(
    (row) => row['extension'] === null && row['class'] !== 'pg_collation',
  )
  const names = new Set(own.map((row) => text(row, 'what')))
  return names.size === 0 ? null : `it needs ${[...names].join(', ')}, which is not built in`
}

function extensionOf(row: TextRow): PgExtension | null {
  const name = optional(row, 'extension')
  return name === null ? null : { name, schema: text(row, 'extension_schema') }
}

function distinct<T extends object>(values: readonly (T | null)[]): T[] {
  const found = new Map<string, T>()
  for (const value of values) if (value !== null) found.set(JSON.stringify(value), value)
  return [...found.values()]
}

function parentsFirst(tables: readonly PgTable[]): PgTable[] {
  const byId = new Map(tables.map((table) => [table.id, table]))
  const depth = (table: PgTable): number => {
    const parent = table.parent === null ? undefined : byId.get(table.parent)
    return parent === undefined ? 0 : depth(parent) + 1
  }
  return [...tables].sort((a, b) => depth(a) - depth(b))
}
