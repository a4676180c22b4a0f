import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Table } from '../../../../src/model/table.ts'
import { LANE } from '../../../../src/source/mysql/place.ts'
import { preparedNow } from '../../../../src/source/mysql/server.ts'
import { sourceSession } from '../../../../testkit/binlog.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { mysql, openMysql } from '../../../../testkit/servers/index.ts'
import { type Read, readAll } from '../../../contract/reading.ts'
import { stand, toldBy } from '../../hard/mysql.ts'

// While a transaction is prepared the log is read again from its beginning after each restart, and
// with it whatever came since.

const files = { 'gtid-mode': 'OFF', 'enforce-gtid-consistency': 'OFF' }
const servers = [
  { kind: 'mariadb-10.11', settings: {} },
  { kind: 'mysql-9', settings: {} },
  { kind: 'mysql-9', settings: files },
] as const

/** The tables as they are behind what was read. */
function tablesAfter(tables: readonly Table[], read: readonly Read[]): readonly Table[] {
  const now = new Map(tables.map((table) => [table.id, table]))
  for (const change of read.flatMap(({ changes }) => [...changes])) {
    if (change.kind === 'schema') now.set(change.to.id, change.to)
  }
  return [...now.values()]
}

for (const { kind, settings } of servers) {
  const how = Object.keys(settings).length === 0 ? kind : `${kind} without GTIDs`
  test(`M28 a table that changed since another prepared transaction ended does not stop what is read again, on ${how}`, async (t) => {
    await using server = await mysql(kind, { settings })
    const { db, source, tables, after } = await stand(
      t,
      server,
      'create table t (id int primary key); create table waits (id int primary key)',
    )
    const [one, other] = [await db.session(), await db.session()]
    await one.query(`xa start 'x'; insert into waits values (1); xa end 'x'; xa prepare 'x'`)
    for (const [xid, end] of [
      ['y', 'commit'],
      ['z', 'rollback'],
    ]) {
      const rows = xid === 'y' ? '(1)' : '(2)'
      await other.query(`xa start '${xid}'; insert into t values ${rows}; xa end '${xid}';
        xa prepare '${xid}'; xa ${end} '${xid}'`)
    }
    await db.query('alter table t add column v int first')
    await db.query('insert into t values (3, 4)')
    const first = await readAll({ source, after, tables })
    const [y, changed, last] = toldBy(first)
    assert.deepEqual([y, last], [[['insert', 't', ['1']]], [['insert', 't', ['3', '4']]]])
    assert.equal(changed?.[0]?.[0], 'schema')

    const reached = first.at(-1)?.positions ?? after
    assert.match(reached.get(LANE)?.token ?? '', / from /)
    await one.query(`xa commit 'x'`)
    await db.query('insert into t values (5, 6)')
    const rest = await readAll({ source, after: reached, tables: tablesAfter(tables, first) })
    assert.deepEqual(toldBy(rest), [[['insert', 'waits', ['1']]], [['insert', 't', ['5', '6']]]])
  })
}

test('M28 a server that goes away when it is asked what is prepared has not refused to say it', async () => {
  await using server = await mysql('mariadb-10.11', { settings: {} })
  await using admin = await openMysql(server.url())
  await using session = await sourceSession(server)
  assert.equal(await preparedNow(session), 0)
  await admin.query(`kill ${session.thread}`)
  await eventually('the session is lost', () => session.lost.aborted)
  await assert.rejects(preparedNow(session), { code: 'HF-S101' })
})
