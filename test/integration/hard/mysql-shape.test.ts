import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Positions, settled } from '../../../src/model/position.ts'
import type { Table } from '../../../src/model/table.ts'
import { mysql, mysqlDatabase, mysqlServers } from '../../../testkit/servers/index.ts'
import { readAll } from '../../contract/reading.ts'
import {
  followed,
  refused,
  saysCascades,
  stand,
  type Told,
  toldBeforeHalt,
  toldBy,
} from './mysql.ts'

/** Rows of `c` and `d` change with keys of `p`. */
const FAMILY = `create table p (v int, id int primary key, code varchar(10), unique (code));
  create table c (id int primary key, p int, constraint k foreign key (p) references p (id)
    on update cascade);
  create table d (id int primary key, p varchar(10), constraint l foreign key (p)
    references p (code) on update set null)`

const PLAIN = 'create table t (id int primary key, a varchar(10), b int)'

for (const kind of mysqlServers) {
  test(`M19 M20 rows are read with the columns of their own place, whatever came since, on ${kind}`, async (t) => {
    const { db, told } = await stand(t, kind, PLAIN)
    await db.query(`insert into t values (1, 'x', 1)`)
    await db.query(
      'alter table t add column c int null first, add d varchar(5) default null after a',
    )
    await db.query(`insert into t values (5, 2, 'y', 'd', 2)`)
    await db.query('alter table t modify b int after id, modify a varchar(40)')
    await db.query(`insert into t (id, a, b, c, d) values (3, 'z', 3, 6, 'e')`)
    await db.query('alter table t add (e date, f text)')
    await db.query(`insert into t (id, f) values (4, 'f')`)
    assert.deepEqual(await told(), [
      [['insert', 't', ['1', 'x', '1']]],
      [['schema', 'c', 'id', 'a', 'd', 'b']],
      [['insert', 't', ['5', '2', 'y', 'd', '2']]],
      [['schema', 'c', 'id', 'b', 'a', 'd']],
      [['insert', 't', ['6', '3', '3', 'z', 'e']]],
      [['schema', 'c', 'id', 'b', 'a', 'd', 'e', 'f']],
      [['insert', 't', [null, '4', null, null, null, null, 'f']]],
    ])
  })

  test(`M19 the stream goes on between changes of a table with what the checkpoint knows, on ${kind}`, async (t) => {
    const { db, read, source, tables } = await stand(t, kind, PLAIN)
    for (let i = 0; i < 4; i++) {
      await db.query(`insert into t (id) values (${i})`)
      await db.query(`alter table t add column n${i} int ${i % 2 === 0 ? 'first' : ''}`)
    }
    const all = await read()
    let known = tables
    for (const [i, { positions, changes }] of all.entries()) {
      for (const change of changes) if (change.kind === 'schema') known = [change.to]
      // What a checkpoint holds has been written down.
      const stored: readonly Table[] = JSON.parse(JSON.stringify(known))
      const rest = await readAll({ source, after: positions, tables: stored })
      assert.deepEqual(toldBy(rest), toldBy(all.slice(i + 1)))
    }
  })

  test(`M21 M25 what does not change how rows read is passed, and what it needs is noted, on ${kind}`, async (t) => {
    const { db, told } = await stand(
      t,
      kind,
      'create table t (id int primary key, a varchar(10) character set latin1, b int not null default 3) default charset latin1',
    )
    await db.query(
      `alter table t add index (b), add unique other (a), comment 'x, add c int', engine innodb`,
    )
    await db.query(
      'create index more on t (b); drop index more on t; alter table t drop index other',
    )
    await db.query(
      `alter table t alter column b set default 5, auto_increment = 7, row_format = dynamic`,
    )
    await db.query('alter table t modify a varchar(20) character set latin1')
    await db.query('alter table t add column c text')
    await db.query(`insert into t values (1, 'é', 1, 'ü')`)
    await db.query('alter table t convert to character set utf8mb4')
    await db.query(`insert into t values (2, '猫', 2, '🐈')`)
    const changes = (await told()).flat().filter(([what]) => what === 'insert')
    assert.deepEqual(changes, [
      ['insert', 't', ['1', 'é', '1', 'ü']],
      ['insert', 't', ['2', '猫', '2', '🐈']],
    ])
  })

  test(`M26 a key that other rows change with halts when it changes, and only then, on ${kind}`, async (t) => {
    const at = await stand(t, kind, FAMILY)
    const { db } = at
    const logged = await saysCascades(db)
    await db.query(`insert into p values (0, 1, 'a'), (0, 2, 'b'); insert into c values (1, 1), (2, 2);
      insert into d values (1, 'a');
      update p set v = 1, id = 1, code = 'a' where id = 1; update c set p = 1 where id = 2`)
    const before = (await at.told()).flat()
    assert.equal(before.length, 7)
    for (const [sql, table, what] of [
      ['update p set id = 7 where id = 1', 'c', /^id of .*\.p changed.*\.c by its foreign key k,/],
      [`update p set code = 'A' where code = 'a'`, 'd', /^code of .*\.d by its foreign key l,/],
    ] as const) {
      const now = await followed(t, db)
      await db.query(sql)
      if (!logged) await refused(now.read(), 'HF-D413', what)
      else assert.ok((await now.told()).flat().some((change) => change[1] === table))
    }
    if (!logged) assert.deepEqual(await toldBeforeHalt(at), before)
  })

  test(`M26 a foreign key that is gone carries no key on, on ${kind}`, async (t) => {
    const { db, read, tables, source } = await stand(t, kind, FAMILY)
    await db.query(`insert into p values (0, 1, 'a'); insert into d values (1, 'a')`)
    await db.query('alter table d drop foreign key l')
    await db.query(`update p set code = 'b' where id = 1`)
    const all = await read()
    assert.deepEqual(toldBy(all.slice(2)), [
      [['schema', 'v', 'id', 'code']],
      [['update', 'p', ['0', '1', 'b']]],
    ])
    // A checkpoint behind the statement knows what it did.
    const [from] = all.slice(2)
    const [change] = [...(from?.changes ?? [])]
    const known = tables.map((one) =>
      change?.kind === 'schema' && one.name === 'p' ? change.to : one,
    )
    const rest = await readAll({ source, after: from?.positions ?? new Map(), tables: known })
    assert.deepEqual(toldBy(rest), [[['update', 'p', ['0', '1', 'b']]]])
    await db.query('insert into c values (1, 1); update p set id = 9 where id = 1')
    if (!(await saysCascades(db))) await refused(read(), 'HF-D413', /foreign key k,/)
  })

  test(`M20 a table that is altered beside the log halts at its next row, on ${kind}`, async (t) => {
    const besides = ['alter table t modify b bigint', 'alter table t drop column a']
    // Equal types under other names are told apart where the log names columns.
    if (kind !== 'mysql-5.6') besides.push('alter table t change b c int')
    for (const sql of besides) {
      const { db, read } = await stand(t, kind, PLAIN)
      await db.query(`insert into t values (1, 'x', 1)`)
      await db.query('set sql_log_bin = 0')
      await db.query(sql)
      await db.query('set sql_log_bin = 1')
      await db.query('insert into t (id) values (2)')
      await refused(read(), 'HF-L114', /\.t\b/)
    }
  })

  const halts: readonly (readonly [sql: string, code: string, what: RegExp])[] = [
    ['alter table t add column c int default 5', 'HF-D401', /t: its new column c has a default/],
    ['alter table t add column c int not null', 'HF-D401', /new column c/],
    ['alter table t drop column b', 'HF-D402', /column b was dropped/],
    ['alter table t change b bb int', 'HF-D402', /column b is called bb/],
    ['alter table t drop primary key', 'HF-D403', /key PRIMARY was dropped/],
    ['alter table t modify b bigint', 'HF-D404', /column b has another type/],
    ['alter table t modify a varchar(5)', 'HF-D404', /column a has another type/],
    ['alter table t modify a varchar(10) character set ascii', 'HF-D404', /column a/],
    ['alter table t convert to character set latin1', 'HF-D404', /character set latin1/],
    ['rename table t to gone', 'HF-D406', /name is \S+\.gone now/],
    ['alter table t rename to gone', 'HF-D406', /name is \S+\.gone now/],
    ['drop table t', 'HF-D406', /it was dropped/],
  ]
  for (const [sql, code, what] of halts) {
    test(`M19 M22 M24 ${sql} halts by name, with what came before, on ${kind}`, async (t) => {
      const { db, source, tables, after, read } = await stand(t, kind, PLAIN)
      await db.query(`insert into t values (1, 'x', 1)`)
      await db.query(sql)
      await refused(read(), code, what)
      const before = await toldBeforeHalt({ source, tables, after })
      assert.deepEqual(
        before.map(([kind]) => kind),
        ['insert'],
      )
    })
  }

  test(`M22 M23 a table that is swapped for another one halts, one that comes back does not, on ${kind}`, async (t) => {
    const { db, read } = await stand(t, kind, PLAIN)
    await db.query('rename table t to away, away to t')
    await db.query(`insert into t values (1, 'x', 1)`)
    assert.equal((await read()).length, 1)
    await db.query(`create table _t_gho like t; insert into _t_gho values (1, 'x', 1)`)
    await db.query('rename table t to _t_del, _t_gho to t')
    await refused(read(), 'HF-D406', /\.t: its name is \S+\._t_del now/)
  })

  test(`partitions that are emptied or exchanged halt, new ones do not, on ${kind}`, async (t) => {
    const { db, read, source } = await stand(
      t,
      kind,
      `create table t (id int primary key) partition by range (id) (partition p0 values less than (10));
       create table other (id int primary key)`,
    )
    await db.query('alter table t add partition (partition p1 values less than (20))')
    await db.query('insert into t values (1), (15)')
    assert.equal((await read()).length, 1)
    const here: Positions = settled(await source.fence())
    await db.query('alter table t truncate partition p0')
    await refused(read(), 'HF-D407', /TRUNCATE PARTITION/)
    await refused(read(here), 'HF-D407', /TRUNCATE PARTITION/)
  })

  test(`M21 statements are understood in every spelling, on ${kind}`, async (t) => {
    const { db, told } = await stand(t, kind, PLAIN)
    const name = `\`${db.name}\``
    const other = await mysqlDatabase(t, kind)
    const session = await other.session()
    await session.query(`/* a */ ALTER /* b */ TABLE ${name} . t -- c
      ADD\tCOLUMN \`c\` INTEGER(11) UNSIGNED NULL COMMENT 'it''s, not null default 3' # d
      , algorithm = inplace`)
    await session.query(`set sql_mode = 'ANSI_QUOTES'`)
    await session.query(`alter table ${name}."t" add "d" char varying (7) character set latin1`)
    await session.query(`set sql_mode = 'NO_BACKSLASH_ESCAPES'`)
    await session.query(`alter table ${name}.t comment '\\', add e int(3)`)
    await session.query(`set sql_mode = ''`)
    await session.query(
      `alter table ${name}.t add f set('a(b','c)') null, comment '\\', drop column a'`,
    )
    await session.query(`/*!40000 alter table ${name}.t add g double precision */`)
    await session.query(`/*!99999 alter table ${name}.t drop column a */ set @x = 1`)
    await session.query(`truncate table ${name}.t`)
    await session.query(`insert into ${name}.t (id, c, d, f, g) values (1, 2, 'é', 'a(b', 1.5)`)
    const all: readonly Told[] = (await told()).flat()
    assert.deepEqual(all.slice(-2), [
      ['truncate', 't'],
      ['insert', 't', ['1', null, null, '2', 'é', null, 'a(b', '1.5']],
    ])
  })

  test(`M39 labels are those of their place, on ${kind}`, async (t) => {
    const { db, told, read } = await stand(
      t,
      kind,
      `create table t (id int primary key, e enum('a','b,c','it''s','','\\\\','\\n') default null,
        s set('x','y z'))`,
    )
    await db.query(`insert into t values (1, 'b,c', 'x'), (2, 'it''s', ''), (3, null, 'x'),
      (4, '\\\\', ''), (5, '\\n', '')`)
    assert.deepEqual((await told()).flat(), [
      ['insert', 't', ['1', 'b,c', 'x']],
      ['insert', 't', ['2', "it's", '']],
      ['insert', 't', ['3', null, 'x']],
      ['insert', 't', ['4', '\\', '']],
      ['insert', 't', ['5', '\n', '']],
    ])
    await db.query(
      `set sql_mode = ''; alter table t modify e enum('a','b,c','it''s','','\\\\','\\n','x')`,
    )
    await db.query(
      `set sql_mode = 'NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES';
       alter table t modify e enum('new','it''s','','x','\n','a','b,c','\\') default null,
         modify s set('x','y z','w')`,
    )
    await db.query(`insert into t values (6, 'new', 'w,x'), (7, '\\', '')`)
    await db.query(`update t set e = '' where id = 6`)
    assert.deepEqual((await told()).slice(1), [
      [['schema', 'id', 'e', 's']],
      [['schema', 'id', 'e', 's']],
      [
        ['insert', 't', ['6', 'new', 'x,w']],
        ['insert', 't', ['7', '\\', '']],
      ],
      [['update', 't', ['6', '', 'x,w']]],
    ])
    const [last] = (await read()).slice(-1)
    const labels = last?.changes.table(0).columns[1]?.type
    assert.deepEqual(labels, {
      kind: 'enum',
      labels: ['new', "it's", '', 'x', '\n', 'a', 'b,c', '\\'],
    })
  })

  const bends: readonly (readonly [before: string, after: string])[] = [
    [`enum('a','b','c')`, `enum('a','c')`],
    [`enum('a','b')`, `enum('a','B')`],
    [`set('a','b')`, `set('b','a')`],
    [`set('a','b','c')`, `set('a','b')`],
    ['time(3)', 'time'],
    ['datetime(3)', 'datetime'],
    ['float', 'float(7,2)'],
    ['double', 'double(9,2)'],
    ['double', 'double unsigned'],
    ['decimal(9,2)', 'decimal(9,2) unsigned'],
    ['bit(9)', 'bit(3)'],
  ]
  test(`M39 M42 a column that would show its old values otherwise halts by name, on ${kind}`, async (t) => {
    const columns = bends.map(([native], i) => `c${i} ${native} null`)
    const { db, read } = await stand(
      t,
      kind,
      `create table t (id int primary key, ${columns});
       create table u (id int primary key, e enum('a','ж') character set cp1251)`,
    )
    for (const [i, [, native]] of bends.entries()) {
      const here = settled(await (await followed(t, db)).source.fence())
      await db.query(`alter table t modify c${i} ${native} null`)
      await refused(read(here), 'HF-D404', new RegExp(`column c${i} has another type`))
    }
    const here = settled(await (await followed(t, db)).source.fence())
    await db.query(`set sql_mode = ''; alter table u convert to character set utf8mb4`)
    await refused(read(here), 'HF-D404', /u: its texts were converted/)
  })

  test(`M48 keys that are equal to the server only are different rows, on ${kind}`, async (t) => {
    const { db, told } = await stand(t, kind, 'create table t (id varchar(9) primary key, v int)')
    await db.query(`insert into t values ('a', 1)`)
    await db.query(`update t set id = 'A'`)
    await db.query(`insert into t values ('ß', 1)`)
    assert.deepEqual((await told())[1], [['update', 't', ['A', '1'], ['a', '1']]])
  })

  if (kind !== 'mariadb-10.11') continue
  test('a table in memory that lost its rows in a restart is emptied', async (t) => {
    await using server = await mysql(kind, {})
    const { db } = await stand(t, server, 'create table t (id int primary key) engine = memory')
    await db.query('insert into t values (1)')
    const begun = await followed(t, db)
    await server.stop()
    await server.start()
    const again = await followed(t, db)
    await db.query('insert into t values (2)')
    const all = await again.told(begun.after)
    assert.deepEqual(all, [[['truncate', 't']], [['insert', 't', ['2']]]])
  })
}

for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
  test(`M18 without the log's own description columns are known all the same, on ${kind}`, async (t) => {
    const metadata = kind === 'mysql-9' ? 'MINIMAL' : 'NO_LOG'
    await using server = await mysql(kind, { settings: { 'binlog-row-metadata': metadata } })
    const hidden = kind === 'mysql-9' ? '' : ', w blob, unique (w)'
    const { db, told } = await stand(
      t,
      server,
      `create table t (id bigint unsigned primary key, e enum('a','b'), v varchar(9) character set latin1${hidden})`,
    )
    await db.query(`insert into t (id, e, v) values (18446744073709551615, 'b', 'é')`)
    await db.query('alter table t add column x smallint unsigned first')
    await db.query(`insert into t (id, e, v, x) values (1, 'a', 'ö', 65535)`)
    const more = kind === 'mysql-9' ? [] : [null]
    assert.deepEqual(
      (await told()).flat().filter(([what]) => what === 'insert'),
      [
        ['insert', 't', ['18446744073709551615', 'b', 'é', ...more]],
        ['insert', 't', ['65535', '1', 'a', 'ö', ...more]],
      ],
    )
  })
}
