import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { once } from 'node:events'
import { syncBuiltinESMExports } from 'node:module'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect } from '../../../src/dialect/mysql/connect.ts'
import { Secret } from '../../../src/model/endpoint.ts'
import { Fault } from '../../../src/model/fault.ts'
import { settled } from '../../../src/model/position.ts'
import { openMysqlSource } from '../../../src/source/mysql/index.ts'
import { LANE } from '../../../src/source/mysql/place.ts'
import type { Source } from '../../../src/source/source.ts'
import { endpointOf } from '../../../testkit/binlog.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { type MysqlDatabase, mysql, mysqlServers } from '../../../testkit/servers/index.ts'
import { assertSame, copyOf, never, readAll, withChanges } from '../../contract/reading.ts'
import { refused, sourceOf, stand, toldBy } from './mysql.ts'

const PLAIN = 'create table t (id int primary key, v text)'

async function sourceAs(
  t: TestContext,
  db: MysqlDatabase,
  account: { readonly user: string; readonly password?: string; readonly tls?: 'require' },
): Promise<Source> {
  const { user, password = '', tls = 'disable' } = account
  const source = await openMysqlSource({
    endpoint: {
      ...endpointOf(db.server, { mode: tls }),
      database: db.name,
      user,
      password: new Secret(password),
    },
    mirror: 'test',
    selection: { include: [], exclude: [], keyless: 'refuse' },
  })
  t.after(() => source[Symbol.asyncDispose]())
  return source
}

for (const kind of mysqlServers) {
  test(`M12 every place that is handed out is where an event ends, on ${kind}`, async (t) => {
    const { db, read } = await stand(t, kind, PLAIN)
    for (let i = 0; i < 5; i++) {
      await db.query(
        `begin; insert into t values (${i}, repeat('x', ${i * 9000})); update t set v = 'y'; commit`,
      )
    }
    await db.query('alter table t add column n int')
    await db.query('truncate t')
    for (const { positions } of await read()) {
      const [, file = '', at = ''] = /\/([^/:]+):(\d+)/.exec(positions.get(LANE)?.token ?? '') ?? []
      const events = await db.query(`show binlog events in '${file}'`)
      assert.ok(
        events.some((event) => event['End_log_pos'] === at),
        `${file}:${at} is where an event ends`,
      )
    }
  })

  test(`M28 an XA transaction that was prepared before the beginning and is rolled back is told where its beginning is gone, on ${kind}`, async (t) => {
    if (kind === 'mysql-5.6' || kind === 'given') return
    const { db, source, tables } = await stand(t, kind, PLAIN)
    const one = await db.session()
    await one.query(`xa start 'z'; insert into t values (1, 'a'); xa end 'z'; xa prepare 'z'`)
    const after = settled(await source.fence())
    await one.query(`xa rollback 'z'; insert into t values (2, 'b')`)
    // Of these nothing is in the log, or all of it.
    await one.query(`xa start 'e'; xa end 'e'; xa prepare 'e'; xa rollback 'e'; xa start 'r';
      insert into t values (3, 'c'); xa end 'r'; xa rollback 'r'; xa start 'p';
      insert into t values (4, 'd'); xa end 'p'; xa prepare 'p'; xa rollback 'p'`)
    const said: string[] = []
    const told = await sourceOf(t, db, (text) => said.push(text))
    const wanted = [[['insert', 't', ['2', 'b']]]]
    assert.deepEqual(toldBy(await readAll({ source: told, after, tables })), wanted)
    assert.deepEqual(said, [])
    await one.query(`xa start 'g'; insert into t values (5, 'e'); xa end 'g'; xa prepare 'g'`)
    await eventually('the log of it is purged', async () => {
      await db.query('flush binary logs')
      const file = (await db.query('show binary logs')).at(-1)?.['Log_name'] ?? ''
      await db.query(`purge binary logs to '${file}'`)
      return (await db.query('show binary logs')).length === 1
    })
    const later = settled(await source.fence())
    await one.query(`xa rollback 'g'`)
    assert.deepEqual(toldBy(await readAll({ source: told, after: later, tables })), [])
    assert.equal(said.length, 1, said.join('; '))
    assert.match(said[0] ?? '', /^The XA transaction .* ended without its rows.*holdfast verify$/)
  })

  test(`M27 a DELETE of several tables brings the rows of each, on ${kind}`, async (t) => {
    // What a cascade removes is in the log since MySQL 9.6; elsewhere such a key is refused.
    const cascade = kind === 'mysql-9' ? ' on delete cascade' : ''
    const at = await stand(
      t,
      kind,
      `create table p (id int primary key, v text);
       create table c (id int primary key, p int, foreign key (p) references p (id)${cascade})`,
    )
    const rows = Array.from({ length: 60 }, (_, i) => i)
    const { db, source, tables } = at
    await db.query(`insert into p values ${rows.map((i) => `(${i}, 'v')`)};
      insert into c values ${rows.map((i) => `(${i}, ${i % 20})`)}`)
    await using snapshot = await source.snapshot({ keep: true }, never)
    const copied = await copyOf(source, snapshot, tables)
    if (cascade === '') {
      await db.query(
        'delete c from c join p on c.p = p.id where p.id < 10; delete from p where id < 10',
      )
      await db.query('delete p, c from p left join c on c.p = p.id where p.id > 50')
    } else {
      await db.query('delete p, c from p join c on c.p = p.id where p.id < 10')
      await db.query('delete from p where id = 12')
    }
    const read = await readAll({ source, after: snapshot.positions, tables })
    const ids = async (name: string): Promise<readonly string[]> =>
      (await db.query(`select * from ${name}`))
        .map((row) => JSON.stringify(Object.values(row)))
        .sort()
    assertSame(
      withChanges(copied, read),
      new Map([
        ['c', await ids('c')],
        ['p', await ids('p')],
      ]),
    )
  })
}

