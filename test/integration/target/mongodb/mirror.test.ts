import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Binary, Decimal128, type Document, Double, Int32, Long, UUID } from 'mongodb'
import { mirror } from '../../../../testkit/mirror.ts'
import { database, type MongoDatabase, mongoDatabase } from '../../../../testkit/servers/index.ts'

const ddl = `
create type mood as enum ('sad', 'o''k');
create table kinds (
  id bigint primary key, small smallint, flag boolean, exact numeric(34,4), free numeric,
  single real, double double precision, words text, raw bytea, ident uuid, doc json, docb jsonb,
  day date, clock time, fine timestamp, coarse timestamp(3), zoned timestamptz(3), span interval,
  bits bit(3), list text[], mood mood, net inet
);
create table pairs (b text, a int, v text, primary key (a, b));
create table numbers (n numeric primary key, v text);
create table floats (f double precision primary key);
create table bare (a int, b text, raw bytea);
alter table bare replica identity full;
create table names (id bytea primary key, "__proto__" text, "_bsontype" text, "constructor" text,
  "toBSON" text, "é $x" text);
create table empty (id int primary key);`

const row = `
  values (9007199254740993, -32768, true, 123456789012345678901234567890.1200, 1.10, 'NaN', '-0',
    E'é\\n\\U0001F600', '\\x00ff', '9c5b94b1-35ad-49bb-b118-8e8fc24abf80', '{"b": 1.0,  "a":1}',
    '{"b": 1.0, "a": 1e30}', 'infinity', '24:00:00', '2024-02-29 12:00:00.000001',
    '2024-02-29 12:34:56.78', '0044-03-15 00:00:00+00 BC', '1 mon -1 days 00:00:01.5', B'101',
    '[0:1]={a,NULL}', 'o''k', '::1/64')`

const copied = `
insert into kinds ${row};
insert into kinds (id) values (1);
insert into pairs values ('x', 1, 'one'), ('1', 2, null), ('2', 1, 'both');
insert into numbers values (1.0, 'a'), (0.10, 'b');
insert into floats values ('-Infinity'), (0.1);
insert into bare select i % 3, null, '\\x00' from generate_series(1, 10) i;
insert into names values ('\\xff00', 'a', 'b', 'c', 'd', 'e');`

const streamed = `
update kinds set id = 2, small = 5 where id = 1;
insert into kinds select (k.r).* from (select r from kinds r where small < 0) k
  on conflict (id) do update set words = 'again';
update kinds set id = -9223372036854775808, double = 5e-324, single = 1e-45 where small < 0;
update pairs set b = 'y' where b = 'x';
delete from pairs where b = '1';
update numbers set n = 1.00 where n = 1;
update floats set f = 0 where f = 0.1; update floats set f = '-0' where f = 0;
delete from bare where ctid = (select ctid from bare where a = 1 limit 1);
update bare set b = 'x' where a = 2;
update names set "__proto__" = null, "_bsontype" = 'Int32', "toBSON" = 'f';`

const raw = { promoteValues: false, promoteLongs: false, promoteBuffers: false }

async function only(to: MongoDatabase, name: string): Promise<Document> {
  const [one, more] = await to.db.collection(name).find({}, raw).sort({ _id: 1 }).toArray()
  assert.ok(one !== undefined && more !== undefined)
  return one
}

