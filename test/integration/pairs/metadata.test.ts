import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Fault } from '../../../src/model/fault.ts'
import { mirror, type TestMirror } from '../../../testkit/mirror.ts'
import {
  database,
  mongoDatabase,
  mysqlDatabase,
  type TestDatabase,
} from '../../../testkit/servers/index.ts'

type Form = 'best' | 'pg-binary' | 'pg-text' | 'values'

function refusal(code: string, words: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof Fault)
    assert.equal(error.code, code)
    assert.match(error.message, words)
    return true
  }
}

/** What a server says of its log and of the time. */
async function moment(
  source: TestDatabase,
): Promise<{ readonly at: string; readonly lsn: string }> {
  const [row] = await source.query(
    `select clock_timestamp()::text as at, pg_current_wal_insert_lsn()::text as lsn`,
  )
  return { at: row?.at ?? '', lsn: row?.lsn ?? '' }
}

/** Rows in the order of `key`, each with what its metadata says between two moments. */
async function kinds(
  target: TestDatabase,
  table: string,
  between: readonly { readonly at: string; readonly lsn: string }[],
): Promise<readonly string[]> {
  const [from, to] = between
  const rows = await target.query(
    `select concat_ws(' ', id, v, _cdc_op, _cdc_captured_at >= $1 and _cdc_captured_at <= $2,
       _cdc_lsn::pg_lsn >= $3::pg_lsn and _cdc_lsn::pg_lsn <= $4::pg_lsn,
       _cdc_received >= $5) as said
     from ${table} order by id`,
    [from?.at, to?.at, from?.lsn, to?.lsn, from?.at].map((text) => text ?? null),
  )
  return rows.map(({ said }) => said ?? '')
}

async function pair(
  t: TestContext,
  how: { readonly form?: Form; readonly of?: 14 | 17 | 18; readonly to?: 14 | 17 | 18 },
): Promise<{ source: TestDatabase; target: TestDatabase; ends: TestMirror }> {
  const source = await database(t, how.of ?? 18)
  const target = await database(t, how.to ?? 18)
  await source.query('create table t (id int primary key, v text, big text)')
  await source.query('alter table t alter column big set storage external')
  await source.query(
    `insert into t values (1, 'a', repeat('x', 9000)), (2, 'b', null), (3, 'c', null)`,
  )
  const ends = mirror(t, {
    source: source.url,
    target: target.url,
    metadata: true,
    form: how.form ?? 'best',
    limits: { memoryBytes: 1 << 14 },
  })
  return { source, target, ends }
}

for (const how of [
  { form: 'pg-binary', of: 18, to: 18 },
  { form: 'pg-text', of: 18, to: 14 },
  { form: 'values', of: 17, to: 18 },
] as const) {
  test(`rows say what they were last changed by: ${how.form}, ${how.of} to ${how.to}`, async (t) => {
    const { source, target, ends } = await pair(t, how)
    const begun = await moment(source)
    await ends.catchUp()
    const copied = await moment(source)
    const now = 't t t'
    assert.deepEqual(await kinds(target, 't', [begun, copied]), [
      `1 a r ${now}`,
      `2 b r ${now}`,
      `3 c r ${now}`,
    ])
    assert.deepEqual(await ends.differences(), [])
    await source.query(`insert into t values (4, 'd', null)`)
    await source.query(`update t set v = 'aa' where id = 1`)
    await source.query(`update t set id = 9 where id = 2`)
    await source.query('delete from t where id = 3')
    await source.query(
      `begin; insert into t values (5, 'e', null); update t set v = 'ee' where id = 5; commit`,
    )
    await ends.catchUp()
    const changed = await moment(source)
    assert.deepEqual(await kinds(target, 't', [copied, changed]), [
      `1 aa u ${now}`,
      `4 d c ${now}`,
      `5 ee u ${now}`,
      `9 b u ${now}`,
    ])
    const [kept] = await target.query('select length(big) as n from t where id = 1')
    assert.equal(kept?.n, '9000')
    assert.deepEqual(await ends.differences(), [])
    // A transaction that goes to disk, and so many rows that they are copied into the table.
    await source.query(
      `insert into t select i, 'm', repeat('y', 100) from generate_series(100, 1500) i`,
    )
    await source.query(`update t set v = 'n' where id between 200 and 900`)
    await ends.catchUp()
    const filled = await moment(source)
    const counts = await target.query(
      `select concat_ws(' ', v, _cdc_op, count(*), count(distinct _cdc_lsn)) as said from t
       where id >= 100 and _cdc_captured_at between $1 and $2 group by v, _cdc_op order by 1`,
      [changed.at, filled.at],
    )
    assert.deepEqual(
      counts.map(({ said }) => said),
      ['m c 700 1', 'n u 701 1'],
    )
    assert.deepEqual(await ends.differences(), [])
  })
}

