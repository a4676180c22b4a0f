import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { anyOf } from '../../../../src/async/abort.ts'
import { connect } from '../../../../src/dialect/mysql/connect.ts'
import { Secret } from '../../../../src/model/endpoint.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { DomainPosition } from '../../../../src/source/mysql/log/domains.ts'
import { Dump, type Start } from '../../../../src/source/mysql/log/dump.ts'
import type { LogEvent } from '../../../../src/source/mysql/log/events.ts'
import { GtidSet } from '../../../../src/source/mysql/log/gtid.ts'
import {
  endpointOf,
  logEnd,
  logged,
  rawEvents,
  readLog,
  sourceSession,
} from '../../../../testkit/binlog.ts'
import {
  type MysqlDatabase,
  type MysqlServer,
  mysql,
  mysqlDatabase,
  mysqlServers,
} from '../../../../testkit/servers/index.ts'

function faultOf(code: string): (error: unknown) => boolean {
  return (error) => error instanceof Fault && error.code === code
}

/** Where the server stands, in its own way to say it. */
async function gtidStart(db: MysqlDatabase): Promise<Start> {
  const mariadb = (await db.query('select version() as v'))[0]?.v?.includes('MariaDB') ?? false
  const [row] = await db.query(
    `select ${mariadb ? '@@global.gtid_binlog_pos' : '@@global.gtid_executed'} as g`,
  )
  const text = row?.g ?? ''
  return mariadb
    ? { by: 'domains', position: DomainPosition.parse(text) }
    : { by: 'gtid', set: GtidSet.parse(text) }
}

async function table(
  t: TestContext,
  kind: Parameters<typeof mysqlDatabase>[1],
): Promise<MysqlDatabase> {
  const db = await mysqlDatabase(t, kind)
  await db.query('create table t (id int primary key, v varchar(20), b longblob)')
  return db
}

async function command(server: MysqlServer, sql: string): Promise<void> {
  await using session = await sourceSession(server)
  await session.query(sql)
}