for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
  const gtids: Readonly<Record<string, string>> =
    kind === 'mysql-9' ? { 'gtid-mode': 'ON', 'enforce-gtid-consistency': 'ON' } : {}

  test(`M3 the names of transactions decide where a stream begins, not a file that went, on ${kind}`, async (t) => {
    await using server = await mysql(kind, { settings: gtids })
    const { db, read, source } = await stand(t, server, PLAIN)
    for (let i = 0; i < 4; i++) await db.query(`insert into t values (${i}, 'a')`)
    const all = await read()
    const token = all[1]?.positions.get(LANE)?.token ?? ''
    const [names = '', place = ''] = token.split(' ')
    assert.match(place, /:\d+$/)
    const other = place.replace(/:\d+$/, ':4')
    // Another server's file, and one of this server that does not fit.
    for (const file of [other, `${'0'.repeat(32)}/gone.000099:77`]) {
      const after = new Map([[LANE, source.position(LANE, `${names} ${file}`)]])
      assert.deepEqual(toldBy(await read(after)), toldBy(all.slice(2)))
    }
    await db.query('flush binary logs')
    const [newest] = (await db.query('show binary logs')).slice(-1)
    const last = settled((await read()).at(-1)?.positions ?? new Map())
    await eventually('the first file is purged', async () => {
      await db.query(`purge binary logs to '${newest?.['Log_name']}'`)
      return (await db.query('show binary logs')).length === 1
    })
    await db.query(`insert into t values (9, 'b')`)
    assert.deepEqual(toldBy(await read(last)), [[['insert', 't', ['9', 'b']]]])
  })

  test(`M9 one of two readers of the same name is ended, and begins again as another, on ${kind}`, async (t) => {
    await using server = await mysql(kind, { settings: gtids })
    const { db, source, tables, after } = await stand(t, server, PLAIN)
    const { randomInt, randomUUID } = crypto
    t.mock.method(crypto, 'randomInt', () => 0xe1234567)
    t.mock.method(crypto, 'randomUUID', () => 'e1234567-0000-4000-8000-000000000000')
    syncBuiltinESMExports()
    t.after(() => {
      Object.assign(crypto, { randomInt, randomUUID })
      syncBuiltinESMExports()
    })
    const dumps = async (): Promise<readonly string[]> => {
      const threads = await db.query('show processlist')
      const ours = threads.filter(({ Command }) => Command?.startsWith('Binlog Dump'))
      return ours.map(({ Id }) => Id ?? '')
    }
    const begun = (): { readonly end: Promise<unknown> } => {
      const bursts = source.stream(after, { tables, encoding: 'values' }, stop.signal)
      const end = (async () => {
        for await (const _ of bursts);
      })()
      return { end: end.catch((error: unknown) => error) }
    }
    const stop = new AbortController()
    const first = begun()
    const [one] = await eventually('the first one reads', async () => {
      const threads = await dumps()
      return threads.length > 0 && threads
    })
    const second = begun()
    const error = await first.end
    assert.ok(error instanceof Fault, String(error))
    assert.equal(error.code, 'HF-L124', error.message)
    assert.ok(error.transient)
    await eventually('the second one reads', async () => {
      const threads = await dumps()
      return threads.length > 0 && !threads.includes(one ?? '')
    })
    await db.query(`insert into t values (1, 'a')`)
    stop.abort()
    assert.equal(await second.end, undefined)
    assert.equal((await readAll({ source, after, tables })).length, 1)
  })

  test(`M49 a view needs no more rights than to read tables and the log, on ${kind}`, async (t) => {
    await using server = await mysql(kind, { settings: gtids })
    const { db, tables } = await stand(t, server, PLAIN)
    await db.query(`insert into t values (1, 'a'), (2, 'b')`)
    await db.query(`create user u@'127.0.0.1' identified by 'secret'`)
    await db.query(`grant replication slave, replication client on *.* to u@'127.0.0.1'`)
    await db.query(`grant select on \`${db.name}\`.* to u@'127.0.0.1'`)
    const source = await sourceAs(t, db, { user: 'u', password: 'secret' })
    assert.deepEqual(
      (await source.preflight()).filter(({ level }) => level === 'fail'),
      [],
    )
    await using snapshot = await source.snapshot({ keep: true }, never)
    const copied = await copyOf(source, snapshot, tables)
    await db.query(`update t set v = 'c' where id = 1`)
    const read = await readAll({ source, after: snapshot.positions, tables })
    const rows = ['["1","c"]', '["2","b"]']
    assertSame(withChanges(copied, read), new Map([['t', rows]]))
  })
}

