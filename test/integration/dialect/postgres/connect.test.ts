import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { connect } from '../../../../src/dialect/postgres/connect.ts'
import { sqlstateOf } from '../../../../src/dialect/postgres/errors.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { database, postgres } from '../../../../testkit/servers/index.ts'
import { certificates, type TlsServer, tlsServer } from '../../../../testkit/tls.ts'

type Side = 'source' | 'target'

const open = (url: string, side: Side = 'source', replication = false) =>
  connect(parseUrl(url, 'the test'), { side, mirror: 'm', purpose: 'test', replication })

async function refused(code: string, url: string, side: Side = 'source'): Promise<Fault> {
  try {
    await using _ = await open(url, side)
  } catch (error) {
    assert.ok(error instanceof Fault, String(error))
    assert.equal(error.code, code, error.message)
    return error
  }
  throw new assert.AssertionError({ message: `connected, where ${code} was expected` })
}

/** Sets variables of libpq until it is disposed. */
function environment(variables: Readonly<Record<string, string>>): Disposable {
  const before = { ...process.env }
  Object.assign(process.env, variables)
  return {
    [Symbol.dispose]() {
      for (const name of Object.keys(variables)) {
        if (before[name] === undefined) delete process.env[name]
        else process.env[name] = before[name]
      }
    },
  }
}

for (const major of [14, 18] as const) {
  describe(`PostgreSQL ${major}`, () => {
    test('settings are pinned, whatever the role, the database and the environment say', async (t) => {
      const db = await database(t, major)
      await db.query(`
        alter database ${db.name} set datestyle = 'German';
        alter database ${db.name} set extra_float_digits = 0;
        alter database ${db.name} set bytea_output = 'escape';
        alter database ${db.name} set intervalstyle = 'sql_standard';
        alter database ${db.name} set timezone = 'Pacific/Apia';
        alter database ${db.name} set search_path = 'nowhere'`)
      using _ = environment({
        PGOPTIONS: '-c datestyle=SQL',
        PGSSLMODE: 'require',
        PGREPLICATION: 'true',
      })
      for (const replication of [false, true]) {
        await using session = await open(db.url, 'source', replication)
        const [row] = await session.query(
          `select '2020-02-01'::date as d, 0.1::float8 + 0.2::float8 as f, '\\x01'::bytea as b,
             '1 month -3 days'::interval as i, '2020-01-01 00:00+00'::timestamptz as t,
             current_setting('search_path') as s, current_setting('application_name') as a`,
        )
        assert.deepEqual(row, {
          d: '2020-02-01',
          f: '0.30000000000000004',
          b: '\\x01',
          i: '1 mon -3 days',
          t: '2020-01-01 00:00:00+00',
          s: '',
          a: 'holdfast:m:test',
        })
      }
    })

    test('a session knows its server and its process, and runs calls one after another', async () => {
      const server = await postgres(major)
      await using session = await open(server.url())
      const rows = await Promise.all([
        session.query('select pg_backend_pid() as a'),
        session.query(`select current_setting('server_version_num') as a`),
        session.query('select $1::text as a; ', ['x']),
        session.query('select 1 as a; select 2 as a'),
      ])
      assert.deepEqual(
        rows.map(([row]) => row?.['a']),
        [String(session.pid), String(session.version), 'x', '2'],
      )
    })

    test('what the server answers becomes a fault without any value of a row', async () => {
      const server = await postgres(major)
      await using session = await open(server.url())
      const failing = async (sql: string): Promise<Fault> => {
        const error: unknown = await session.query(sql).catch((caught: unknown) => caught)
        assert.ok(error instanceof Fault)
        return error
      }
      const value = await failing(`select 'a secret'::int`)
      assert.equal(sqlstateOf(value), '22P02')
      assert.doesNotMatch(JSON.stringify([value, value.message, value.detail]), /secret/)
      assert.equal((await failing('select * from nothing_there')).code, 'HF-S107')
      const raised = await failing(`do $$ begin raise 'a secret %', 1; end $$`)
      assert.doesNotMatch(JSON.stringify([raised.message, raised.detail]), /secret/)
    })

    test('a session that ends by itself says so', async () => {
      const server = await postgres(major)
      await using session = await open(server.url())
      await using other = await open(server.url(), 'target')
      const gone = new Promise((resolve) => session.lost.addEventListener('abort', resolve))
      await other.query(`select pg_terminate_backend(${session.pid})`)
      await gone
      assert.ok(session.lost.reason instanceof Fault && session.lost.reason.code === 'HF-S101')
      await assert.rejects(session.query('select 1'), session.lost.reason)
    })

    test('a wrong host, port, database, user or password is named by what it is', async () => {
      await using server = await postgres(major, {
        hba: ['host all locked 127.0.0.1/32 scram-sha-256', 'host all postgres 127.0.0.1/32 trust'],
      })
      await using admin = await open(server.url())
      await admin.query(`create role locked login password 'the right one'`)
      const url = (user: string, port = server.port): string =>
        `postgres://${user}@127.0.0.1:${port}/postgres`
      for (const side of ['source', 'target'] as const) {
        const [unreachable, auth] =
          side === 'source' ? (['HF-S101', 'HF-S102'] as const) : (['HF-T201', 'HF-T204'] as const)
        const none = await refused(unreachable, url('locked', 1), side)
        assert.match(none.message, /127\.0\.0\.1:1\b/)
        await refused(unreachable, 'postgres://a@nowhere.invalid/x', side)
        await refused(auth, url('locked'), side)
        const wrong = await refused(auth, url('locked:not-the-password'), side)
        assert.doesNotMatch(JSON.stringify(wrong.detail), /not-the-password/)
        await refused(auth, url('nobody'), side)
        await using _ = await open(url('locked:the%20right%20one'), side)
      }
      await server.stop()
      await refused('HF-S101', url('postgres'))
    })
  })
}