for (const kind of mysqlServers) {
  test(`M1 the log is read on from a GTID, with nothing twice and nothing lost, on ${kind}`, async (t) => {
    const db = await table(t, kind)
    await db.query(`insert into t (id) values (1)`)
    const start = await gtidStart(db)
    await db.query(`insert into t (id) values (2)`)
    await db.query(`begin; insert into t (id) values (3); update t set v = 'x'; commit`)
    const { changes, events } = await readLog(db.server, start)
    const mine = changes.filter(({ schema }) => schema === db.name)
    assert.deepEqual(
      mine.map((change) => [change.kind, change.after?.[0]]),
      [
        ['insert', '2'],
        ['insert', '3'],
        ['update', '1'],
        ['update', '2'],
        ['update', '3'],
      ],
    )
    // What was read brings the position to where the server says that it stands.
    const now = await gtidStart(db)
    assert.equal(reached(start, events), placeText(now))
  })

  test(`M16 a cell that the log leaves out is not null, on ${kind}`, async (t) => {
    const db = await table(t, kind)
    await db.query(`insert into t values (1, 'a', 'b')`)
    const { changes } = await logged(db.server, async () => {
      await db.query(`set binlog_row_image = 'MINIMAL'`)
      await db.query(`update t set v = null where id = 1`)
      await db.query(`delete from t where id = 1`)
      await db.query(`set binlog_row_image = 'NOBLOB'`)
      await db.query(`insert into t values (2, 'x', 'y')`)
      await db.query(`update t set v = 'z' where id = 2`)
    })
    assert.deepEqual(
      changes.map(({ before, after }) => [before, after]),
      [
        [
          ['1', undefined, undefined],
          [undefined, null, undefined],
        ],
        [['1', undefined, undefined], null],
        [null, ['2', 'x', 'y']],
        [
          ['2', 'x', undefined],
          ['2', 'z', undefined],
        ],
      ],
    )
  })

  test(`M35 an event of many packets is put together, on ${kind}`, async (t) => {
    const { server } = await mysqlDatabase(t, kind)
    await command(server, 'set global max_allowed_packet = 67108864')
    const db = await table(t, kind)
    // The redo log of old servers is too small for it.
    await db.query('alter table t engine = MyISAM')
    const size = 17_000_000
    const { changes } = await logged(server, () =>
      db.query(`insert into t values (1, 'end', repeat('x', ${size}))`),
    )
    const [change] = changes
    assert.equal(change?.after?.[2]?.length, size)
    assert.equal(change?.after?.[1], 'end')
  })

  // Others that read the log of a given server would be broken off.
  const skip = kind === 'given'
  test(`M33 a log without checksums is read, and so is one that changes, on ${kind}`, {
    skip,
  }, async (t) => {
    const db = await table(t, kind)
    const start: Start = await logEnd(db.server).then(({ file, position }) => {
      return { by: 'file', file, position: BigInt(position) }
    })
    await db.query(`insert into t (id) values (1)`)
    await db.query(`set global binlog_checksum = 'NONE'`)
    t.after(() => command(db.server, `set global binlog_checksum = 'CRC32'`))
    await db.query(`insert into t (id) values (2)`)
    await db.query(`set global binlog_checksum = 'CRC32'`)
    await db.query(`insert into t (id) values (3)`)
    const { changes, events } = await readLog(db.server, start)
    const sums = events
      .filter((event) => event.kind === 'format')
      .map(({ format }) => format.checksum)
    assert.deepEqual(
      changes.filter(({ schema }) => schema === db.name).map(({ after }) => after?.[0]),
      ['1', '2', '3'],
    )
    assert.ok(sums.includes('none') && sums.includes('crc32'), sums.join())
  })

  test(`M4 a log that was purged is a fault by name, a server that ends a transient one, on ${kind}`, async () => {
    await using server = await mysql(kind === 'given' ? 'mysql-9' : kind, {})
    await using session = await sourceSession(server)
    await session.query('create table mysql.p (id int)')
    await session.query('flush logs')
    const { file } = await logEnd(server)
    await session.query(`purge binary logs to '${file}'`)
    const none: Start =
      session.version.flavour === 'mariadb'
        ? { by: 'domains', position: DomainPosition.parse('0-77777-1') }
        : { by: 'gtid', set: GtidSet.empty() }
    const gone: Start = { by: 'file', file: 'binlog.000001', position: 4n }
    for (const start of [none, gone]) {
      await assert.rejects(
        rawEvents(server, start)[Symbol.asyncIterator]().next(),
        faultOf('HF-L111'),
      )
    }
    const { position } = await logEnd(server)
    const streaming = await sourceSession(server)
    const start = { by: 'file', file, position: BigInt(position) } as const
    await using dump = await Dump.open(streaming, { start, alive: async () => true })
    await dump.next(anyOf())
    const stopped = server.stop('crash')
    await assert.rejects(
      async () => {
        for (;;) await dump.next(anyOf())
      },
      (error) => error instanceof Fault && error.transient,
    )
    await stopped
  })
}

function placeText(start: Start): string {
  if (start.by === 'file') return start.file
  return start.by === 'gtid' ? start.set.toString() : start.position.toString()
}

function reached(start: Start, events: readonly LogEvent[]): string {
  for (const event of events) {
    if (event.kind === 'gtid' && start.by === 'gtid') {
      start.set.add(event.gtid.origin, event.gtid.number)
    }
    if (event.kind === 'domain-gtid' && start.by === 'domains') start.position.advance(event.gtid)
  }
  return placeText(start)
}

test('M14 a compressed transaction is read, whatever its size', async (t) => {
  const db = await table(t, 'mysql-9')
  const { changes, events } = await logged(db.server, async () => {
    await db.query('set binlog_transaction_compression = on')
    await db.query(`begin; insert into t (id, v) values (1, 'a'); update t set v = 'b'; commit`)
    await db.query('begin')
    for (let id = 2; id < 14; id++) {
      await db.query(`insert into t values (?, 'large', repeat(char(64 + ?), 1000000))`, [id, id])
    }
    await db.query('commit')
  })
  assert.equal(changes.length, 14)
  assert.deepEqual(changes[1]?.after?.slice(0, 2), ['1', 'b'])
  for (const [i, change] of changes.slice(2).entries()) {
    assert.equal(change.after?.[0], String(i + 2))
    assert.equal(change.after?.[2], String.fromCharCode(64 + i + 2).repeat(1_000_000))
  }
  assert.deepEqual(
    events.filter(({ kind }) => ['gtid', 'xid'].includes(kind)).map(({ kind }) => kind),
    ['gtid', 'xid', 'gtid', 'xid'],
  )
})

