import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { TestDatabase } from './servers/index.ts'

type Queryable = Pick<TestDatabase, 'query'>

interface TypeFacts {
  readonly sql: string
  readonly kind: string
  /** Quoted and qualified; empty where the type has no binary form, or one of its server's OIDs. */
  readonly send: string
  /** What the send function takes, when that is another type: `::text` or nothing. */
  readonly cast: string
  readonly base: string
  readonly element: string
  /** Names and types of a composite's fields. */
  readonly fields: readonly (readonly [name: string, type: string])[]
}

const settings = `set datestyle = 'iso'; set intervalstyle = 'postgres'; set timezone = 'UTC';
set extra_float_digits = 3; set bytea_output = 'hex'; set lc_monetary = 'C'; set search_path = ''; `

const typeFacts = `select t.oid, pg_catalog.format_type(t.oid, null) as sql, t.typtype as kind, t.typbasetype as base,
  case when t.typsend <> 0 and coalesce(sub.rngsubtype, t.oid)::regtype::text !~ '^reg' then format('%I.%I', s.nspname, p.proname) else '' end as send,
  case when t.typtype = 'b' and p.proargtypes[0] not in (t.oid, 2277)
    then '::' || p.proargtypes[0]::regtype else '' end as cast,
  case when t.typcategory = 'A' and t.typlen = -1 and t.oid not in (22, 30) then t.typelem else 0 end as element,
  (select json_agg(json_build_array(a.attname, a.atttypid::text) order by a.attnum)
   from pg_catalog.pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0
     and not a.attisdropped) as fields
from pg_catalog.pg_type t left join pg_catalog.pg_proc p on p.oid = t.typsend
left join pg_catalog.pg_namespace s on s.oid = p.pronamespace
left join pg_catalog.pg_range sub on t.oid in (sub.rngtypid, sub.rngmultitypid)`

const columns = `select a.attrelid::regclass as name, c.relname,
  json_agg(json_build_array(quote_ident(a.attname), a.atttypid::text) order by a.attname) as columns
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema', '_holdfast')
group by 1, 2 order by 1`

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/**
 * SQL for what the send functions give of a value. The binary forms of arrays and composites hold
 * the OIDs of their parts, which each server hands out by itself; so these are taken apart.
 */
function sent(value: string, oid: string, types: ReadonlyMap<string, TypeFacts>): string {
  const type = types.get(oid)
  if (type === undefined) throw new Error(`no type ${oid}`)
  if (type.kind === 'd') {
    const base = types.get(type.base)?.sql ?? ''
    return sent(`(${value})::${base}`, type.base, types)
  }
  if (type.element !== '0') {
    const one = sent('u.e', type.element, types)
    return (
      `(case when ${value} is null then null else concat(pg_catalog.array_dims(${value}), '=', ` +
      `(select pg_catalog.string_agg(coalesce(${one}, 'null'), ',') ` +
      `from (select pg_catalog.unnest(${value}) as e) u)) end)`
    )
  }
  if (type.kind === 'c') {
    const parts = type.fields.map(([name, part]) => sent(`(${value}).${quoted(name)}`, part, types))
    const all = parts.map((part) => `coalesce(${part}, 'null')`).join(`, ',', `)
    return `(case when (${value})::text is null then null else concat('(', ${all}, ')') end)`
  }
  return type.send === ''
    ? 'null'
    : `pg_catalog.encode(${type.send}((${value})${type.cast}), 'hex')`
}

/** The same for databases of any encoding. */
function md5(text: string): string {
  return `pg_catalog.md5(pg_catalog.convert_to(${text}, 'UTF8'))`
}

/** A long text by its hash and length, so that a difference can be read. */
function short(text: string): string {
  return (
    `(select case when pg_catalog.length(s) > 200 then concat(${md5('s')}, ' of ', ` +
    `pg_catalog.length(s)) else s end from (select ${text} as s offset 0) z)`
  )
}

