import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers, settled } from '../../../src/model/position.ts'
import { isMariadb, mysql, mysqlDatabase, mysqlServers } from '../../../testkit/servers/index.ts'
import { refused, stand, toldBy } from './mysql.ts'

const PLAIN = 'create table t (id int primary key, v text)'

for (const kind of mysqlServers) {
  const mariadb = isMariadb(kind)

  test(`M1 M31 transactions come whole and in order, TRUNCATE as one of its own, on ${kind}`, async (t) => {
    const { db, told } = await stand(t, kind, PLAIN)
    await db.query(`insert into t values (1, 'a')`)
    await db.query(`begin; insert into t values (2, 'b'); update t set v = 'c' where id = 1;
      update t set id = 3 where id = 2; delete from t where id = 1; truncate t`)
    assert.deepEqual(await told(), [
      [['insert', 't', ['1', 'a']]],
      [
        ['insert', 't', ['2', 'b']],
        ['update', 't', ['1', 'c']],
        ['update', 't', ['3', 'b'], ['2', 'b']],
        ['delete', 't', null, ['1', 'c']],
      ],
      [['truncate', 't']],
    ])
  })

  test(`M1 M2 the stream goes on after any transaction, on ${kind}`, async (t) => {
    const { db, read, source, after } = await stand(t, kind, PLAIN)
    for (let i = 0; i < 6; i++) {
      await db.query(`begin; insert into t values (${i}, 'a'); update t set v = 'b'; commit`)
    }
    await db.query('flush binary logs')
    await db.query(`insert into t values (100, 'x')`)
    const all = await read()
    assert.equal(all.length, 7)
    for (const [i, { positions }] of all.entries()) {
      assert.deepEqual(toldBy(await read(positions)), toldBy(all.slice(i + 1)))
    }
    const places = [after, ...all.map(({ positions }) => positions)]
    for (const [i, place] of places.entries()) {
      const back = new Map(
        [...place].map(([lane, { token }]) => [lane, source.position(lane, token)]),
      )
      assert.ok(covers(source.compare, back, place) && covers(source.compare, place, back))
      const next = places[i + 1]
      if (next !== undefined) assert.ok(!covers(source.compare, place, next))
    }
  })

  test(`M16 what an image leaves out is unchanged, and null only where that is the default, on ${kind}`, async (t) => {
    const { db, told, read, after } = await stand(
      t,
      kind,
      'create table t (id int primary key, v text, n int, d int default 5)',
    )
    const session = await db.session()
    await session.query('set binlog_row_image = minimal')
    await session.query(`insert into t (id, v, d) values (1, 'a', 2), (2, 'b', 3)`)
    await session.query(`update t set v = 'c' where id = 1`)
    await session.query('update t set id = 9 where id = 2')
    await session.query('delete from t where id = 9')
    await session.query('set binlog_row_image = noblob')
    await session.query('insert into t (id, d) values (4, 7)')
    await session.query('update t set n = 1 where id = 4')
    assert.deepEqual(await told(), [
      [
        ['insert', 't', ['1', 'a', null, '2']],
        ['insert', 't', ['2', 'b', null, '3']],
      ],
      [['update', 't', ['1', 'c', undefined, undefined]]],
      [
        [
          'update',
          't',
          ['9', undefined, undefined, undefined],
          ['2', undefined, undefined, undefined],
        ],
      ],
      [['delete', 't', null, ['9', undefined, undefined, undefined]]],
      [['insert', 't', ['4', null, null, '7']]],
      [['update', 't', ['4', undefined, '1', '7']]],
    ])
    await session.query('set binlog_row_image = minimal')
    await session.query('insert into t (id) values (5)')
    await refused(read(after), 'HF-L116', /t: d of a row that was inserted/)
  })

  test(`a long value that an update leaves alone is not sent again, on ${kind}`, async (t) => {
    const { db, told } = await stand(t, kind, PLAIN.replace('v text', 'v text, n int'))
    const long = 'x'.repeat(3000)
    await db.query(`insert into t values (1, '${long}', 1)`)
    await db.query('update t set n = 2')
    await db.query(`update t set v = concat('y', v)`)
    assert.deepEqual((await told()).slice(1), [
      [['update', 't', ['1', undefined, '2']]],
      [['update', 't', ['1', `y${long}`, '2']]],
    ])
  })

  test(`M17 a change that is logged as a statement halts by name, and only one of a mirrored table, on ${kind}`, async (t) => {
    const { db, read } = await stand(t, kind, PLAIN)
    const beside = await mysqlDatabase(t, kind)
    await beside.query(PLAIN)
    const session = await db.session()
    await session.query(`set binlog_format = 'statement'`)
    await session.query(`use \`${beside.name}\``)
    await session.query(`insert into t values (1, 'a')`)
    assert.deepEqual(await read(), [])
    await session.query(`use \`${db.name}\``)
    await session.query(`insert into t values (1, 'a')`)
    await refused(read(), 'HF-L115', /\.t as a statement/)
  })

  test(`M28 a transaction that is prepared comes when it is committed, across restarts, on ${kind}`, async (t) => {
    const { db, told, read } = await stand(t, kind, PLAIN)
    const [one, other] = [await db.session(), await db.session()]
    await one.query(`xa start 'x'; insert into t values (1, 'a'); xa end 'x'; xa prepare 'x'`)
    await db.query(`insert into t values (10, 'between')`)
    await other.query(`xa start 'y'; insert into t values (2, 'b'); xa end 'y'; xa prepare 'y'`)
    await db.query(`insert into t values (11, 'between')`)
    const first = await read()
    assert.deepEqual(toldBy(first), [
      [['insert', 't', ['10', 'between']]],
      [['insert', 't', ['11', 'between']]],
    ])
    await other.query(`xa rollback 'y'`)
    await db.query(`insert into t values (12, 'after')`)
    await one.query(`xa commit 'x'`)
    await db.query(`insert into t values (13, 'last')`)
    const rest = [
      [['insert', 't', ['12', 'after']]],
      [['insert', 't', ['1', 'a']]],
      [['insert', 't', ['13', 'last']]],
    ]
    assert.deepEqual(await told(), [...toldBy(first), ...rest])
    for (const [i, { positions }] of first.entries()) {
      assert.deepEqual(await told(positions), [...toldBy(first.slice(i + 1)), ...rest])
    }
    await db.query(
      `xa start 'z'; insert into t values (20, 'c'); xa end 'z'; xa commit 'z' one phase`,
    )
    assert.deepEqual((await told()).at(-1), [['insert', 't', ['20', 'c']]])
  })

  test(`M28 one that was prepared before the beginning halts when it is committed, on ${kind}`, async (t) => {
    // Before 5.7 a prepared transaction is not in the log until it is committed.
    if (kind === 'mysql-5.6') return
    const { db, source, read } = await stand(t, kind, PLAIN)
    const one = await db.session()
    await one.query(`xa start 'x'; insert into t values (1, 'a'); xa end 'x'; xa prepare 'x'`)
    const after = settled(await source.fence())
    await one.query(`xa commit 'x'`)
    await refused(read(after), 'HF-L117', /XA transaction/)
  })

  test(`M29 savepoints that were gone back to bring nothing, tables without transactions what they hold, on ${kind}`, async (t) => {
    const { db, told } = await stand(
      t,
      kind,
      `${PLAIN}; create table my (id int primary key) engine = MyISAM`,
    )
    // Servers with GTIDs of MySQL let no transaction write both.
    const both = (sql: string): string => (mariadb ? sql : '')
    await db.query(`begin; insert into t values (1, 'a'); savepoint s; insert into t values (2, 'b');
      ${both('insert into my values (1);')} rollback to s; insert into t values (3, 'c');
      savepoint s; insert into t values (4, 'd'); savepoint r; insert into t values (5, 'e');
      ${both('insert into my values (2);')} rollback to s; insert into t values (6, 'f'); commit`)
    await db.query('insert into my values (3)')
    const rows = (await told()).flat().map((change) => [change[1], change[2]])
    const wanted = [
      ['t', ['1', 'a']],
      ['t', ['3', 'c']],
      ['t', ['6', 'f']],
    ]
    assert.deepEqual(
      rows.filter(([table]) => table === 't'),
      wanted,
    )
    assert.deepEqual(
      rows.filter(([table]) => table === 'my').map(([, cells]) => cells),
      mariadb ? [['1'], ['2'], ['3']] : [['3']],
    )
  })

  test(`M30 what is no row of a mirrored table is passed over, on ${kind}`, async (t) => {
    const { db, read } = await stand(t, kind, PLAIN)
    await db.query(`
create temporary table tt (id int);
insert into tt values (1);
drop temporary table tt;
create table beside (id int primary key);
insert into beside values (1);
alter table beside add column x int not null default 3;
rename table beside to aside;
drop table aside;
create view seen as select * from t;
drop view seen;
create trigger tr before insert on t for each row set new.v = 'triggered';
drop trigger tr;
create procedure p() begin delete from t; end;
drop procedure p;
analyze table t;
optimize table t;
flush tables;
grant select on \`${db.name}\`.* to root@'127.0.0.1';
create table other like t;
drop table if exists other, nothing`)
    assert.deepEqual(await read(), [])
  })

  test(`M35 a large transaction comes in parts and whole, a large value as it is, on ${kind}`, async (t) => {
    const { db, read } = await stand(t, kind, 'create table t (id int primary key, v longtext)')
    const session = await db.session()
    await session.query('set sql_log_bin = 1')
    const rows = Array.from({ length: 6000 }, (_, i) => `(${i}, '${'x'.repeat(200)}${i}')`)
    await session.query('begin')
    for (let at = 0; at < rows.length; at += 1000) {
      await session.query(`insert into t values ${rows.slice(at, at + 1000).join(',')}`)
    }
    await session.query('savepoint s')
    await session.query(`update t set v = 'gone'`)
    await session.query('rollback to s')
    await session.query('commit')
    await db.query(`insert into t values (7000, repeat('z', 3000000))`)
    const all = await read()
    assert.deepEqual(
      all.map(({ changes }) => changes.length),
      [6000, 1],
    )
    const [last] = [...(all[1]?.changes ?? [])]
    assert.ok(last?.kind === 'insert' && last.row !== null && last.row.length > 3_000_000)
  })

  test(`M46 generated and invisible columns, and keys that are, come as their values, on ${kind}`, async (t) => {
    if (kind === 'mysql-5.6') return
    const stored = mariadb ? 'persistent' : 'stored'
    const more = mariadb ? 'unique (b)' : 'index ((a + 1))'
    const { db, told } = await stand(
      t,
      kind,
      `create table t (id int primary key, a int, v int generated always as (a + 1) virtual,
        s int generated always as (a + 2) ${stored}, h int invisible default 7, b ${mariadb ? 'blob' : 'int'},
        ${more})`,
    )
    await db.query('insert into t (id, a) values (1, 1)')
    await db.query('update t set a = 5')
    assert.deepEqual(await told(), [
      [['insert', 't', ['1', '1', '2', '3', '7', null]]],
      [['update', 't', ['1', '5', '6', '7', '7', null]]],
    ])
  })

  test(`M47 rows of a table without a key are found by all their cells, on ${kind}`, async (t) => {
    const { db, told } = await stand(t, kind, 'create table t (a int, b text)')
    await db.query(`insert into t values (1, 'x'), (1, 'x'); update t set b = null limit 1`)
    const session = await db.session()
    await session.query('set binlog_row_image = minimal')
    await session.query(`delete from t where b = 'x'; update t set a = 3`)
    assert.deepEqual(await told(), [
      [
        ['insert', 't', ['1', 'x']],
        ['insert', 't', ['1', 'x']],
      ],
      [['update', 't', ['1', null], ['1', 'x']]],
      [['delete', 't', null, ['1', 'x']]],
      [['update', 't', ['3', null], ['1', null]]],
    ])
  })

  test(`M50 names with dots, quotes, spaces and letters of any script, on ${kind}`, async (t) => {
    const name = '`o.d``d "näme"$`'
    const { db, told } = await stand(
      t,
      kind,
      `create table ${name} (\`i.d\` int primary key, \`wörter\` text)`,
    )
    await db.query(`insert into ${name} values (1, 'ä')`)
    await db.query(`alter table ${name} add column \`"" 'neu'\` int`)
    await db.query(`truncate ${name}`)
    const table = 'o.d`d "näme"$'
    assert.deepEqual(await told(), [
      [['insert', table, ['1', 'ä']]],
      [['schema', 'i.d', 'wörter', `"" 'neu'`]],
      [['truncate', table]],
    ])
  })

  test(`a fence is reached when nothing is written, and when files change, on ${kind}`, async (t) => {
    const { db, read, source, after } = await stand(t, kind, PLAIN)
    assert.deepEqual(await read(), [])
    await db.query('flush binary logs')
    assert.deepEqual(await read(), [])
    await db.query('flush binary logs')
    await source.confirm(after, new AbortController().signal)
    const { from, head } = await source.range()
    assert.ok(covers(source.compare, after, from) && covers(source.compare, head, after))
  })
}