test('M8 transactions with tags are named with them', async (t) => {
  const db = await table(t, 'mysql-9')
  const start = await gtidStart(db)
  await db.query(`set gtid_next = 'automatic:some_tag'`)
  await db.query(`insert into t (id) values (1)`)
  await db.query(`insert into t (id) values (2)`)
  await db.query(`set gtid_next = 'automatic'`)
  const half = await gtidStart(db)
  await db.query(`insert into t (id) values (3)`)
  const { events } = await readLog(db.server, start)
  assert.equal(reached(start, events), placeText(await gtidStart(db)))
  assert.match(placeText(half), /:some_tag:1-2$/)
  const { changes } = await readLog(db.server, half)
  assert.deepEqual(
    changes.map(({ after }) => after?.[0]),
    ['3'],
  )
})

const byLog = { byLog: true } as const

test('M19 rows are read with the columns that they were written with', async (t) => {
  for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
    const db = await table(t, kind)
    const { file, position } = await logEnd(db.server)
    const start: Start = { by: 'file', file, position: BigInt(position) }
    await db.query(`insert into t values (1, 'one', null)`)
    await db.query('alter table t add column a int unsigned first, drop column b')
    await db.query(`insert into t values (4294967295, 2, 'two')`)
    const { changes } = await readLog(db.server, start, byLog)
    assert.deepEqual(
      changes.map(({ after }) => after),
      [
        ['1', 'one', null],
        ['4294967295', '2', 'two'],
      ],
    )
    // With the columns of today the older row would be read as another one.
    await assert.rejects(readLog(db.server, start), faultOf('HF-L114'))
  }
})

test('M18 a log that does not name its columns is not read with the columns of another time', async (t) => {
  const db = await table(t, 'mysql-5.6')
  const { file, position } = await logEnd(db.server)
  const start: Start = { by: 'file', file, position: BigInt(position) }
  await db.query(`insert into t values (1, 'one', null)`)
  await assert.rejects(readLog(db.server, start, byLog), /does not describe/)
  await db.query('alter table t add column c int')
  await assert.rejects(readLog(db.server, start), faultOf('HF-L114'))
  await db.query('alter table t drop column c, modify v int')
  await assert.rejects(readLog(db.server, start), faultOf('HF-L114'))
})

test('M13 MariaDB’s compressed events are read', async (t) => {
  const db = await table(t, 'mariadb-10.11')
  t.after(() => command(db.server, 'set global log_bin_compress = off'))
  const { changes, events } = await logged(
    db.server,
    async () => {
      await db.query('set global log_bin_compress = on, global log_bin_compress_min_len = 10')
      const session = await db.session()
      await session.query(`insert into t values (1, 'a', repeat('x', 5000))`)
      await session.query(`update t set v = 'b'`)
      await session.query(`alter table t add column c varchar(30) comment '${'long '.repeat(50)}'`)
      await session.query(`delete from t`)
    },
    byLog,
  )
  assert.deepEqual(
    changes.map(({ kind, after, before }) => [kind, (after ?? before)?.slice(0, 2).join()]),
    [
      ['insert', '1,a'],
      ['update', '1,b'],
      ['delete', '1,b'],
    ],
  )
  const sql = events.flatMap((event) => (event.kind === 'query' ? [event.query.sql] : []))
  assert.ok(sql.some((text) => text.startsWith('alter table t add column')))
})

