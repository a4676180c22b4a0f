import { openSession, type TestSession } from '../servers/index.ts'
import { columnsOf, rowSql } from './reader.ts'
import { pinned } from './truth.ts'

const schemaSql = `
select 'column' as what, format('%I.%I.%I', n.nspname, c.relname, a.attname) as name,
  format('%s %s %s %s', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
    a.attgenerated) as is
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'oracle' and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
union all
select 'constraint', format('%I.%I', n.nspname, c.relname), pg_get_constraintdef(k.oid)
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'oracle' and k.contype in ('p', 'u', 'f')
union all
select 'partition', format('%I.%I', n.nspname, c.relname),
  concat_ws(' ', pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'oracle' and c.relkind in ('r', 'p') and (c.relkind = 'p' or c.relispartition)`

/** Send functions of columns whose bytes hold no number that only one server knows. */
const sendSql = `
select format('%I.%I', n.nspname, c.relname) as name,
  json_agg(format('encode(%s(t.%I), ''hex'')', t.typsend::regproc, a.attname)
    order by quote_ident(a.attname) collate "C") as calls
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = a.atttypid
where n.nspname = 'oracle' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
  and t.oid < 16384
group by 1`

/** Of every row of a table: its text, and the bytes that its types send, as one digest each. */
async function rowsOf(session: TestSession): Promise<ReadonlyMap<string, readonly string[]>> {
  const sends = new Map(
    (await session.query(sendSql)).map(({ name, calls }) => [name, JSON.parse(calls ?? '[]')]),
  )
  const tables = new Map<string, readonly string[]>()
  for (const [name, columns] of await columnsOf(session)) {
    const sent: string[] = sends.get(name) ?? []
    const rows = await session.query(
      `select ${rowSql(columns)} as text, md5(concat_ws(',', ${sent.map((call) => `coalesce(${call}, '-')`).join(', ')})) as sent
       from only ${name} t`,
    )
    tables.set(name, rows.map(({ text, sent: bytes }) => `${bytes} ${text}`).toSorted())
  }
  return tables
}

/**
 * Every row of every column of every table, as text and as the bytes of its types' send functions,
 * and the schema. Returns sentences about what is not equal.
 */
export async function differences(source: string, target: string): Promise<readonly string[]> {
  await using from = await openSession(source)
  await using to = await openSession(target)
  for (const session of [from, to]) await session.query(pinned)
  const found: string[] = []
  const [wanted, got] = [await rowsOf(from), await rowsOf(to)]
  for (const [table, rows] of wanted) found.push(...tableDifferences(table, rows, got.get(table)))
  const [shape, made] = await Promise.all(
    [from, to].map(async (session) =>
      (await session.query(schemaSql)).map(({ what, name, is }) => `${what} ${name}: ${is}`),
    ),
  )
  const there = new Set(made)
  for (const line of shape ?? []) if (!there.has(line)) found.push(`not at the target: ${line}`)
  return found
}

function tableDifferences(
  table: string,
  wanted: readonly string[],
  got: readonly string[] | undefined,
): readonly string[] {
  if (got === undefined) return [`${table} is not at the target`]
  const left = new Map<string, number>()
  for (const row of wanted) left.set(row, (left.get(row) ?? 0) + 1)
  for (const row of got) left.set(row, (left.get(row) ?? 0) - 1)
  const apart = [...left].filter(([, count]) => count !== 0)
  return apart
    .slice(0, 4)
    .map(([row, count]) => `${table} ${count > 0 ? 'lacks' : 'has besides'} ${row.slice(0, 400)}`)
}