test('G6 G7 G8 G9 rows of every kind, copied and streamed, are documents that read back equal', async (t) => {
  const from = await database(t, 18)
  const to = await mongoDatabase(t)
  await from.query(ddl)
  await from.query(copied)
  const run = mirror(t, { source: from.url, target: to.url })
  await run.catchUp()
  assert.deepEqual(await run.differences(), [])
  await from.query(streamed)
  await run.catchUp()
  assert.deepEqual(await run.differences(), [])
  const { _id, _holdfast, ...fields } = await only(to, 'kinds')
  assert.deepEqual(_id, Long.fromString('-9223372036854775808'))
  assert.match(String(_holdfast.at), /^[0-9a-f]{16}\.[0-9a-f]{8}$/)
  assert.deepEqual(fields, {
    id: Long.fromString('-9223372036854775808'),
    small: new Int32(-32768),
    flag: true,
    exact: Decimal128.fromString('123456789012345678901234567890.1200'),
    free: '1.10',
    single: new Double(2 ** -149),
    double: new Double(5e-324),
    words: 'again',
    raw: new Binary(Buffer.from([0, 255])),
    ident: new UUID('9c5b94b1-35ad-49bb-b118-8e8fc24abf80'),
    doc: '{"b": 1.0,  "a":1}',
    docb: '{"a": 1000000000000000000000000000000, "b": 1.0}',
    day: 'infinity',
    clock: '24:00:00',
    fine: '2024-02-29 12:00:00.000001',
    coarse: new Date('2024-02-29T12:34:56.780Z'),
    zoned: new Date('-000043-03-15T00:00:00.000Z'),
    span: '1 mon -1 days +00:00:01.5',
    bits: '101',
    list: '[0:1]={a,NULL}',
    mood: "o'k",
    net: '::1/64',
  })
  assert.deepEqual(Object.keys(await only(to, 'pairs')), ['_id', '_holdfast', 'b', 'a', 'v'])
  const ids = await to.db.collection('pairs').distinct('_id')
  assert.deepEqual(ids, [
    { a: 1, b: '2' },
    { a: 1, b: 'y' },
  ])
  const [named] = await to.db.collection('names').find().toArray()
  assert.deepEqual(Object.keys(named ?? {}).slice(2), [
    ...['id', '__proto__', '_bsontype', 'constructor', 'toBSON', 'é $x'],
  ])
  assert.equal(await to.db.collection('empty').countDocuments(), 0)
})

test('what somebody changed at the target is found, each by its key', async (t) => {
  const from = await database(t, 18)
  const to = await mongoDatabase(t)
  await from.query(ddl)
  await from.query(copied)
  const run = mirror(t, { source: from.url, target: to.url })
  await run.catchUp()
  const { db } = to
  await db.collection<Document>('kinds').updateOne({ small: -32768 }, { $set: { flag: 1 } })
  await db.collection<Document>('kinds').updateOne({ _id: 1 as never }, { $set: { double: 1.5 } })
  await db.collection<Document>('pairs').deleteOne({ b: 'x' })
  await db.collection<Document>('numbers').insertOne({ _id: '7' as never, n: '7', v: null })
  await db.collection<Document>('bare').updateOne({ a: 1 }, { $inc: { '_holdfast.count': -1 } })
  const found = await run.differences()
  assert.deepEqual(
    found.map((text) => {
      const { table, missing, extra, changed } = JSON.parse(text.slice(text.indexOf('{')))
      return { table, missing, extra, changed }
    }),
    [
      { table: 'public.bare', missing: 1, extra: 0, changed: 0 },
      { table: 'public.kinds', missing: 0, extra: 0, changed: 2 },
      { table: 'public.numbers', missing: 0, extra: 1, changed: 0 },
      { table: 'public.pairs', missing: 1, extra: 0, changed: 0 },
    ],
  )
})

for (const shape of ['mirror', 'history'] as const) {
  test(`a transaction that waited on disk, and one that empties a table, ${shape}`, async (t) => {
    const from = await database(t, 18)
    const to = await mongoDatabase(t)
    await from.query('create table t (id int primary key, v text, n int)')
    const limits = { memoryBytes: 1 << 20, batchBytes: 1 << 20 }
    const settings = { source: from.url, target: to.url, name: from.name, limits, shape }
    const run = mirror(t, settings)
    await run.catchUp()
    await from.query(`begin;
      insert into t select i, repeat(md5(i::text), 40), 0 from generate_series(1, 3000) i;
      update t set n = 1 where id % 3 = 0; delete from t where id % 5 = 0; commit`)
    await run.catchUp()
    assert.deepEqual(await run.differences(), [])
    await from.query(`begin; insert into t values (0, 'a', 0); truncate t;
      insert into t values (1, 'b', 0); commit`)
    await run.catchUp()
    assert.deepEqual(await run.differences(), [])
    if (shape === 'mirror') assert.equal(await to.db.collection('t').countDocuments(), 1)
  })
}
