import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import type {
  PgAction,
  PgForeignKey,
  PgOmission,
  PgSequence,
  PgTable,
} from '../../../dialect/postgres/schema.ts'
import { oidArray, optional, text, texts, yes } from '../rows.ts'

/**
 * Sequences that belong to a column of the tables, and those that their defaults draw from.
 * An identity column's is bound by an internal dependency, a serial's by an automatic one.
 */
const SEQUENCES = `
select n.nspname as schema, c.relname as name, format_type(s.seqtypid, null) as type,
  s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
  d.refobjid as owner, a.attname as owner_column, d.deptype = 'i' as identity
from pg_sequence s
join pg_class c on c.oid = s.seqrelid
join pg_namespace n on n.oid = c.relnamespace
left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid
  and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
  and d.refobjid = any($1::oid[])
left join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where d.objid is not null or exists (
  select from pg_depend u join pg_attrdef f on f.oid = u.objid
  where u.classid = 'pg_attrdef'::regclass and u.refclassid = 'pg_class'::regclass
    and u.refobjid = c.oid and f.adrelid = any($1::oid[]))
order by n.nspname collate "C", c.relname collate "C"`

export async function readSequences(
  session: Session,
  tables: readonly Pick<PgTable, 'id'>[],
): Promise<PgSequence[]> {
  const rows = await session.query(SEQUENCES, [oidArray(tables.map((table) => table.id))])
  return rows.map(sequenceOf)
}

function sequenceOf(row: TextRow): PgSequence {
  const owner = optional(row, 'owner')
  const type = text(row, 'type')
  return {
    schema: text(row, 'schema'),
    name: text(row, 'name'),
    type: type === 'smallint' || type === 'integer' ? type : 'bigint',
    start: text(row, 'seqstart'),
    increment: text(row, 'seqincrement'),
    min: text(row, 'seqmin'),
    max: text(row, 'seqmax'),
    cache: text(row, 'seqcache'),
    cycle: yes(row, 'seqcycle'),
    owner: owner === null ? null : { table: owner, column: text(row, 'owner_column') },
    identity: yes(row, 'identity'),
  }
}

/** Foreign keys as they were declared: those that partitions inherit are left to their parents. */
function foreignKeysSql(version: number): string {
  const since = (major: number, column: string, before: string): string =>
    version >= major * 10000 ? column : before
  return `
select k.conrelid, k.confrelid, k.conname, n.nspname as schema, c.relname as name,
  fn.nspname as other_schema, fc.relname as other_name,
  k.confupdtype, k.confdeltype, k.confmatchtype, k.condeferrable, k.condeferred, k.convalidated,
  ${since(18, 'k.conenforced', 'true')} as enforced, ${since(18, 'k.conperiod', 'false')} as period,
  (select json_agg(a.attname order by u.ord) from unnest(k.conkey) with ordinality u(num, ord)
    join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num) as columns,
  (select json_agg(a.attname order by u.ord) from unnest(k.confkey) with ordinality u(num, ord)
    join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num) as referenced,
  (select json_agg(a.attname order by a.attnum) from pg_attribute a
    where a.attrelid = k.conrelid
      and a.attnum = any(${since(15, 'k.confdelsetcols', "'{}'::int2[]")})) as set_columns
from pg_constraint k
join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
join pg_class fc on fc.oid = k.confrelid join pg_namespace fn on fn.oid = fc.relnamespace
where k.contype = 'f' and k.conrelid = any($1::oid[])
  and not exists (select from pg_constraint p where p.oid = k.conparentid
    and p.conrelid = any($1::oid[]))
order by n.nspname collate "C", c.relname collate "C", k.conname collate "C"`
}

const ACTIONS: Readonly<Record<string, PgAction>> = {
  a: 'NO ACTION',
  r: 'RESTRICT',
  c: 'CASCADE',
  n: 'SET NULL',
  d: 'SET DEFAULT',
}

export async function readForeignKeys(
  session: Session,
  ids: readonly string[],
): Promise<{ readonly kept: PgForeignKey[]; readonly omitted: PgOmission[] }> {
  const rows = await session.query(foreignKeysSql(session.version), [oidArray(ids)])
  const inside = new Set(ids)
  const [kept, outside]: [TextRow[], TextRow[]] = [[], []]
  for (const row of rows) (inside.has(text(row, 'confrelid')) ? kept : outside).push(row)
  return { kept: kept.map(foreignKeyOf), omitted: outside.map(foreignKeyOmission) }
}

function foreignKeyOf(row: TextRow): PgForeignKey {
  return {
    name: text(row, 'conname'),
    table: text(row, 'conrelid'),
    columns: texts(row, 'columns'),
    references: text(row, 'confrelid'),
    referencedColumns: texts(row, 'referenced'),
    onUpdate: ACTIONS[text(row, 'confupdtype')] ?? 'NO ACTION',
    onDelete: ACTIONS[text(row, 'confdeltype')] ?? 'NO ACTION',
    setColumns: texts(row, 'set_columns'),
    full: row['confmatchtype'] === 'f',
    deferrable: yes(row, 'condeferrable'),
    deferred: yes(row, 'condeferred'),
    validated: yes(row, 'convalidated'),
    enforced: yes(row, 'enforced'),
    period: yes(row, 'period'),
  }
}

function foreignKeyOmission(row: TextRow): PgOmission {
  return {
    schema: text(row, 'schema'),
    name: text(row, 'name'),
    what: 'foreign key',
    detail: `${text(row, 'conname')}, since ${text(row, 'other_schema')}.${text(row, 'other_name')} is not mirrored`,
  }
}

const LEFT_BEHIND = `
select n.nspname as schema, c.relname as name, 'check constraint' as what,
  string_agg(k.conname, ', ' order by k.conname) as detail
from pg_constraint k join pg_class c on c.oid = k.conrelid
join pg_namespace n on n.oid = c.relnamespace
where k.contype in ('c', 'x') and k.conrelid = any($1::oid[]) and k.conparentid = 0
group by 1, 2
union all
select n.nspname, c.relname, 'inheritance', 'each table stands for itself at the target'
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = any($1::oid[]) and c.relkind = 'r'
  and exists (select from pg_inherits i where i.inhparent = c.oid)
order by 1, 2, 3`

/** What mirrored tables have at the source and will not have at the target. */
export async function readLeftBehind(
  session: Session,
  ids: readonly string[],
): Promise<PgOmission[]> {
  const rows = await session.query(LEFT_BEHIND, [oidArray(ids)])
  return rows.map((row) => ({
    schema: text(row, 'schema'),
    name: text(row, 'name'),
    what: row['what'] === 'inheritance' ? 'inheritance' : 'check constraint',
    detail: text(row, 'detail'),
  }))
}
