import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { test } from 'node:test'
import pg from 'pg'
import { startChild } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { database, majors, openSession, postgres } from '../../../testkit/servers/index.ts'

for (const major of majors) {
  test(`a database on PostgreSQL ${major}, ready for logical replication`, async (t) => {
    const db = await database(t, major)
    const [row] = await db.query('select $1::int as a, null as b, true as c', ['1'])
    assert.deepEqual({ ...row }, { a: '1', b: null, c: 't' })
    const [version] = await db.query('show server_version_num')
    assert.equal(Math.trunc(Number(version?.server_version_num) / 10_000), major)
    for (const [setting, value] of [
      ['wal_level', 'logical'],
      ['listen_addresses', '127.0.0.1'],
      ['max_replication_slots', '40'],
    ] as const) {
      const [shown] = await db.query(`select current_setting($1) as value`, [setting])
      assert.equal(shown?.value, value)
    }
    await db.query('create extension hstore')
    await db.query(`select pg_create_logical_replication_slot('s_${db.name}', 'pgoutput')`)
  })
}

test('a database goes away with its slots when its test ends', async (t) => {
  let name = ''
  await t.test('a test that leaves much behind', async (inner) => {
    const db = await database(inner, 18)
    name = db.name
    await db.query(`select pg_create_logical_replication_slot('left_${name}', 'pgoutput')`)
    await db.query(`select pg_create_logical_replication_slot('busy_${name}', 'pgoutput')`)
    await keepBusy(db.url, `busy_${name}`)
    await db.session()
  })
  await using admin = await openSession((await postgres(18)).url())
  const left = await admin.query(
    `select datname as name from pg_database where datname = $1
     union all select slot_name from pg_replication_slots where database = $1`,
    [name],
  )
  assert.notEqual(name, '')
  assert.deepEqual(left, [])
})

test('a server keeps its port and its committed rows over a crash', async () => {
  await using server = await postgres(17, { settings: { max_replication_slots: '1' } })
  const before = server.port
  {
    await using session = await openSession(server.url())
    await session.query('create table t (id int); insert into t values (7)')
    await server.stop('immediate')
  }
  assert.equal(server.running, false)
  await assert.rejects(openSession(server.url()), /ECONNREFUSED/)
  await server.start()
  assert.equal(server.port, before)
  await using session = await openSession(server.url())
  assert.equal((await session.query('select id from t'))[0]?.id, '7')
  assert.equal((await session.query('show max_replication_slots'))[0]?.max_replication_slots, '1')
  assert.match(await server.log(), /database system was not properly shut down/)
})

test('a disposed server is gone, its log is not', async () => {
  const server = await postgres(16, { hba: ['host all all 127.0.0.1/32 reject'] })
  await assert.rejects(openSession(server.url()), /pg_hba.conf rejects/)
  await server[Symbol.asyncDispose]()
  assert.equal(existsSync(server.dataDirectory), false)
  assert.match(await server.log(), /ready to accept connections/)
})

test('a server that cannot start says why', async () => {
  await assert.rejects(postgres(18, { settings: { shared_buffers: 'a lot' } }), /shared_buffers/)
})

test('a test process that is killed leaves neither server nor folder', async () => {
  const script = `
    import { postgres } from ${JSON.stringify(new URL('../../../testkit/servers/index.ts', import.meta.url).href)}
    const server = await postgres(15)
    console.log(server.dataDirectory)
    console.log(server.url())
    setInterval(() => {}, 1000)`
  await using child = startChild(process.execPath, ['--input-type=module', '-e', script])
  const data = await child.line(/^\//)
  const url = await child.line(/^postgres:/)
  assert.ok(statSync(data).isDirectory())
  await child.kill('SIGKILL')
  await eventually('the folder of the server is gone', () => !existsSync(data))
  await assert.rejects(openSession(url), /ECONNREFUSED/)
})

test('processes that start at once do not get in each other’s way', async () => {
  const script = `
    import { openSession, postgres } from ${JSON.stringify(new URL('../../../testkit/servers/index.ts', import.meta.url).href)}
    const server = await postgres(14)
    await using session = await openSession(server.url())
    console.log('port', server.port)`
  const children = [1, 2, 3].map(() =>
    startChild(process.execPath, ['--input-type=module', '-e', script]),
  )
  const ports = await Promise.all(children.map((child) => child.line(/^port \d+/)))
  assert.equal(new Set(ports).size, 3)
  for (const child of children) assert.deepEqual(await child.end(), { code: 0, signal: null })
})

test('a server given by its address is used as it is', async () => {
  const own = await postgres(16, {})
  const script = `
    import { postgres } from ${JSON.stringify(new URL('../../../testkit/servers/index.ts', import.meta.url).href)}
    const server = await postgres(16)
    console.log(server.url('a b'), server.port)
    await server.stop().catch((error) => console.log(error.message))`
  await using child = startChild(process.execPath, ['--input-type=module', '-e', script], {
    env: { HOLDFAST_TEST_PG_16: own.url() },
  })
  await child.end()
  assert.deepEqual(child.stdout, [
    `${own.url('a b')} ${own.port}`,
    'PostgreSQL 16 was given by its address and is not ours to stop.',
  ])
  await own[Symbol.asyncDispose]()
})

/** Streams from a slot until the server ends the connection; a slot in use cannot be dropped. */
async function keepBusy(url: string, slot: string): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    replication: 'database',
  } as pg.ClientConfig)
  client.on('error', () => {})
  await client.connect()
  const options = "(proto_version '1', publication_names 'none')"
  client.query(`START_REPLICATION SLOT ${slot} LOGICAL 0/0 ${options}`).catch(() => {})
  await using admin = await openSession(url)
  const active = 'select 1 from pg_replication_slots where slot_name = $1 and active'
  await eventually('the slot is in use', async () => (await admin.query(active, [slot]))[0])
}