for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
  test(`M13 M14 compressed transactions come as others, on ${kind}`, async (t) => {
    const { db, read } = await stand(t, kind, 'create table t (id int primary key, v longtext)')
    const session = await db.session()
    if (kind === 'mysql-9') await session.query('set binlog_transaction_compression = on')
    else await session.query('set global log_bin_compress = on')
    const rows = Array.from({ length: 100 }, (_, i) => `(${i}, repeat('x', 200000))`)
    await session.query(`insert into t values ${rows.join(',')}`)
    await session.query(`update t set v = 'short' where id < 3`)
    if (kind !== 'mysql-9') await session.query('set global log_bin_compress = off')
    const all = await read()
    assert.deepEqual(
      all.map(({ changes }) => changes.length),
      [100, 3],
    )
    assert.deepEqual(toldBy(all)[1]?.[2], ['update', 't', ['2', 'short']])
  })
}

test('M10 M11 transactions of several domains are each followed, and each resumed', async (t) => {
  const { db, read, told } = await stand(t, 'mariadb-10.11', PLAIN)
  const session = await db.session()
  for (let i = 0; i < 6; i++) {
    await session.query(`set gtid_domain_id = ${i % 3}`)
    await session.query(`insert into t values (${i}, 'a')`)
  }
  const all = await read()
  assert.equal(all.length, 6)
  for (const [i, { positions }] of all.entries()) {
    assert.deepEqual(await told(positions), toldBy(all.slice(i + 1)))
  }
})

