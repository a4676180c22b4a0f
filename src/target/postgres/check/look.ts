import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import type { PgName } from '../../../dialect/postgres/schema.ts'
import { key, textArray } from '../schema/existing.ts'

/** What a look at the target's server, database and role says. */
export interface TargetFacts {
  /** server_version_num. */
  readonly version: number
  readonly database: string
  readonly encoding: string
  readonly readOnly: 'standby' | 'default_transaction_read_only' | null
  readonly role: string
  readonly bypassesRowSecurity: boolean
  readonly creates: boolean
  readonly temporary: boolean
  /** By name, the schema that each extension is in. */
  readonly extensions: ReadonlyMap<string, string>
  /** Schemas that exist, and whether the role may use and create in them. */
  readonly schemas: ReadonlyMap<string, { readonly uses: boolean; readonly creates: boolean }>
}

const FACTS = `
select current_database() as database, pg_catalog.current_setting('server_encoding') as encoding,
  pg_catalog.pg_is_in_recovery() as standby,
  (select reset_val from pg_catalog.pg_settings where name = 'default_transaction_read_only')
    as read_only,
  r.rolname as role, r.rolsuper or r.rolbypassrls as bypasses,
  pg_catalog.has_database_privilege(current_database(), 'CREATE') as creates,
  pg_catalog.has_database_privilege(current_database(), 'TEMPORARY') as temporary
from pg_catalog.pg_roles r where r.rolname = current_user`

const EXTENSIONS = `
select e.extname as name, n.nspname as schema
from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace`

const SCHEMAS = `
select nspname as name, pg_catalog.has_schema_privilege(oid, 'USAGE') as uses,
  pg_catalog.has_schema_privilege(oid, 'CREATE') as creates
from pg_catalog.pg_namespace where nspname = any($1::text[])`

export async function readFacts(
  session: Session,
  schemas: readonly string[],
): Promise<TargetFacts> {
  const [row = {}] = await session.query(FACTS)
  const extensions = await session.query(EXTENSIONS)
  const found = await session.query(SCHEMAS, [textArray(schemas)])
  const standby = row['standby'] === 't'
  return {
    version: session.version,
    database: row['database'] ?? '',
    encoding: row['encoding'] ?? '',
    readOnly: standby
      ? 'standby'
      : row['read_only'] === 'on'
        ? 'default_transaction_read_only'
        : null,
    role: row['role'] ?? '',
    bypassesRowSecurity: row['bypasses'] === 't',
    creates: row['creates'] === 't',
    temporary: row['temporary'] === 't',
    extensions: new Map(extensions.map((one) => [one['name'] ?? '', one['schema'] ?? ''])),
    schemas: new Map(
      found.map((one) => [
        one['name'] ?? '',
        { uses: one['uses'] === 't', creates: one['creates'] === 't' },
      ]),
    ),
  }
}

const SEQUENCES = `
select w.schema, w.name
from pg_catalog.json_to_recordset($1::json) as w(schema text, name text)
join pg_catalog.pg_namespace n on n.nspname = w.schema
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind = 'S'
where case when c.relkind = 'S' then not pg_catalog.has_sequence_privilege(c.oid, 'UPDATE') end`

/** Those of the sequences that are there and whose value the role may not set. */
export async function readFixedSequences(
  session: Session,
  sequences: readonly PgName[],
): Promise<PgName[]> {
  const names = sequences.map(({ schema, name }) => ({ schema, name }))
  return (await session.query(SEQUENCES, [JSON.stringify(names)])).map(nameOf)
}

/** A column of a table that is there already. */
export interface FoundColumn {
  readonly name: string
  /** Of the type, or of its elements. */
  readonly type: PgName
  readonly array: boolean
  readonly typmod: number
  readonly sql: string
  readonly notNull: boolean
  readonly generated: boolean
  /** A row that does not mention it gets a value: a default, an identity, or null. */
  readonly optional: boolean
  /** Its collation takes different texts for equal. */
  readonly loose: boolean
}

/** A table that is there already under the name of a planned one. */
export interface FoundTable extends PgName {
  readonly oid: string
  readonly partitioned: boolean
  readonly owned: boolean
  /** Privileges that the role lacks on it. */
  readonly lacks: readonly string[]
  /** Row security would apply to the role. */
  readonly guarded: boolean
  readonly columns: readonly FoundColumn[]
  readonly hasPrimaryKey: boolean
  /** Unique indexes by their sorted columns; those on expressions or a part are left out. */
  readonly unique: readonly {
    readonly name: string
    readonly columns: readonly string[]
    readonly immediate: boolean
  }[]
  /** CHECK and exclusion constraints, by name. */
  readonly checks: readonly string[]
  /** Triggers and rules that act on a change, and whether they do so in a replica session, too. */
  readonly reactions: readonly { readonly name: string; readonly always: boolean }[]
  /** Foreign keys from the table that are checked at once or act. */
  readonly strictForeignKeys: readonly string[]
  /** Foreign keys that point at the table: from where, and their name. */
  readonly pointedAtBy: readonly { readonly table: PgName; readonly name: string }[]
}

