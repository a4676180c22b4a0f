import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { connect } from '../../../../src/dialect/postgres/connect.ts'
import type { PgSchema } from '../../../../src/dialect/postgres/schema.ts'
import { type Table, tableName } from '../../../../src/model/table.ts'
import { readSource } from '../../../../src/source/postgres/schema/inspect.ts'
import type { Selection } from '../../../../src/source/source.ts'
import { database, type TestDatabase } from '../../../../testkit/servers/index.ts'
import { richSchema } from '../../target/postgres/rich.ts'

async function inspect(
  db: TestDatabase,
  selection: Partial<Selection> = {},
): Promise<{ readonly tables: readonly Table[]; readonly schema: PgSchema }> {
  const endpoint = parseUrl(db.url, 'the test')
  await using session = await connect(endpoint, { side: 'source', mirror: 'm', purpose: 'test' })
  const whole = { include: [], exclude: [], keyless: 'append', ...selection } as const
  return await readSource(session, whole)
}

async function rich(t: TestContext, major: 14 | 18): Promise<TestDatabase> {
  const db = await database(t, major)
  await db.query(richSchema)
  return db
}

/** The columns that identify rows, by name. */
function identityOf(table: Table | undefined): unknown {
  if (table?.identity.by !== 'key') return table?.identity.by
  return table.identity.columns.map((index) => table.columns[index]?.name)
}

for (const major of [14, 18] as const) {
  test(`rows are identified as the log identifies them, ${major}`, async (t) => {
    const { tables } = await inspect(await rich(t, major))
    const of = (name: string) => identityOf(tables.find((table) => table.name === name))
    assert.deepEqual(of('customers'), ['id'])
    assert.deepEqual(of('items'), ['order_id', 'number'])
    assert.deepEqual(of('by_index'), ['b'])
    assert.deepEqual(of('full_rows'), 'row')
    assert.deepEqual(of('full_with_key'), ['a'])
    assert.deepEqual(of('events_eu_old'), ['region', 'at', 'id'])
    assert.deepEqual(of('by_expression_1'), 'row')
  })

  test(`tables are those that hold rows, with the columns that travel, ${major}`, async (t) => {
    const { tables, schema } = await inspect(await rich(t, major))
    const names = tables.map(tableName)
    for (const root of [
      'shop.events',
      'shop.events_eu',
      'shop.hashed',
      'shop.seen',
      'shop.scratch',
    ])
      assert.ok(!names.includes(root), root)
    assert.ok(schema.tables.some(({ name }) => name === 'events'))
    const customers = tables.find(({ name }) => name === 'customers')
    assert.ok(!customers?.columns.some(({ name }) => name === 'whole'))
    assert.ok(customers?.columns.some(({ name }) => name === 'alone'))
    assert.equal(customers?.columns.find(({ name }) => name === 'mood')?.type.kind, 'enum')
    assert.deepEqual(JSON.parse(JSON.stringify(schema)), schema)
  })

  test(`what reads alike has the same version, ${major}`, async (t) => {
    const db = await database(t, major)
    const version = async (sql: string): Promise<string | undefined> => {
      await db.query(`drop table if exists a cascade; ${sql}`)
      return (await inspect(db)).tables[0]?.version
    }
    const first = await version('create table a (id integer primary key, b text)')
    const same = [
      'create table a (id integer primary key, b text not null default 1, c integer generated always as (id + 1) stored)',
      'create table a (id integer primary key, gone integer, b text); alter table a drop gone',
    ]
    const other = [
      'create table a (id integer primary key, b varchar)',
      'create table a (id integer primary key, c text)',
      'create table a (b text, id integer primary key)',
      'create table a (id integer, b text primary key)',
      'create table a (id integer primary key, b text, c text)',
    ]
    for (const sql of same) assert.equal(await version(sql), first, sql)
    for (const sql of other) assert.notEqual(await version(sql), first, sql)
  })

  test(`a partition alone is a table, one left out is none, ${major}`, async (t) => {
    const db = await rich(t, major)
    const alone = await inspect(db, { include: ['shop.events_eu_new'] })
    assert.deepEqual(
      alone.schema.tables.map(({ name, parent }) => [name, parent]),
      [['events_eu_new', null]],
    )
    const branch = await inspect(db, { include: ['shop.events_eu'] })
    assert.deepEqual(
      branch.tables.map(({ name }) => name),
      ['events_eu_new', 'events_eu_old'],
    )
    const without = await inspect(db, { include: ['shop.events'], exclude: ['shop.events_eu*'] })
    assert.deepEqual(
      without.tables.map(({ name }) => name),
      ['events_rest'],
    )
  })

  test(`keyless tables are left out when that is chosen, ${major}`, async (t) => {
    const db = await database(t, major)
    await db.query('create table a (id integer primary key); create table b (id integer)')
    const names = async (keyless: Selection['keyless']): Promise<string[]> =>
      (await inspect(db, { keyless })).tables.map(({ name }) => name)
    assert.deepEqual(await names('exclude'), ['a'])
    assert.deepEqual(await names('append'), ['a', 'b'])
    const { schema } = await inspect(db, { keyless: 'exclude' })
    assert.deepEqual(
      schema.omitted.map(({ name, what }) => [name, what]),
      [['b', 'keyless table']],
    )
  })

  test(`foreign keys to what is not mirrored are left behind by name, ${major}`, async (t) => {
    const db = await rich(t, major)
    const { schema } = await inspect(db, { include: ['shop.orders', 'shop.items'] })
    assert.deepEqual(
      schema.foreignKeys.map(({ name }) => name),
      ['items_order_id_fkey', 'lead'],
    )
    const left = schema.omitted.filter(({ what }) => what === 'foreign key')
    assert.match(left[0]?.detail ?? '', /orders_customer_fkey, since shop\.customers/)
    assert.deepEqual(
      schema.sequences.map(({ name }) => name),
      ['tickets'],
    )
  })

  test(`nothing that is evaluated is carried, ${major}`, async (t) => {
    const db = await database(t, major)
    await db.query(`create function f() returns integer volatile language sql as 'select 1';
      create domain d as integer default f();
      create table a (id integer primary key default f(), b timestamptz default now(),
        c text default ('a' || 'b'), e d, g uuid default gen_random_uuid(), h text default 'x')`)
    const { schema } = await inspect(db)
    const defaults = schema.tables[0]?.columns.map((column) => column.default)
    assert.deepEqual(defaults, [null, null, null, null, null, "CAST('x' AS text)"])
    const domain = schema.types.find(({ name }) => name === 'd')
    assert.equal(domain?.kind === 'domain' ? domain.default : 'x', null)
  })
}

test('a key without overlaps is carried and is no identity', async (t) => {
  const db = await database(t, 18)
  await db.query(`create extension btree_gist;
    create table spans (id integer, at daterange, primary key (id, at without overlaps));
    create table stays (id integer primary key, span integer, at daterange,
      foreign key (span, period at) references spans (id, period at))`)
  const { tables, schema } = await inspect(db)
  assert.equal(identityOf(tables.find(({ name }) => name === 'spans')), 'none')
  const [key] = schema.tables.find(({ name }) => name === 'spans')?.indexes ?? []
  assert.equal(key?.sql, 'PRIMARY KEY (id, at WITHOUT OVERLAPS)')
  assert.equal(schema.foreignKeys[0]?.period, true)
  assert.deepEqual(schema.extensions, [{ name: 'btree_gist', schema: 'public' }])
})