test('M49 without names of transactions a view needs a new file of the log, and says so', async (t) => {
  await using server = await mysql('mysql-9', { settings: { 'gtid-mode': 'OFF' } })
  const { db } = await stand(t, server, PLAIN)
  await db.query(`create user u@'127.0.0.1' identified by 'secret'`)
  await db.query(`grant replication slave, replication client on *.* to u@'127.0.0.1'`)
  await db.query(`grant select on \`${db.name}\`.* to u@'127.0.0.1'`)
  const source = await sourceAs(t, db, { user: 'u', password: 'secret' })
  await refused(source.snapshot({ keep: true }, never), 'HF-S106', /may not begin a new file/)
})

for (const kind of ['mysql-9', 'mysql-5.6', 'mariadb-10.11'] as const) {
  test(`M32 what a server could not log is a hole that halts by name, on ${kind}`, async (t) => {
    await using server = await mysql(kind, {
      settings: { 'max-binlog-stmt-cache-size': '4096', 'binlog-stmt-cache-size': '4096' },
    })
    const { db, read } = await stand(
      t,
      server,
      `${PLAIN}; create table my (id int primary key, v longtext) engine = MyISAM`,
    )
    await db.query(`insert into t values (1, 'a')`)
    const rows = Array.from({ length: 40 }, (_, i) => `(${i}, repeat('x', 20000))`)
    await db.query(`insert into my values ${rows}`).catch(() => undefined)
    await db.query(`insert into t values (2, 'b')`)
    await refused(read(), 'HF-L112', /has a hole/)
  })

  test(`M51 no server is given a file of this machine, on ${kind}`, async (t) => {
    await using server = await mysql(kind, { settings: { 'local-infile': 'ON' } })
    const { db } = await stand(t, server, PLAIN)
    const endpoint = { ...endpointOf(server), database: db.name }
    const options = { side: 'source', mirror: 'test', purpose: 'test' } as const
    await using session = await connect(endpoint, options)
    await assert.rejects(
      session.query(`load data local infile '/etc/hostname' into table t`),
      Fault,
    )
    assert.deepEqual(await db.query('select * from t'), [])
  })
}

