import assert from 'node:assert/strict'
import { test } from 'node:test'
import { debian } from '../../../testkit/debian.ts'
import { pgbouncer } from '../../../testkit/pgbouncer.ts'
import { database, openSession } from '../../../testkit/servers/index.ts'
import { run } from '../../../testkit/servers/machine.ts'

test('transactions of one client may meet different servers behind PgBouncer', async (t) => {
  const db = await database(t, 18)
  await using bouncer = await pgbouncer(db.server)
  await using first = await openSession(bouncer.url(db.name))
  await using second = await openSession(bouncer.url(db.name))
  const pid = 'select pg_backend_pid() as pid'
  await first.query('begin')
  const [held] = await first.query(pid)
  const [other] = await second.query(pid)
  assert.notEqual(held?.pid, other?.pid)
  await first.query('commit')
  const [inTurn] = await second.query(pid)
  const [again] = await first.query(pid)
  // No transaction is open: both are served by the backend that was used last.
  assert.equal(inTurn?.pid, again?.pid)
})

test('PgBouncer refuses startup settings that it does not track', async (t) => {
  const db = await database(t, 18)
  await using bouncer = await pgbouncer(db.server)
  await assert.rejects(
    openSession(`${bouncer.url(db.name)}?options=-c%20extra_float_digits%3D0`),
    /unsupported startup parameter/,
  )
})

test('the client programs of PostgreSQL run', async () => {
  const found = await debian('postgresql')
  for (const name of ['psql', 'pgbench', 'pg_dump', 'pg_basebackup']) {
    const said = await run(found.program(name), ['--version'], { env: found.env })
    assert.match(said, /PostgreSQL\) 15\./)
  }
})
