import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LANE } from '../../../../src/source/mysql/place.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { type MysqlDatabase, mysql } from '../../../../testkit/servers/index.ts'
import { readAll, readUntil } from '../../../contract/reading.ts'
import { refused, sourceOf, stand, toldBy } from '../../hard/mysql.ts'

const settings = {
  'rpl-semi-sync-master-wait-point': 'AFTER_SYNC',
  'rpl-semi-sync-master-timeout': '600000',
  'sync-binlog': '1',
  'innodb-flush-log-at-trx-commit': '1',
}
/** A name of bytes that are no text. */
const ODD = `X'00ff27', 'b', 7`

async function prepare(db: MysqlDatabase, xid: string, sql: string) {
  const session = await db.session()
  await session.query(`xa start ${xid}; ${sql}; xa end ${xid}`)
  return session
}

/** Says it to a server that answers only after a replica has got it, which none ever will. */
async function logged(
  db: MysqlDatabase,
  session: { query(sql: string): Promise<unknown> },
  sql: string,
) {
  const end = async (): Promise<unknown> =>
    (await db.query('select @@gtid_binlog_pos as g'))[0]?.['g']
  const before = await end()
  const held = session.query(sql)
  held.catch(() => undefined)
  await eventually(`${sql} is in the log`, async () => (await end()) !== before)
}

test('M28 what MariaDB logged of XA transactions when it was killed, and has forgotten, is carried once', async (t) => {
  await using server = await mysql('mariadb-10.11', { settings })
  const { db, tables, after, read } = await stand(t, server, 'create table t (id int primary key)')
  const rows = async (): Promise<string> =>
    (await db.query('select id from t order by id')).map(({ id }) => id).join()
  await db.query('insert into t values (1), (2)')
  const x = await prepare(db, `'x'`, 'insert into t values (10); delete from t where id = 1')
  const lost = await prepare(db, ODD, 'insert into t values (30)')
  await x.query(`xa prepare 'x'`)
  await db.query('set global rpl_semi_sync_master_enabled = on')
  await logged(db, x, `xa commit 'x'`)
  const first = [
    [
      ['insert', 't', ['1']],
      ['insert', 't', ['2']],
    ],
    [
      ['insert', 't', ['10']],
      ['delete', 't', null, ['1']],
    ],
  ]
  assert.deepEqual(toldBy(await read()), first)
  await logged(db, lost, `xa prepare ${ODD}`)

  await server.stop('crash')
  await server.start()
  assert.equal(await rows(), '1,2', 'the rows of the commits that were logged are not to be seen')
  const held = await db.query('xa recover')
  assert.deepEqual(
    held.map(({ data }) => data),
    ['x'],
  )
  await db.query('insert into t values (100)')
  await db.query(`xa commit 'x'`)
  assert.equal(await rows(), '2,10,100', 'the second commit brings what the first one said')

  const source = await sourceOf(t, db)
  const all = await readAll({ source, after, tables })
  assert.deepEqual(toldBy(all), [...first, [['insert', 't', ['100']]]])
  // Waits no longer for the one that is lost, once the server has said what it has.
  const waiting = all[2]?.positions ?? after
  assert.match(waiting.get(LANE)?.token ?? '', / from /)
  let next = 1000
  const writes: Promise<unknown>[] = []
  await readUntil({ source, after: waiting, tables }, (reached) => {
    const { token = ' from ' } = reached.get(LANE) ?? {}
    if (token.includes(' from ')) writes.push(db.query(`insert into t values (${++next})`))
    return !token.includes(' from ')
  })
  await Promise.all(writes)
  const end = await source.fence()
  await db.query(`xa start ${ODD}; insert into t values (30); xa end ${ODD}; xa prepare ${ODD}`)
  await db.query(`xa commit ${ODD}`)
  const [again] = toldBy(await readAll({ source, after: end, tables }))
  assert.deepEqual(again, [['insert', 't', ['30']]])
})

for (const [first, then, is] of [
  ['commit', 'rollback', 'rolled back'],
  ['rollback', 'commit', 'committed'],
] as const) {
  test(`M28 XA ${first} that MariaDB logged when it was killed, and ${then} then, halts by name`, async (t) => {
    await using server = await mysql('mariadb-10.11', { settings })
    const { db, tables, after } = await stand(t, server, 'create table t (id int primary key)')
    const [y, z] = [
      await prepare(db, `'y'`, 'insert into t values (20)'),
      await prepare(db, `'z'`, 'insert into t values (21)'),
    ]
    await y.query(`xa prepare 'y'`)
    await z.query(`xa prepare 'z'`)
    await db.query('set global rpl_semi_sync_master_enabled = on')
    await logged(db, y, `xa ${first} 'y'`)
    await logged(db, z, `xa ${first} 'z'`)
    await server.stop('crash')
    await server.start()
    // As it was said before, which is nothing new.
    await db.query(`xa ${first} 'z'`)
    await db.query('insert into t values (1)')
    const end = await (await sourceOf(t, db)).fence()
    const come = toldBy(await readAll({ source: await sourceOf(t, db), after, tables }))
    const rows = first === 'commit' ? ['20', '21', '1'] : ['1']
    assert.deepEqual(
      come.flat().map((change) => change[2]),
      rows.map((id) => [id]),
    )
    await db.query(`xa ${then} 'y'`)
    const source = await sourceOf(t, db)
    const told = readAll({ source, after: end, tables })
    await refused(told, 'HF-L120', new RegExp(`X'79',X'',1 was ${is}`, 'i'))
  })
}