test('M8 transactions with a tag are followed and resumed', async (t) => {
  const { db, read, told } = await stand(t, 'mysql-9', PLAIN)
  const session = await db.session()
  for (let i = 0; i < 6; i++) {
    await session.query(`set gtid_next = ${i % 2 === 0 ? `'automatic:tag_${i}'` : `'automatic'`}`)
    await session.query(`insert into t values (${i}, 'a')`)
  }
  const all = await read()
  assert.equal(all.length, 6)
  for (const [i, { positions }] of all.entries()) {
    assert.deepEqual(await told(positions), toldBy(all.slice(i + 1)))
  }
})

test('M15 a change inside of a document is the whole document', async (t) => {
  const { db, told } = await stand(t, 'mysql-9', 'create table t (id int primary key, j json)')
  const session = await db.session()
  await session.query(`set binlog_row_value_options = 'PARTIAL_JSON'`)
  await session.query(`insert into t values (1, '{"a": 1, "b": [1, 2, 3]}')`)
  await session.query(`update t set j = json_set(j, '$.b[1]', 'x')`)
  assert.deepEqual((await told())[1], [['update', 't', ['1', '{"a": 1, "b": [1, "x", 3]}']]])
})

test('M2 M28 without GTIDs the log is followed by its files, prepared transactions, too', async (t) => {
  await using server = await mysql('mysql-9', {
    settings: { 'gtid-mode': 'OFF', 'enforce-gtid-consistency': 'OFF' },
  })
  const { db, read, told } = await stand(t, server, PLAIN)
  const one = await db.session()
  await one.query(`xa start 'x'; insert into t values (1, 'a'); xa end 'x'; xa prepare 'x'`)
  for (let i = 10; i < 14; i++) await db.query(`insert into t values (${i}, 'a')`)
  await db.query('flush binary logs')
  await db.query(`insert into t values (20, 'b')`)
  const first = await read()
  assert.equal(first.length, 5)
  await one.query(`xa commit 'x'`)
  const all = await told()
  assert.deepEqual(all, [...toldBy(first), [['insert', 't', ['1', 'a']]]])
  for (const [i, { positions }] of first.entries()) {
    assert.deepEqual(await told(positions), all.slice(i + 1))
  }
})