/** A column as quoted name and type's OID. */
type ColumnList = readonly (readonly [name: string, oid: string])[]

/** How the rows of a table are asked for, and told. */
interface Telling {
  readonly select: (columns: ColumnList, types: ReadonlyMap<string, TypeFacts>) => string
  readonly line: (row: Readonly<Record<string, string | null>>, columns: ColumnList) => string
}

const readable: Telling = {
  select: (columns, types) =>
    columns
      .flatMap(([name, oid], i) => [
        `${short(`r.${name}::text`)} as t${i}`,
        `${short(sent(`r.${name}`, oid, types))} as s${i}`,
      ])
      .join(', '),
  line: (row, columns) =>
    columns.map(([name], i) => `${name}: ${row[`t${i}`]} [${row[`s${i}`]}]`).join('\n'),
}

/** The same in one hash for each row, at a fraction of the cost. */
const hashed: Telling = {
  select(columns, types) {
    const cells = columns.flatMap(([name, oid]) => [
      `r.${name}::text`,
      sent(`r.${name}`, oid, types),
    ])
    return `${md5(`row(${cells.join(', ')})::text`)} as hash`
  },
  line: (row) => String(row['hash']),
}

type Contents = ReadonlyMap<string, readonly string[]>

/**
 * Every row of every table: of each column the text and what its send function gives. Shares no
 * code with the product.
 */
async function exactContents(db: Queryable, how = readable): Promise<Contents> {
  try {
    return await read(db, how)
  } finally {
    await db.query('reset all')
  }
}

async function read(db: Queryable, how: Telling): Promise<Contents> {
  const facts = await db.query(`${settings}${typeFacts}`)
  const types = new Map(
    facts.map((row): [string, TypeFacts] => [
      String(row['oid']),
      {
        sql: String(row['sql']),
        kind: String(row['kind']),
        send: String(row['send']),
        cast: row['cast'] ?? '',
        base: String(row['base']),
        element: String(row['element']),
        fields: JSON.parse(row['fields'] ?? '[]'),
      },
    ]),
  )
  const found = new Map<string, readonly string[]>()
  for (const table of await db.query(`${settings}${columns}`)) {
    const list: ColumnList = JSON.parse(table['columns'] ?? '[]')
    const rows = await db.query(`select ${how.select(list, types)} from only ${table['name']} r`)
    found.set(String(table['name']), rows.map((row) => how.line(row, list)).sort())
  }
  return found
}

function same(wanted: Contents, got: Contents): boolean {
  return isDeepStrictEqual([...wanted].sort(), [...got].sort())
}

/** What `assertExact` compares first; for several targets of one source. */
export async function exactHashes(db: Queryable): Promise<Contents> {
  return await exactContents(db, hashed)
}

/**
 * Both databases hold the same tables with the same rows, as text and as binary. `hashes` are those
 * of the source, `found` those of the target; the `only` tables are compared.
 */
export async function assertExact(
  source: Queryable,
  target: Queryable,
  options: {
    readonly hashes?: Contents
    readonly found?: Contents
    readonly only?: (table: string) => boolean
  } = {},
): Promise<void> {
  const { only = () => true } = options
  const chosen = (all: Contents): Contents => new Map([...all].filter(([name]) => only(name)))
  const [ours, theirs] = await Promise.all([
    options.hashes ?? exactHashes(source),
    options.found ?? exactHashes(target),
  ])
  if (chosen(ours).size > 0 && same(chosen(ours), chosen(theirs))) return
  const all = await Promise.all([exactContents(source), exactContents(target)])
  const [wanted, got] = [chosen(all[0]), chosen(all[1])]
  assert.ok(wanted.size > 0, 'the source holds no table')
  assert.deepEqual([...got.keys()].sort(), [...wanted.keys()].sort())
  for (const [name, rows] of wanted) assert.deepEqual(got.get(name), rows, name)
  assert.fail('the rows differ by their hashes alone')
}