test('M28 a prepared transaction shows as such, with its name', async (t) => {
  for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
    const db = await table(t, kind)
    const name = `x'${Buffer.from(`g${db.name}`).toString('hex')}',x'ff',7`
    const { events } = await logged(db.server, async () => {
      await db.query(`xa start ${name}; insert into t (id) values (1); xa end ${name}`)
      await db.query(`xa prepare ${name}`)
      await db.query(`xa rollback ${name}`)
    })
    const prepared = events.flatMap((event) =>
      event.kind === 'xa-prepare' ? [event.prepared] : [],
    )
    const wanted = `X'${Buffer.from(`g${db.name}`).toString('hex')}',X'ff',7`
    assert.deepEqual(prepared, [{ onePhase: false, xid: wanted }])
    const sql = events.flatMap((event) => (event.kind === 'query' ? [event.query.sql] : []))
    assert.ok(sql.includes(`XA ROLLBACK ${wanted}`), sql.join(' | '))
  }
})

test('M34 a connection that went silent is asked for and given up', async () => {
  const server = await mysql('mysql-5.6')
  const { file, position } = await logEnd(server)
  const start = { by: 'file', file, position: BigInt(position) } as const
  let asked = 0
  const alive = async (): Promise<boolean> => ++asked < 3
  const session = await sourceSession(server)
  await using dump = await Dump.open(session, { start, alive, silence: 1 })
  await assert.rejects(async () => {
    for (;;) await dump.next(anyOf())
  }, faultOf('HF-L108'))
  assert.equal(asked, 3)
})

test('M55 passwords and TLS work as the endpoint says', async () => {
  const server = await mysql('mysql-9')
  {
    await using admin = await sourceSession(server)
    await admin.query(`create user if not exists 'p'@'127.0.0.1' identified by 'pass word'`)
    await admin.query(`grant all on *.* to 'p'@'127.0.0.1'`)
  }
  const open = (mode: 'disable' | 'prefer' | 'require' | 'verify-full', password: string) =>
    connect(
      { ...endpointOf(server, { mode }), user: 'p', password: new Secret(password) },
      { side: 'source', mirror: 'm', purpose: 'test' },
    )
  for (const [mode, encrypted] of [
    ['disable', false],
    ['prefer', true],
    ['require', true],
  ] as const) {
    await using session = await open(mode, 'pass word')
    const [row] = await session.query(`show session status like 'Ssl_cipher'`)
    assert.equal((row?.['Value'] ?? '') !== '', encrypted, mode)
  }
  await assert.rejects(open('require', 'wrong'), faultOf('HF-S102'))
  await assert.rejects(open('verify-full', 'pass word'), faultOf('HF-S103'))
  const plain: MysqlServer = await mysql('mariadb-10.11')
  const options = { side: 'source', mirror: 'm', purpose: 'test' } as const
  await using _session = await connect(endpointOf(plain, { mode: 'prefer' }), options)
  await assert.rejects(connect(endpointOf(plain, { mode: 'require' }), options), faultOf('HF-S103'))
})

test('M46 generated, invisible and hidden columns stand in the log as in the catalogue', async (t) => {
  for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
    const db = await mysqlDatabase(t, kind)
    await db.query(
      `create table v (b int, c int as (b + 1) stored, d int as (b + 2) virtual, e int invisible default 3)`,
    )
    const work = async (): Promise<void> => {
      await db.query('insert into v (b) values (5)')
    }
    for (const options of [{}, byLog]) {
      const { changes } = await logged(db.server, work, options)
      assert.deepEqual(changes[0]?.after, ['5', '6', '7', '3'])
    }
  }
  const db = await mysqlDatabase(t, 'mysql-9')
  await db.query('create table f (a int, s varchar(9), key k ((a * 2)), key l ((upper(s))))')
  await db.query('set sql_generate_invisible_primary_key = on')
  await db.query('create table p (a int)')
  const { changes } = await logged(db.server, async () => {
    await db.query(`insert into f values (1, 'x')`)
    await db.query(`insert into p values (7)`)
  })
  assert.deepEqual(
    changes.map(({ after }) => after),
    [
      ['1', 'x'],
      ['1', '7'],
    ],
  )
})
