import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Endpoint } from '../../../../src/model/endpoint.ts'
import { openMysqlSource } from '../../../../src/source/mysql/index.ts'
import { endpointOf } from '../../../../testkit/binlog.ts'
import {
  type MysqlDatabase,
  type MysqlServer,
  mysql,
  mysqlDatabase,
  mysqlServers,
} from '../../../../testkit/servers/index.ts'
import { saysCascades } from '../../hard/mysql.ts'

/** What a preflight finds that is not well: the level and the code with its sentence. */
async function found(
  db: { readonly server: MysqlServer; readonly name: string },
  as: Partial<Endpoint> = {},
  exclude: readonly string[] = [],
): Promise<readonly { readonly code: string; readonly what: string; readonly sql: string }[]> {
  await using source = await openMysqlSource({
    endpoint: { ...endpointOf(db.server), database: db.name, ...as },
    mirror: 'test',
    selection: { include: [], exclude, keyless: 'refuse' },
  })
  return (await source.preflight()).flatMap((finding) => {
    if (finding.level === 'ok') return []
    const { code, message, todo } = finding.fault
    return [{ code, what: message, sql: todo.map(({ sql }) => sql ?? '').join(' ') }]
  })
}

async function withTable(t: TestContext, server: MysqlServer): Promise<MysqlDatabase> {
  const db = await mysqlDatabase(t, server)
  await db.query('create table t (id int primary key)')
  return db
}

for (const kind of mysqlServers) {
  test(`a source that is set up well is only told about flushing, on ${kind}`, async (t) => {
    const db = await withTable(t, await mysql(kind))
    assert.deepEqual(
      (await found(db)).map(({ code }) => code),
      ['HF-S308'],
    )
  })

  test(`M29 M47 engines without transactions are named, tables without a key are taken, on ${kind}`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    await db.query('create table plain (a int, b float); create table my (id int) engine = MyISAM')
    const codes = await found(db)
    assert.deepEqual(
      codes.map(({ code }) => code),
      ['HF-S308', 'HF-S309'],
    )
    assert.match(codes[1]?.what ?? '', /my \(MyISAM\)/)
  })

  test(`M26 foreign keys that change rows without the log are refused, on ${kind}`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    await db.query(`
create table p (id int primary key);
create table c (id int primary key, p int, constraint k foreign key (p) references p (id) on delete cascade);
create table d (id int primary key, p int, foreign key (p) references p (id) on update restrict);
create table e (id int primary key, p int, constraint ke foreign key (p) references p (id) on update cascade);
create table f (id int primary key, p int, constraint kf foreign key (p) references p (id) on update set null)`)
    const everything = await found(db)
    const all = everything.filter(({ code }) => code === 'HF-S235')
    const told = everything.filter(({ code }) => code === 'HF-S310')
    if (await saysCascades(db)) return assert.deepEqual([...all, ...told], [])
    assert.match(
      told[0]?.what ?? '',
      /: ke of \S+\.e \(ON UPDATE CASCADE\) with id of \S+\.p, kf of /,
    )
    // What they refer to has to be in sight.
    const lone = (await found(db, {}, ['p'])).filter(({ code }) => code === 'HF-S235')
    assert.match(lone[0]?.what ?? '', /ke of \S+\.e \(ON UPDATE CASCADE\), kf of \S+\.f/)
    assert.match(all[0]?.what ?? '', /: k of \S+\.c \(ON DELETE CASCADE\)$/)
    // What is proposed does it.
    await db.query(all[0]?.sql ?? '')
    assert.deepEqual(
      (await found(db)).filter(({ code }) => code === 'HF-S235'),
      [],
    )
  })

  test(`rights that are lacking are asked for by their GRANT, on ${kind}`, async (t) => {
    const db = await withTable(t, await mysql(kind))
    const user = `u${Math.random().toString(36).slice(2, 10)}`
    const secret = kind === 'mysql-9' ? ' identified by ""' : ''
    await db.query(`create user ${user}@'127.0.0.1'${secret}`)
    await db.query(`grant insert on \`${db.name}\`.* to ${user}@'127.0.0.1'`)
    const lacking = (await found(db, { user })).filter(({ code }) => code === 'HF-S234')
    assert.deepEqual(
      lacking.map(({ sql }) => sql),
      [
        `GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '${user}'@'127.0.0.1'`,
        `GRANT SELECT ON \`${db.name}\`.\`t\` TO '${user}'@'127.0.0.1'`,
      ],
    )
    for (const { sql } of lacking) await db.query(sql)
    assert.deepEqual(
      (await found(db, { user })).filter(({ code }) => code === 'HF-S234'),
      [],
    )
    await db.query(`drop user ${user}@'127.0.0.1'`)
  })
}

for (const kind of ['mysql-9', 'mysql-5.6', 'mariadb-10.11'] as const) {
  test(`M17 M18 a log that is not enough is refused, what it lacks is said, on ${kind}`, async (t) => {
    const newer = kind !== 'mysql-5.6'
    await using server = await mysql(kind, {
      settings: {
        'binlog-format': 'MIXED',
        'binlog-row-image': 'MINIMAL',
        ...(newer ? { 'binlog-row-metadata': kind === 'mysql-9' ? 'MINIMAL' : 'NO_LOG' } : {}),
        ...(kind === 'mysql-9' ? { 'binlog-expire-logs-seconds': '600' } : {}),
      },
    })
    const db = await withTable(t, server)
    const codes = (await found(db)).map(({ code }) => code)
    const short = kind === 'mysql-9' ? ['HF-S307'] : []
    assert.deepEqual(codes, [
      'HF-S231',
      'HF-S233',
      ...(newer ? ['HF-S306'] : []),
      ...short,
      'HF-S308',
    ])
  })
}

test('M52 a source without a log is refused', async (t) => {
  await using server = await mysql('mariadb-10.11', { settings: { 'skip-log-bin': '' } })
  const db = await withTable(t, server)
  const codes = (await found(db)).map(({ code }) => code)
  assert.ok(codes.includes('HF-S231'))
})

test('system-versioned tables are refused', async (t) => {
  const db = await mysqlDatabase(t, 'mariadb-10.11')
  await db.query('create table h (id int primary key) with system versioning')
  const all = (await found(db)).filter(({ code }) => code === 'HF-S236')
  assert.match(all[0]?.what ?? '', /\.h$/)
})
