import assert from 'node:assert/strict'
import type { TestDatabase } from './servers/index.ts'

/** Anything that runs SQL and gives rows of text. */
type Queryable = Pick<TestDatabase, 'query'>

const settings = `set datestyle = 'iso'; set intervalstyle = 'postgres'; set timezone = 'UTC';
set extra_float_digits = 3; set bytea_output = 'hex'; set work_mem = '64MB'; `

const tables = `select format('%I.%I', n.nspname, c.relname) as name,
  (select string_agg(format('%I', a.attname), ',' order by a.attname) from pg_attribute a
   where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema', '_holdfast')
order by 1`

/**
 * What every table holds, told without any of the product's own code: the number of rows and an
 * MD5 over the sorted MD5s of the rows' text, columns by name.
 */
export async function contents(db: Queryable): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const { name, columns } of await db.query(tables)) {
    const [row] = await db.query(
      `${settings} select count(*) as rows, md5(string_agg(digest, '' order by digest)) as digest
       from (select md5(row(${columns ?? ''})::text) as digest from ${name}) as each_row`,
    )
    found.set(String(name), `${row?.rows} rows, ${row?.digest}`)
  }
  return found
}

/** Both databases hold the same tables with the same rows. */
export async function assertSameContents(source: Queryable, target: Queryable): Promise<void> {
  const [wanted, got] = await Promise.all([contents(source), contents(target)])
  assert.ok(wanted.size > 0, 'the source holds no table')
  assert.deepEqual([...got], [...wanted])
}