test('the columns for metadata stay beside columns that come, other names and partitions', async (t) => {
  const [source, target] = [await database(t, 18), await database(t, 17)]
  await source.query('create table t (id int primary key, v text)')
  await source.query('create table loose (id int, v text)')
  await source.query('alter table loose replica identity full')
  await source.query('create table parted (id int primary key, v text) partition by range (id)')
  await source.query('create table parted_1 partition of parted for values from (0) to (100)')
  await source.query(`insert into t values (1, 'a')`)
  await source.query(`insert into loose values (1, 'a'), (1, 'a'), (2, 'b'), (3, 'c')`)
  await source.query(`insert into parted values (1, 'a'), (2, 'b')`)
  const rename = ['public.t -> app.people', 'public.t.v -> "a v"']
  const ends = mirror(t, { source: source.url, target: target.url, metadata: true, rename })
  await ends.catchUp()
  await source.query('alter table t add column w int')
  await source.query(`insert into t values (2, 'b', 7)`)
  await source.query(`update loose set v = 'z' where id = 2`)
  await source.query(`delete from loose where ctid = (select min(ctid) from loose where id = 1)`)
  await source.query(`update parted set v = 'q' where id = 2`)
  await ends.catchUp()
  assert.deepEqual(await ends.differences(), [])
  assert.deepEqual(await target.query(`select id, "a v", w, _cdc_op from app.people order by id`), [
    { id: '1', 'a v': 'a', w: null, _cdc_op: 'r' },
    { id: '2', 'a v': 'b', w: '7', _cdc_op: 'c' },
  ])
  assert.deepEqual(await target.query('select id, v, _cdc_op from loose order by id'), [
    { id: '1', v: 'a', _cdc_op: 'r' },
    { id: '2', v: 'z', _cdc_op: 'u' },
    { id: '3', v: 'c', _cdc_op: 'r' },
  ])
  assert.deepEqual(await target.query('select id, v, _cdc_op from parted order by id'), [
    { id: '1', v: 'a', _cdc_op: 'r' },
    { id: '2', v: 'q', _cdc_op: 'u' },
  ])
  // A comparison has no eye for metadata, and one for everything else.
  await target.query(`update app.people set _cdc_op = null, _cdc_lsn = 'gone'`)
  assert.deepEqual(await ends.differences(), [])
  await target.query(`insert into loose (id, v) values (8, 'own')`)
  assert.match((await ends.differences()).join(), /^public\.loose .*"extra":1/)
  const own = await target.query('select _cdc_op, _cdc_received from loose where id = 8')
  assert.deepEqual(own, [{ _cdc_op: null, _cdc_received: null }])
})

