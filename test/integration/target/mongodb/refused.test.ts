import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Document } from 'mongodb'
import { Fault, type FaultCode } from '../../../../src/model/fault.ts'
import { mirror } from '../../../../testkit/mirror.ts'
import { database, mongoDatabase } from '../../../../testkit/servers/index.ts'

async function refused(work: Promise<unknown>, code: FaultCode, what: RegExp): Promise<void> {
  const fault = await work.then(
    () => assert.fail('it was not refused'),
    (error: unknown) => error,
  )
  assert.ok(fault instanceof Fault, String(fault))
  assert.equal(fault.code, code, fault.message)
  assert.match(fault.message, what)
}

test('G5 names that no field or collection can have are refused before anything is made', async (t) => {
  for (const [ddl, what] of [
    ['create table t ("a.b" text, id int primary key)', /"a\.b" of public\.t/],
    ['create table t ("$a" text, id int primary key)', /"\$a" of public\.t/],
    ['create table t (_id int primary key)', /"_id" of public\.t/],
    ['create table t (id int primary key, _holdfast text)', /"_holdfast" of public\.t/],
    ['create table "a$b" (id int primary key)', /public\.a\$b cannot be a collection/],
    ['create table "system.a" (id int primary key)', /public\.system\.a cannot be a collection/],
    [
      `create schema "a.b"; create schema a; create table "a.b".c (id int primary key);
       create table a."b.c" (id int primary key)`,
      /would be one collection, a\.b\.c/,
    ],
  ] as const) {
    const from = await database(t, 18)
    const to = await mongoDatabase(t)
    await from.query(ddl)
    const run = mirror(t, { source: from.url, target: to.url, name: from.name })
    await refused(run.catchUp(), 'HF-T252', what)
    assert.deepEqual(await to.db.listCollections().toArray(), [])
  }
})

test('G5 a row near the largest document is carried, a larger one halts by name', async (t) => {
  const from = await database(t, 18)
  const to = await mongoDatabase(t)
  await from.query('create table t (id int primary key, v text)')
  const run = mirror(t, { source: from.url, target: to.url, name: from.name })
  await run.catchUp()
  await from.query(`insert into t values (1, repeat('x', 16 * 1024 * 1024 - 70000))`)
  await run.catchUp()
  assert.deepEqual(await run.differences(), [])
  await from.query(`insert into t values (2, 'before')`)
  await from.query(`insert into t values (3, repeat('x', 16 * 1024 * 1024))`)
  await refused(run.catchUp(), 'HF-T251', /a row of public\.t is larger/)
  assert.equal(await to.db.collection('t').countDocuments(), 2)
  await from.query('delete from t where id = 3')
  await refused(run.catchUp(), 'HF-T251', /public\.t/)
})

test('G8 a moment that a date cannot hold halts by name, with all before it applied', async (t) => {
  const from = await database(t, 18)
  const to = await mongoDatabase(t)
  await from.query('create table t (id int primary key, coarse timestamp(3), fine timestamp)')
  const run = mirror(t, { source: from.url, target: to.url, name: from.name })
  await run.catchUp()
  await from.query(`insert into t values (1, '2024-01-01', 'infinity')`)
  await from.query(`insert into t values (2, 'infinity', null)`)
  await refused(run.catchUp(), 'HF-T251', /column coarse of public\.t/)
  assert.equal(await to.db.collection('t').countDocuments(), 1)
})

test('G11 a document that a unique index of the target refuses halts, and goes on when it is gone', async (t) => {
  const from = await database(t, 18)
  const to = await mongoDatabase(t)
  await from.query(`create table t (id int primary key, v text); insert into t values (1, 'a')`)
  const run = mirror(t, { source: from.url, target: to.url, name: from.name })
  await run.catchUp()
  await to.db.collection('t').createIndex({ v: 1 }, { unique: true, name: 'theirs' })
  await from.query(`insert into t values (2, 'b'); insert into t values (3, 'a')`)
  await refused(run.catchUp(), 'HF-T205', /a row of public\.t: a unique index/)
  await to.db.collection('t').dropIndex('theirs')
  await run.catchUp()
  assert.deepEqual(await run.differences(), [])
})

test('documents that are there: refused, replaced, or kept beside the rows', async (t) => {
  const from = await database(t, 18)
  await from.query(`create table t (id int primary key, v text); insert into t values (1, 'a')`)
  await from.query(`create table bare (a int); alter table bare replica identity full;
    insert into bare values (1), (1)`)
  for (const onExisting of ['refuse', 'replace', 'merge'] as const) {
    const to = await mongoDatabase(t)
    const t1: Document[] = [
      { _id: 1, v: 'old', more: 1 },
      { _id: 9, id: 9, v: 'theirs' },
    ]
    await to.db.collection<Document>('t').insertMany(t1)
    const name = `${from.name}${onExisting.slice(0, 2)}`
    const run = mirror(t, { source: from.url, target: to.url, name, onExisting })
    if (onExisting === 'refuse') {
      await refused(run.catchUp(), 'HF-T222', /t at the target holds documents already/)
      continue
    }
    await run.catchUp()
    assert.deepEqual(await run.differences(), [])
    await from.query(`update t set v = v || 'b'; insert into bare values (1)`)
    await run.catchUp()
    assert.deepEqual(await run.differences(), [])
    const kept = await to.db.collection('t').countDocuments({ v: 'theirs' })
    assert.equal(kept, onExisting === 'merge' ? 1 : 0)
  }
})
