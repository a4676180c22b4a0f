import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mirror } from '../../../testkit/mirror.ts'
import { database, mysqlDatabase } from '../../../testkit/servers/index.ts'

const WIDER = `set sql_mode = 'STRICT_ALL_TABLES';
  alter table t modify e enum('new','b','\\\\d','a') null, modify s set('x','y','z') null,
    modify v varchar(40), modify w time(3) null, add column n int null first;
  insert into t values (1, 3, 'new', 'z,x', 'longer than ten characters', '10:00:00.125');
  update t set e = 'new', s = 'y,z' where id = 2`

const NARROW = `create table t (id int primary key, e enum('a','b','\\\\d'), s set('x','y'), v varchar(10), w time);
  insert into t values (1, 'a', 'x', 'short', '-01:00:00'), (2, 'b', 'y', 'short', null),
    (4, '\\\\d', 'x', 'short', null)`

for (const [from, to] of [
  ['mariadb-10.11', 'mysql-9'],
  ['mysql-9', 'mariadb-10.11'],
] as const) {
  test(`M39 columns that get more room and labels get them at the target, ${from} to ${to}`, async (t) => {
    const source = await mysqlDatabase(t, from)
    const target = await mysqlDatabase(t, to)
    await source.query(NARROW)
    const pair = mirror(t, { source: source.url, target: target.url })
    await pair.catchUp()
    await source.query(WIDER)
    await pair.catchUp()
    const rows = 'select id, n, e, s, v, w from t order by id'
    const texts = async (db: typeof source): Promise<readonly unknown[]> =>
      (await db.query(rows)).map((row) => Object.values(row))
    assert.deepEqual(await texts(target), await texts(source))
    assert.deepEqual(await pair.differences(), [])
  })
}

test('M39 columns that get more room and labels show them in PostgreSQL', async (t) => {
  const source = await mysqlDatabase(t, 'mysql-9')
  const target = await database(t, 18)
  await source.query(NARROW)
  const pair = mirror(t, { source: source.url, target: target.url })
  await pair.catchUp()
  await source.query(WIDER)
  await pair.catchUp()
  const rows = await target.query(`select id, n, e, s, v, w from "${source.name}".t order by id`)
  assert.deepEqual(rows.map(Object.values), [
    ['1', null, 'a', 'x', 'short', '-01:00:00'],
    ['2', null, 'new', 'y,z', 'short', null],
    ['3', '1', 'new', 'x,z', 'longer than ten characters', '10:00:00.125'],
    ['4', null, '\\d', 'x', 'short', null],
  ])
  assert.deepEqual(await pair.differences(), [])
})