test('a database that is not there and a full server are named', async () => {
  await using server = await postgres(18, {
    settings: { max_connections: '5', superuser_reserved_connections: '0' },
  })
  await refused('HF-S104', server.url('nothing'))
  await refused('HF-T212', server.url('nothing'), 'target')
  await using held = new AsyncDisposableStack()
  for (let i = 0; i < 5; i++) held.use(await open(server.url()))
  await refused('HF-S105', server.url())
  await refused('HF-T213', server.url(), 'target')
})

test('a server that takes the connection and says nothing is given up within seconds', async (t) => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  t.after(() => silent.close())
  await once(silent, 'listening')
  const address = silent.address()
  assert.ok(typeof address === 'object' && address !== null)
  const fault = await refused('HF-S101', `postgres://a@127.0.0.1:${address.port}/x?sslmode=disable`)
  assert.match(fault.message, /does not answer/)
})

describe('TLS, with libpq’s meaning of the modes', () => {
  async function check(server: TlsServer, expected: readonly (readonly [string, boolean])[]) {
    for (const [query, works] of expected) {
      const url = `${server.url()}?${query}`
      if (!works) await refused('HF-S103', url)
      else {
        await using session = await open(url)
        const [row] = await session.query(
          'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
        )
        assert.equal(row?.['ssl'], 't', query)
      }
    }
  }

  for (const major of [14, 18] as const) {
    test(`PostgreSQL ${major}: right, wrong-host and self-signed certificates`, async () => {
      await using made = await certificates()
      await using server = await tlsServer(major, made.server.right)
      const ca = `sslrootcert=${made.authority}`
      const stranger = `sslrootcert=${made.stranger}`
      await check(server, [
        ['sslmode=prefer', true],
        ['sslmode=require', true],
        [`sslmode=require&${ca}`, true],
        [`sslmode=require&${stranger}`, false],
        [`sslmode=verify-ca&${ca}`, true],
        [`sslmode=verify-ca&${stranger}`, false],
        ['sslmode=verify-ca', false],
        [`sslmode=verify-full&${ca}`, true],
        [`sslmode=verify-full&${stranger}`, false],
        ['sslmode=verify-full', false],
        ['sslmode=verify-full&sslrootcert=/nowhere.pem', false],
      ])
      await refused('HF-S102', `${server.url()}?sslmode=disable`)
      await server.present(made.server['wrong-host'])
      await check(server, [
        ['sslmode=require', true],
        [`sslmode=verify-ca&${ca}`, true],
        [`sslmode=verify-full&${ca}`, false],
      ])
      await server.present(made.server['self-signed'])
      await check(server, [
        ['sslmode=prefer', true],
        ['sslmode=require', true],
        [`sslmode=verify-ca&${ca}`, false],
        [`sslmode=verify-full&sslrootcert=${made.server['self-signed'].certificate}`, true],
      ])
    })
  }

  test('without TLS at the server, prefer goes on and require does not', async () => {
    const server = await postgres(18)
    await using session = await open(`${server.url()}?sslmode=prefer`)
    const [row] = await session.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
    assert.equal(row?.['ssl'], 'f')
    await refused('HF-S103', `${server.url()}?sslmode=require`)
    await refused('HF-T211', `${server.url()}?sslmode=require`, 'target')
  })
})
