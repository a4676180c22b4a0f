import assert from 'node:assert/strict'
import { test } from 'node:test'
import { monotonic } from '../../../../src/async/clock.ts'
import { readServer } from '../../../../src/source/mysql/server.ts'
import { standingOf } from '../../../../src/source/mysql/snapshot/standing.ts'
import { sourceSession } from '../../../../testkit/binlog.ts'
import { mysql, mysqlDatabase } from '../../../../testkit/servers/index.ts'

const ASK = "show status like 'binlog_snapshot_%'"
/** Answers that are another session's, before what is believed means something. */
const WRONG = 4

test('where a snapshot of MariaDB stands is known while others ask for the status of the server', async (t) => {
  const server = await mysql('mariadb-10.11')
  const db = await mysqlDatabase(t, server)
  await db.query('create table t (id int auto_increment primary key)')
  await using session = await sourceSession(server)
  await session.query('set session transaction isolation level repeatable read')
  await session.query('start transaction with consistent snapshot, read only')
  const [, place] = await session.query(ASK)
  const wanted = Number(place?.['Value'])
  const about = await readServer(session)
  let asking = true
  const others = Array.from({ length: 6 }, async (_, i) => {
    const other = await db.session()
    while (asking) await other.query(i === 0 ? 'insert into t values ()' : ASK)
  })
  const until = monotonic() + 40_000
  let wrong = 0
  const believed = new Set<number | undefined>()
  // A server that keeps the answers of sessions apart never gives a wrong one.
  while (wrong < WRONG && monotonic() < until) {
    for (let i = 0; i < 20; i++) {
      const [, said] = await session.query(ASK)
      if (Number(said?.['Value']) !== wanted) wrong++
      believed.add((await standingOf(session, about))?.position)
    }
  }
  asking = false
  await Promise.all(others)
  t.diagnostic(`${wrong} answers were another session's`)
  assert.deepEqual([...believed], [wanted])
})
