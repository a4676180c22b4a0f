import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { assertExact } from '../../../testkit/exact.ts'
import { type Form, mirror } from '../../../testkit/mirror.ts'
import { database, type Major, type TestDatabase } from '../../../testkit/servers/index.ts'
import { type Edges, edges, ownTypes } from './edges.ts'

// Every type that a column can have, and what can be made of it, on every way that a value goes:
// copied, inserted, updated, as a part of a key and as a row without a key; few rows and many.

/** Longer values do not fit into the keys of an index. */
const MOST_KEY = 80

function literal(value: string): string {
  const quoted = `'${value.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return value.includes('\\') ? `E${quoted}` : quoted
}

/** False when the server refuses the statement. */
export async function accepts(db: TestDatabase, sql: string): Promise<boolean> {
  return await db.query(sql).then(
    () => true,
    () => false,
  )
}

/** What a type can be a part of. */
interface Made {
  readonly edges: Edges
  readonly ranges: boolean
  /** Columns of the key beside the number; none when the type has no order. */
  readonly keys: readonly string[]
}

async function makeTables(db: TestDatabase, of: Edges): Promise<Made> {
  const { label: l, type } = of
  await db.query(`create domain dom_${l} as ${type};
    create type comp_${l} as (x ${type}, "y z" ${type}[], d dom_${l});
    create type whole_${l} as (c comp_${l}, cs comp_${l}[], n int)`)
  const ranges = await accepts(db, `create type range_${l} as range (subtype = ${type})`)
  const range = ranges ? `, r range_${l}, rs range_${l}[], m multirange_${l}` : ''
  const columns = `v ${type}, a ${type}[], d dom_${l}, ds dom_${l}[], c comp_${l}, cs comp_${l}[],
    o whole_${l}${range}`
  await db.query(`create table t_${l} (id int primary key, x int not null, ${columns});
    create table f_${l} (x int, v ${type}, a ${type}[], c comp_${l});
    alter table f_${l} replica identity full`)
  const keys = ['k', 'ka', 'kd', 'kc', ...(ranges ? ['kr'] : [])]
  const kinds = [type, `${type}[]`, `dom_${l}`, `comp_${l}`, `range_${l}`]
  await db.query(
    `create table k_${l} (n int, note text, ${keys.map((key, i) => `${key} ${kinds[i]}`)})`,
  )
  const sorted = await accepts(db, `create index sorted on k_${l} (k); drop index sorted`)
  if (!sorted) await db.query(`drop table k_${l}`)
  else await db.query(`alter table k_${l} add primary key (${[...keys, 'n'].join(', ')})`)
  return { edges: of, ranges, keys: sorted ? keys : [] }
}

function columnsOf(ranges: boolean): string {
  return `id, x, v, a, d, ds, c, cs, o${ranges ? ', r, rs, m' : ''}`
}

/** Rows with ids from `first` on, one for each value and one of nulls. */
async function fill(db: TestDatabase, { edges: of, ranges, keys }: Made, first: number) {
  const { label: l, type } = of
  const rows = of.values.map((value, i) => `(${first + i}, ${literal(value)}::${type})`)
  const range = `case id % 4 when 0 then range_${l}(v, null) when 1 then range_${l}(null, v, '(]')
    when 2 then 'empty' else range_${l}(v, v, '[]') end`
  const whole = `row(v, array[v, null], v)::comp_${l}`
  const array = `case id % 4 when 0 then '{}' when 1 then array[v, null, v]
    when 2 then array_fill(v, array[2], array[-1]) else array[array[v, v], array[null, v]] end`
  const more = ranges
    ? `, ${range}, array[${range}, null], multirange_${l}(${range}, range_${l}(v, v, '[]'))`
    : ''
  await db.query(`
    create temp table w as select * from (values ${rows.join(', ')}) as s (id, v);
    insert into t_${l} (${columnsOf(ranges)}) select id, id, v, ${array}, v, array[v, null]::dom_${l}[],
      ${whole}, array[${whole}, null, row(null, null, null)::comp_${l}],
      row(${whole}, array[${whole}], id)::whole_${l}${more} from w;
    insert into t_${l} (id, x) values (${first + 500}, 0);
    insert into f_${l} select id, v, ${array}, ${whole} from w;
    insert into f_${l} select id, v, ${array}, ${whole} from w where id % 2 = 0;
    insert into f_${l} (x) values (${first});`)
  if (keys.length > 0)
    await db.query(`insert into k_${l} select id, 'born', v, array[v, null], v, ${whole}
      ${ranges ? `, range_${l}(v, v, '[]')` : ''} from w where length(v::text) < ${MOST_KEY}`)
  await db.query('drop table w')
}

const MANY = 70

async function update(db: TestDatabase, { edges: { label: l, values }, ranges, keys }: Made) {
  const n = values.length
  const columns = ['v', 'a', 'd', 'ds', 'c', 'cs', 'o', ...(ranges ? ['r', 'rs', 'm'] : [])]
  const copy = columns.join(', ')
  await db.query(`
    update t_${l} t set (${copy}) = row(${columns.map((name) => `o.${name}`)}) from t_${l} o
      where t.id <= ${n} and o.id = t.id % ${n} + 1;
    update t_${l} set x = x + 1 where id between 1001 and 1500;
    update f_${l} set x = -x where x > 1000;
    insert into t_${l} (id, x, ${copy}) select id + g * 10000, 0, ${copy}
      from t_${l}, generate_series(1, ${MANY}) g where id = 1 or id = 2;
    insert into f_${l} select 0, v, a, c from f_${l} where x in (1, 2)`)
  if (keys.length > 0)
    await db.query(`
      update k_${l} set note = 'found' where n <= ${n};
      insert into k_${l} select n + g * 10000, note, ${keys}
        from k_${l}, generate_series(1, ${MANY}) g where n <= 2`)
}

async function updateMany(db: TestDatabase, { edges: { label: l }, keys }: Made) {
  await db.query(`
    update t_${l} set x = x + 1, v = (select v from t_${l} where id = 1) where id > 10000;
    delete from t_${l} where id between 1001 and 1002;
    delete from f_${l} where x = 0`)
  if (keys.length > 0)
    await db.query(`
      update k_${l} set note = 'found' where n > 10000;
      delete from k_${l} where n between 1001 and 1002`)
}

async function move(db: TestDatabase, { edges: { label: l, values }, keys }: Made) {
  const n = values.length
  await db.query(`delete from t_${l} where id > 10000; delete from f_${l} where x = 2`)
  if (keys.length > 0)
    await db.query(`
      update k_${l} t set (n, ${keys.join(', ')}) = row(t.n + 5000, ${keys.map((key) => `o.${key}`)})
        from k_${l} o where t.n <= ${n} and o.n = t.n % ${n} + 1;
      delete from k_${l} where n > 10000`)
}

/** Mirrors every type in one form and compares after each way. */
export async function everyWay(
  t: TestContext,
  pair: { readonly from: Major; readonly to: Major; readonly form: Form },
): Promise<void> {
  const source = await database(t, pair.from)
  const target = await database(t, pair.to)
  await source.query(ownTypes)
  const chosen = edges.filter(({ textOnly }) => pair.form !== 'pg-binary' || !textOnly)
  const made: Made[] = []
  for (const of of chosen) made.push(await makeTables(source, of))
  const running = mirror(t, { source: source.url, target: target.url, form: pair.form })
  const write = async (step: (one: Made) => Promise<void>): Promise<void> => {
    for (const one of made) await step(one)
  }
  await write((one) => fill(source, one, 1))
  await running.catchUp()
  await write((one) => fill(source, one, 1001))
  await running.catchUp()
  await assertExact(source, target)
  await write((one) => update(source, one))
  await running.catchUp()
  await write((one) => updateMany(source, one))
  // What the log holds is taken into account row by row, by keys of every type.
  assert.deepEqual(await running.differences(), [])
  await running.catchUp()
  await assertExact(source, target)
  await write((one) => move(source, one))
  await running.catchUp()
  await assertExact(source, target)
}
