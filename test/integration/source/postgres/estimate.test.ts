import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Source } from '../../../../src/source/source.ts'
import { database, type TestDatabase } from '../../../../testkit/servers/index.ts'
import { openSession } from '../../../../testkit/servers/session.ts'
import { sourceOf } from './support.ts'

async function estimateOf(db: TestDatabase, source: Source, name: string): Promise<number | null> {
  const { tables } = await source.inspect()
  const table = tables.find((one) => one.name === name)
  assert.ok(table !== undefined)
  const [estimate] = await source.estimates([table])
  const [size] = await db.query(`select pg_table_size('${name}') as bytes`)
  assert.equal(String(estimate?.bytes), size?.bytes)
  return estimate?.rows ?? null
}

function near(rows: number | null, wanted: number): void {
  assert.ok(rows !== null && Math.abs(rows - wanted) < wanted / 4, `${rows} for ${wanted}`)
}

for (const major of [14, 18] as const) {
  test(`rows are estimated with statistics and without, ${major}`, async (t) => {
    const db = await database(t, major)
    await db.query(
      `create table fresh (id int primary key, a text, b numeric, c text)
         with (autovacuum_enabled = false);
       insert into fresh select g, 'x', g, repeat('y', g % 40) from generate_series(1, 60000) g;
       create table small (id int primary key) with (autovacuum_enabled = false);
       insert into small values (1), (2), (3);
       create table nothing (id int primary key);
       create table known (id int primary key, a text) with (autovacuum_enabled = false);
       insert into known select g, 'x' from generate_series(1, 1000) g;
       analyze known;
       insert into known select g, 'x' from generate_series(1001, 5000) g`,
    )
    const source = await sourceOf(t, db)
    near(await estimateOf(db, source, 'fresh'), 60_000)
    assert.equal(await estimateOf(db, source, 'small'), 3)
    assert.equal(await estimateOf(db, source, 'nothing'), 0)
    near(await estimateOf(db, source, 'known'), 5000)
  })
}

test('a table that may not be read has a size all the same', async (t) => {
  const db = await database(t, 18)
  const role = `reader_${db.name}`
  await db.query(`create role ${role} login; create table secret (id int primary key)
    with (autovacuum_enabled = false); insert into secret values (1)`)
  t.after(async () => {
    await using admin = await openSession(db.server.url())
    await admin.query(`drop role ${role}`)
  })
  const url = new URL(db.url)
  url.username = role
  const source = await sourceOf(t, { url: url.href })
  assert.equal(await estimateOf(db, source, 'secret'), null)
})