const TABLES = `
select c.oid, n.nspname as schema, c.relname as name, c.relkind,
  pg_catalog.pg_has_role(c.relowner, 'USAGE') as owned,
  c.relrowsecurity and (c.relforcerowsecurity
    or not pg_catalog.pg_has_role(c.relowner, 'USAGE')) as guarded,
  (select pg_catalog.json_agg(p) from pg_catalog.unnest(
    array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p
    where not pg_catalog.has_table_privilege(c.oid, p)) as lacks,
  (select pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, en.nspname, e.typname,
      e.oid <> t.oid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
      a.attgenerated <> '', not a.attnotnull or a.atthasdef or a.attidentity <> ''
        or t.typdefault is not null,
      coalesce((select not l.collisdeterministic from pg_catalog.pg_collation l
        where l.oid = a.attcollation), false)) order by a.attnum)
    from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
    join pg_catalog.pg_type e on e.oid = case when t.typcategory = 'A' and t.typlen = -1
      and t.typelem <> 0 and t.oid not in (22, 30) then t.typelem else t.oid end
    join pg_catalog.pg_namespace en on en.oid = e.typnamespace
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
  exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary) as primary,
  (select pg_catalog.json_agg(pg_catalog.json_build_array(x.relname, i.indimmediate,
      (select pg_catalog.json_agg(a.attname order by a.attname)
        from pg_catalog.unnest(i.indkey::int2[]) with ordinality u(num, ord)
        join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = u.num
        where u.ord <= i.indnkeyatts)))
    from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
    where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null
      and i.indexprs is null) as unique,
  (select pg_catalog.json_agg(k.conname order by k.conname) from pg_catalog.pg_constraint k
    where k.conrelid = c.oid and k.contype in ('c', 'x')) as checks,
  (select pg_catalog.json_agg(pg_catalog.json_build_array(r.name, r.always)) from (
      select g.tgname as name, g.tgenabled in ('A', 'R') as always
      from pg_catalog.pg_trigger g
      where g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled <> 'D'
      union all
      select w.rulename, w.ev_enabled in ('A', 'R') from pg_catalog.pg_rewrite w
      where w.ev_class = c.oid and w.rulename <> '_RETURN' and w.ev_type <> '1'
        and w.ev_enabled <> 'D') r) as reactions,
  (select pg_catalog.json_agg(k.conname) from pg_catalog.pg_constraint k
    where k.conrelid = c.oid and k.contype = 'f'
      and not (k.condeferrable and k.condeferred and k.confdeltype = 'a' and k.confupdtype = 'a')
    ) as strict_foreign_keys,
  (select pg_catalog.json_agg(pg_catalog.json_build_array(pn.nspname, pc.relname, k.conname))
    from pg_catalog.pg_constraint k join pg_catalog.pg_class pc on pc.oid = k.conrelid
    join pg_catalog.pg_namespace pn on pn.oid = pc.relnamespace
    where k.confrelid = c.oid and k.contype = 'f' and k.conparentid = 0) as pointed_at_by
from pg_catalog.json_to_recordset($1::json) as w(schema text, name text)
join pg_catalog.pg_namespace n on n.nspname = w.schema
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name
  and c.relkind in ('r', 'p')`

/** The tables that are there under these names, by `key`. */
export async function readFound(
  session: Session,
  places: readonly PgName[],
): Promise<ReadonlyMap<string, FoundTable>> {
  if (places.length === 0) return new Map()
  const rows = await session.query(TABLES, [JSON.stringify(places)])
  return new Map(rows.map((row) => [key(nameOf(row)), foundOf(row)]))
}

function nameOf(row: TextRow): PgName {
  return { schema: row['schema'] ?? '', name: row['name'] ?? '' }
}

/** The cells that json_agg makes are what the query above says that they are. */
function list<T>(row: TextRow, cell: string): T[] {
  return (JSON.parse(row[cell] ?? 'null') as T[] | null) ?? []
}

type ColumnCells = [
  ...[string, string, string, boolean, number, string],
  ...[boolean, boolean, boolean, boolean],
]

function foundOf(row: TextRow): FoundTable {
  return {
    ...nameOf(row),
    oid: row['oid'] ?? '',
    partitioned: row['relkind'] === 'p',
    owned: row['owned'] === 't',
    lacks: list<string>(row, 'lacks'),
    guarded: row['guarded'] === 't',
    columns: list<ColumnCells>(row, 'columns').map(columnOf),
    hasPrimaryKey: row['primary'] === 't',
    unique: list<[string, boolean, string[]]>(row, 'unique').map(([name, immediate, columns]) => ({
      name,
      immediate,
      columns,
    })),
    checks: list<string>(row, 'checks'),
    reactions: list<[string, boolean]>(row, 'reactions').map(([name, always]) => ({
      name,
      always,
    })),
    strictForeignKeys: list<string>(row, 'strict_foreign_keys'),
    pointedAtBy: list<[string, string, string]>(row, 'pointed_at_by').map(
      ([schema, name, constraint]) => ({ table: { schema, name }, name: constraint }),
    ),
  }
}

function columnOf(cells: ColumnCells): FoundColumn {
  const [name, schema, type, array, typmod, sql, ...rest] = cells
  const [notNull, generated, optional, loose] = rest
  const facts = { notNull, generated, optional, loose }
  return { name, type: { schema, name: type }, array, typmod, sql, ...facts }
}
