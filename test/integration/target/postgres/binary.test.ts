import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { connect, type Session } from '../../../../src/dialect/postgres/connect.ts'
import { readsInBinary, typeIndex } from '../../../../src/dialect/postgres/types.ts'
import { inspectSource } from '../../../../src/source/postgres/schema/inspect.ts'
import { createSchema, nativeSchema } from '../../../../src/target/postgres/schema/ddl.ts'
import { database, type TestDatabase } from '../../../../testkit/servers/index.ts'

const types = `
create type mood as enum ('sad', 'ok', 'glad');
create domain word as text;
create domain moods as mood[];
create type inner_pair as (a integer, b mood, c text);
create type pair as (p inner_pair, m mood[], n numeric, q inner_pair[]);
create type span as range (subtype = mood, multirange_type_name = spans);
create type plain as (a integer, b text);
create table things (id integer primary key, a mood[], b pair, c pair[], d moods, e span, f spans,
  g spans[], h word[], i plain, j plain[], k integer[], l inner_pair[], m int4multirange)`

const values = [
  `1, '{sad,ok,NULL}',
   row(row(1, 'ok', 'x y')::inner_pair, '{glad}', 1.50, array[row(2, null, null)::inner_pair]),
   array[row(row(1, 'ok', 'x')::inner_pair, '{}', null, null)::pair, null],
   '{{ok,sad},{glad,ok}}', '[sad,glad)', '{[sad,ok),[glad,)}', array['{(,ok]}'::spans],
   '{a,b}', '(1,x)', array['(1,x)'::plain], '{1,2}', '[-2:-1]={"(1,ok,)","(2,sad,z)"}', '{[1,3)}'`,
  `2, '{}', null, '{}', null, 'empty', '{}', '{}', null, null, null, null, null, null`,
]

// The OIDs of user-defined types inside arrays and composites are those of the source; a server
// takes its own instead. The encodings rely on it.

async function open(t: TestContext, db: TestDatabase, side: 'source' | 'target'): Promise<Session> {
  const endpoint = parseUrl(db.url, 'test')
  const session = await connect(endpoint, { side, mirror: 'test', purpose: 'test' })
  t.after(() => session[Symbol.asyncDispose]())
  return session
}

async function prepare(t: TestContext, majors: readonly [14 | 18, 14 | 18]) {
  const [source, target] = [await database(t, majors[0]), await database(t, majors[1])]
  // OIDs at the two ends must differ for the test to say anything.
  await target.query(`create type other as enum ('x'); create type another as (a other)`)
  await source.query(types)
  for (const row of values) await source.query(`insert into things values (${row})`)
  const [from, to] = [await open(t, source, 'source'), await open(t, target, 'target')]
  const selection = { include: [], exclude: [], keyless: 'refuse' } as const
  const blueprint = await inspectSource(from, selection)
  const tables = blueprint.tables.map((table) => ({ table, target: table, mode: 'exact' as const }))
  await createSchema(to, { blueprint, tables, onExisting: 'refuse' })
  const [planned] = tables
  assert.ok(planned !== undefined)
  const schema = nativeSchema(blueprint)
  assert.ok(schema !== null)
  return { source, target, table: planned.table, schema }
}

/** The cells of each row in binary form. */
async function rowsOf(db: TestDatabase, columns: readonly string[]): Promise<(Buffer | null)[][]> {
  const list = columns.map((column) => `"${column}"`).join(', ')
  // The binary form of a row is its cells, each behind an OID and its length.
  const rows = await db.query(
    `select encode(record_send(x), 'hex') as bytes from (select ${list} from things order by id) x`,
  )
  return rows.map((row) => {
    const bytes = Buffer.from(row['bytes'] ?? '', 'hex')
    const cells: (Buffer | null)[] = []
    for (let at = 4; at < bytes.length; ) {
      const length = bytes.readInt32BE(at + 4)
      cells.push(length < 0 ? null : bytes.subarray(at + 8, at + 8 + length))
      at += 8 + Math.max(0, length)
    }
    return cells
  })
}

for (const majors of [
  [14, 14],
  [18, 18],
  [14, 18],
] as const) {
  test(`values of user-defined types are read by the target, ${majors.join(' to ')}`, async (t) => {
    const { source, target, table, schema } = await prepare(t, majors)
    const types = typeIndex(schema.types)
    const columns = schema.tables.flatMap((one) => one.columns)
    assert.ok(columns.every((column) => readsInBinary(column.type.oid, types)))
    const names = table.columns.map(({ name }) => name)
    for (const row of await rowsOf(source, names)) await insertBinary(target, names, row)
    const oids = `select 'mood'::regtype::oid, 'pair'::regtype::oid as pair`
    assert.notDeepEqual(await target.query(oids), await source.query(oids))
    const all = 'select t::text from things t order by id'
    assert.deepEqual(await target.query(all), await source.query(all))
  })
}

/** A parameter that is a Buffer travels in binary form. */
async function insertBinary(
  db: TestDatabase,
  names: readonly string[],
  cells: readonly (Buffer | null)[],
): Promise<void> {
  const list = names.map((name) => `"${name}"`).join(', ')
  const values = names.map((_, index) => `$${index + 1}`).join(', ')
  await db.query(`insert into things (${list}) values (${values})`, cells)
}
