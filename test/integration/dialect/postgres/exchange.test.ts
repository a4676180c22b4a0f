import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { connect, type Session } from '../../../../src/dialect/postgres/connect.ts'
import { ExchangeError, exchange } from '../../../../src/dialect/postgres/exchange.ts'
import { startProxy } from '../../../../testkit/proxy.ts'
import { database } from '../../../../testkit/servers/index.ts'

async function sessionOf(url: string): Promise<Session> {
  const endpoint = parseUrl(url, 'the test')
  return await connect(endpoint, { side: 'target', mirror: 'x', purpose: 'test' })
}

async function fresh(t: TestContext): Promise<Session> {
  return await sessionOf((await database(t, 18)).url)
}

test('statements of one exchange give their outcomes in order', async (t) => {
  await using session = await fresh(t)
  const outcomes = await exchange(session, (pipe) => {
    pipe.statement('create temp table t (a int, b text)')
    pipe.parse('put', 'insert into t values ($1, $2)', [23, 25])
    for (let i = 0; i < 100; i++) {
      pipe.bind('put', [String(i), i % 2 === 0 ? null : `ä${i}`])
      pipe.execute(i)
    }
    pipe.statement('update t set b = $1 where a < $2', { params: ['x', '10'], keep: true })
    pipe.statement('select a, b from t where a in (9, 10, 11) order by a', { keep: true })
    pipe.forget('put')
    return Promise.resolve()
  })
  assert.deepEqual(outcomes, [
    { tag: 'UPDATE 10', rows: [] },
    {
      tag: 'SELECT 3',
      rows: [
        ['9', 'x'],
        ['10', null],
        ['11', 'ä11'],
      ],
    },
  ])
  assert.deepEqual(await session.query('select count(*) as n from pg_prepared_statements'), [
    { n: '0' },
  ])
})

test('the statement that fails is named by its label, and the rest is skipped', async (t) => {
  await using session = await fresh(t)
  await session.query('create table t (a int primary key)')
  const failed = exchange(session, (pipe) => {
    pipe.statement('begin')
    pipe.parse('put', 'insert into t values ($1)', [23])
    for (const a of ['1', '2', '1', '3']) {
      pipe.bind('put', [a])
      pipe.execute(`row ${a}`)
    }
    pipe.statement('commit')
    return Promise.resolve()
  })
  await assert.rejects(failed, (error: unknown) => {
    assert.ok(error instanceof ExchangeError)
    assert.equal(error.label, 'row 1')
    return error.refused
  })
  await session.query('rollback')
  assert.deepEqual(await session.query('select * from t'), [])
})

test('a copy that the server refuses, or whose writer fails, leaves the session usable', async (t) => {
  await using session = await fresh(t)
  await session.query('create table t (a int)')
  const refused = exchange(session, async (pipe) => {
    pipe.statement('begin')
    pipe.statement('copy t from stdin', { label: 'the copy' })
    pipe.copyBegins()
    pipe.copyBytes(Buffer.from('not a number\n'))
    // Far more than fits between the two ends: the refusal arrives while it is written.
    const rest = Buffer.alloc(1 << 20, '7\n')
    for (let i = 0; i < 64 && !pipe.stopped; i++) {
      pipe.copyBytes(rest)
      await pipe.room()
    }
    pipe.copyDone()
    pipe.statement('commit', { label: 'the commit' })
  })
  await assert.rejects(refused, (error: unknown) => {
    assert.ok(error instanceof ExchangeError)
    return error.label === 'the copy' && error.refused
  })
  await session.query('rollback')
  const broken = exchange(session, (pipe) => {
    pipe.statement('begin')
    pipe.statement('copy t from stdin')
    pipe.copyBegins()
    pipe.copyBytes(Buffer.from('1\n'))
    return Promise.reject(new Error('the writer gave up'))
  })
  await assert.rejects(broken, /the writer gave up/)
  await session.query('rollback')
  assert.deepEqual(await session.query('select count(*) as n from t'), [{ n: '0' }])
})

test('much is written no faster than the server takes it', async (t) => {
  const db = await database(t, 18)
  await using proxy = await startProxy(db.server)
  await using session = await sessionOf(proxy.url(db.url))
  await session.query('create table t (a text)')
  const { stream } = session.client.connection
  proxy.freezeAll()
  let written = 0
  const chunk = Buffer.from(`${'x'.repeat(99)}\n`.repeat(10_000))
  const copying = exchange(session, async (pipe) => {
    pipe.statement('copy t from stdin', { keep: true })
    pipe.copyBegins()
    for (; written < 64; written++) {
      pipe.copyBytes(chunk)
      await pipe.room()
    }
    pipe.copyDone()
  })
  await db.query('select pg_sleep(0.2)')
  assert.ok(written < 64, 'the writer waits')
  assert.ok(stream.writableLength < 8 << 20, `${stream.writableLength} bytes wait in memory`)
  proxy.thawAll()
  assert.deepEqual(await copying, [{ tag: 'COPY 640000', rows: [] }])
})

test('a connection that ends in the middle of an exchange is reported, wherever it waits', async (t) => {
  const db = await database(t, 18)
  await using proxy = await startProxy(db.server)
  for (const waits of [true, false]) {
    await using session = await sessionOf(proxy.url(db.url))
    await session.query('create table if not exists t (a text)')
    const begun = Promise.withResolvers<void>()
    const idle = Promise.withResolvers<void>()
    session.lost.addEventListener('abort', () => idle.resolve())
    const lost = exchange(session, async (pipe) => {
      pipe.statement('begin')
      pipe.statement('copy t from stdin')
      pipe.copyBegins()
      if (waits) proxy.freezeAll()
      begun.resolve()
      for (let i = 0; i < 64 && !pipe.stopped; i++) {
        pipe.copyBytes(Buffer.alloc(1 << 20, 'x\n'))
        await pipe.room()
      }
      if (!waits) await idle.promise
    })
    await begun.promise
    await db.query('select pg_sleep(0.1)')
    proxy.thawAll()
    proxy.cutAll()
    await assert.rejects(lost, (error: unknown) => error instanceof ExchangeError && !error.refused)
    assert.ok(session.lost.aborted)
  }
})
