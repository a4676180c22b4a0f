import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { startChild } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { mysql, mysqlDatabase, mysqlServers, openMysql } from '../../../testkit/servers/index.ts'

const kit = JSON.stringify(new URL('../../../testkit/servers/index.ts', import.meta.url).href)

for (const kind of mysqlServers) {
  test(`a database on ${kind}, ready for replication by row`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    const [row] = await db.query('select ? as a, null as b, database() as c', [1])
    assert.deepEqual({ ...row }, { a: '1', b: null, c: db.name })
    const [set] = await db.query('select @@global.log_bin as a, @@global.binlog_format as b')
    assert.deepEqual({ ...set }, { a: '1', b: 'ROW' })
    await db.query('create table t (a text character set utf8mb4)')
    await db.query('insert into t values (?)', ['ü😀'])
    assert.deepEqual((await db.query('select hex(a) as a from t'))[0]?.a, 'C3BCF09F9880')
    assert.match((await db.query('select version() as v'))[0]?.v ?? '', version(kind))
  })
}

function version(kind: string): RegExp {
  const [, dots = ''] = /-([\d.]+)$/.exec(kind) ?? []
  return new RegExp(`^${dots.replaceAll('.', '\\.')}`)
}

test('a database goes away when its test ends', async (t) => {
  let name = ''
  await t.test('a test', async (inner) => {
    name = (await mysqlDatabase(inner, 'mariadb-10.11')).name
  })
  await using session = await openMysql((await mysql('mariadb-10.11')).url())
  assert.notEqual(name, '')
  assert.deepEqual(await session.query('show databases like ?', [name]), [])
})

test('a server keeps its port, its settings and its committed rows over a crash', async () => {
  await using server = await mysql('mysql-5.6', { settings: { 'max-connections': '17' } })
  const { port, dataDirectory } = server
  await using before = await openMysql(server.url())
  await before.query('create table t (id int); insert into t values (7)')
  await server.stop('crash')
  await assert.rejects(openMysql(server.url()), /ECONNREFUSED/)
  await server.start()
  assert.equal(server.port, port)
  await using after = await openMysql(server.url())
  const [row] = await after.query('select id, @@max_connections as m from t')
  assert.deepEqual({ ...row }, { id: '7', m: '17' })
  await server[Symbol.asyncDispose]()
  assert.equal(existsSync(dataDirectory), false)
  assert.match(await server.log(), /crash recovery/i)
})

test('each server of one template is another one', async () => {
  await using one = await mysql('mysql-5.6', {})
  await using other = await mysql('mysql-5.6', {})
  const asked = [one, other].map(async (server) => {
    await using session = await openMysql(server.url())
    return (await session.query('select @@server_uuid as u'))[0]?.u
  })
  assert.equal(new Set(await Promise.all(asked)).size, 2)
})

test('a server that cannot start says why', async () => {
  const wrong = mysql('mysql-5.6', { settings: { 'no-such-setting': '1' } })
  await assert.rejects(wrong, /no-such-setting/)
})

test('a test process that is killed leaves neither server nor folder', async () => {
  const script = `
    import { mysql } from ${kit}
    const server = await mysql('mysql-5.6')
    console.log(server.dataDirectory)
    console.log(server.url())
    setInterval(() => {}, 1000)`
  await using child = startChild(process.execPath, ['--input-type=module', '-e', script])
  const data = await child.line(/^\//)
  const url = await child.line(/^mysql:/)
  assert.ok(statSync(data).isDirectory())
  await child.kill('SIGKILL')
  await eventually('the folder of the server is gone', () => !existsSync(data))
  await assert.rejects(openMysql(url), /ECONNREFUSED/)
})

test('a server given by its address is used as it is', async () => {
  await using own = await mysql('mysql-5.6', {})
  const script = `
    import { mysql, mysqlServers } from ${kit}
    const server = await mysql(mysqlServers.at(-1))
    console.log(server.kind, server.url('a b'), server.port)
    await server.stop().catch((error) => console.log(error.message))`
  await using child = startChild(process.execPath, ['--input-type=module', '-e', script], {
    env: { HOLDFAST_TEST_MYSQL_URL: own.url() },
  })
  await child.end()
  assert.deepEqual(child.stdout, [
    `given ${own.url('a b')} ${own.port}`,
    'The server was given by its address and is not ours to stop.',
  ])
})