test('rows that stand at the target say by merging when they came', async (t) => {
  const [source, target] = [await database(t, 18), await database(t, 18)]
  await source.query('create table t (id int primary key, v text)')
  await source.query(`insert into t values (1, 'a'), (2, 'b')`)
  await target.query('create table t (id int primary key, v text)')
  await target.query(`insert into t values (1, 'old'), (7, 'own')`)
  const ends = { source: source.url, target: target.url, metadata: true } as const
  const merging = mirror(t, { ...ends, onExisting: 'merge' })
  await assert.rejects(merging.catchUp(), refusal('HF-T223', /no column _cdc_captured_at/))
  await target.query(`alter table t add column _cdc_captured_at timestamptz,
    add column _cdc_lsn text, add column _cdc_op text, add column _cdc_received timestamptz`)
  await merging.catchUp()
  await source.query(`update t set v = 'bb' where id = 2`)
  await merging.catchUp()
  assert.deepEqual(
    await target.query(`select id, v, _cdc_op, _cdc_lsn is null as no from t order by id`),
    [
      { id: '1', v: 'a', _cdc_op: 'r', no: 'f' },
      { id: '2', v: 'bb', _cdc_op: 'u', no: 'f' },
      { id: '7', v: 'own', _cdc_op: null, no: 't' },
    ],
  )
  assert.deepEqual(await merging.differences(), [])
})

test('a change of MySQL says its time and the place in the binary log', async (t) => {
  const source = await mysqlDatabase(t, 'mysql-9')
  const target = await database(t, 18)
  await source.query('create table t (id int primary key, v varchar(20))')
  await source.query(`insert into t values (1, 'a')`)
  const ends = mirror(t, { source: source.url, target: target.url, metadata: true })
  await ends.catchUp()
  await source.query(`insert into t values (2, 'b')`)
  await source.query(`update t set v = 'aa' where id = 1`)
  await ends.catchUp()
  assert.deepEqual(await ends.differences(), [])
  const rows = await target.query(
    `select id, _cdc_op, _cdc_lsn ~ '^[^ ]+\\.\\d+:\\d+$' as place,
       _cdc_captured_at between now() - interval '1 hour' and now() + interval '1 hour' as lately
     from "${source.name}".t order by id`,
  )
  assert.deepEqual(rows, [
    { id: '1', _cdc_op: 'u', place: 't', lately: 't' },
    { id: '2', _cdc_op: 'c', place: 't', lately: 't' },
  ])
})

test('metadata is refused where it cannot stand, and kept by a mirror that has it', async (t) => {
  const source = await database(t, 18)
  await source.query('create table t (id int primary key, v text)')
  const [mysql, mongo] = [await mysqlDatabase(t, 'mysql-9'), await mongoDatabase(t)]
  for (const target of [mysql, mongo]) {
    const ends = mirror(t, { source: source.url, target: target.url, metadata: true })
    await assert.rejects(ends.catchUp(), refusal('HF-T254', /metadata_columns .*no columns for/))
  }
  const target = await database(t, 18)
  const named = { source: source.url, target: target.url, name: 'kept' }
  await mirror(t, { ...named, metadata: true }).catchUp()
  await source.query(`insert into t values (1, 'a')`)
  await mirror(t, named).catchUp()
  assert.deepEqual(await target.query('select id, _cdc_op from t'), [{ id: '1', _cdc_op: 'c' }])
  // What one mirror has written down another one does not write over.
  const next = await database(t, 18)
  const chained = {
    source: target.url,
    target: next.url,
    metadata: true,
    selection: { include: ['public.t'] },
  }
  await assert.rejects(mirror(t, chained).catchUp(), refusal('HF-D412', /_cdc_captured_at/))
  const rename = ['captured_at', 'lsn', 'op', 'received'].map(
    (name) => `public.t._cdc_${name} -> first_${name}`,
  )
  const second = mirror(t, { ...chained, rename })
  await second.catchUp()
  assert.deepEqual(await second.differences(), [])
  assert.deepEqual(await next.query('select id, first_op, _cdc_op from t'), [
    { id: '1', first_op: 'c', _cdc_op: 'r' },
  ])
  const other = mirror(t, { ...named, onExisting: 'replace' })
  await assert.rejects(other.catchUp(), refusal('HF-C111', /metadata true \(now false\)/))
})