test('M51 a server is told that it may not ask for files, and gets none', async () => {
  const greeted = Promise.withResolvers<Buffer>()
  const peer = createServer((socket) => {
    socket.unref()
    socket.on('error', () => undefined)
    socket.once('data', (bytes) => {
      greeted.resolve(bytes)
      socket.once('data', (more) => asked.push(more))
      // In the place of an OK: “send me this file”.
      socket.write(packet(2, Buffer.from('\xfb/etc/passwd', 'latin1')))
    })
    socket.write(packet(0, GREETING))
  })
  const asked: Buffer[] = []
  peer.listen(0, '127.0.0.1')
  await once(peer, 'listening')
  const address = peer.address()
  assert.ok(address !== null && typeof address === 'object')
  const { port } = address
  const none = { mode: 'disable', ca: null, cert: null, key: null } as const
  const params = { scheme: 'mysql', host: '127.0.0.1', database: null, user: 'u', password: null }
  const endpoint = { ...params, port, tls: none, params: {} }
  const options = { side: 'source', mirror: 'test', purpose: 'test' } as const
  await assert.rejects(connect(endpoint, options), Fault)
  const answer = await greeted.promise
  const LOCAL_FILES = 0x80
  assert.equal(answer.readUInt32LE(4) & LOCAL_FILES, 0)
  assert.deepEqual(asked, [])
  peer.close()
})

function packet(number: number, body: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUIntLE(body.length, 0, 3)
  head[3] = number
  return Buffer.concat([head, body])
}

/** HandshakeV10 of a server that can do everything. */
const GREETING = Buffer.concat([
  Buffer.from([10]),
  Buffer.from('8.0.36\0'),
  Buffer.from([1, 0, 0, 0]),
  Buffer.from('12345678\0'),
  Buffer.from([0xff, 0xf7, 45, 2, 0, 0xff, 0x81, 21]),
  Buffer.alloc(10),
  Buffer.from('123456789012\0'),
  Buffer.from('mysql_native_password\0'),
])

test('M55 a password is given anew over TLS after the server forgot it, in the middle of a mirror', async (t) => {
  await using server = await mysql('mysql-9', {})
  const { db, tables, after } = await stand(t, server, PLAIN)
  const user = 'u'
  await db.query(
    `create user ${user}@'127.0.0.1' identified with caching_sha2_password by 'sécret'`,
  )
  await db.query(`grant replication slave, replication client on *.* to ${user}@'127.0.0.1'`)
  await db.query(`grant select on \`${db.name}\`.* to ${user}@'127.0.0.1'`)
  const source = await sourceAs(t, db, { user, password: 'sécret', tls: 'require' })
  let reached = after
  for (let round = 0; round < 3; round++) {
    await db.query(`insert into t values (${round}, repeat('x', 60000))`)
    // From here on the server knows no password by its digest.
    await db.query('flush privileges')
    const read = await readAll({ source, after: reached, tables })
    assert.equal(read.length, 1)
    reached = settled(read.at(-1)?.positions ?? after)
  }
})
