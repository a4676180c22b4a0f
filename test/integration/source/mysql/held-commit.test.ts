import { test } from 'node:test'
import { openMysqlSource } from '../../../../src/source/mysql/index.ts'
import { endpointOf } from '../../../../testkit/binlog.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { mysql, mysqlDatabase } from '../../../../testkit/servers/index.ts'
import { assertSame, copyOf, never, readAll, withChanges } from '../../../contract/reading.ts'
import { contents, fill } from './load.ts'

test('M1 a commit that is in the log and waits for a replica is in the copy or in the stream, from MariaDB', async (t) => {
  await using server = await mysql('mariadb-10.11', {
    settings: {
      'rpl-semi-sync-master-wait-point': 'AFTER_SYNC',
      'rpl-semi-sync-master-timeout': '600000',
    },
  })
  const db = await mysqlDatabase(t, server)
  await fill(db, 20)
  const source = await openMysqlSource({
    endpoint: { ...endpointOf(server), database: db.name },
    mirror: 'test',
    selection: { include: [], exclude: [], keyless: 'append' },
  })
  t.after(() => source[Symbol.asyncDispose]())
  const { tables } = await source.inspect()
  const logged = async (): Promise<string | null | undefined> =>
    (await db.query('select @@global.gtid_binlog_pos as g'))[0]?.['g']
  const before = await logged()
  await db.query('set global rpl_semi_sync_master_enabled = on')
  const writer = await db.session()
  const held = writer.query('insert into none values (1000)')
  await eventually('the commit is in the log', async () => (await logged()) !== before)
  const [seen] = await db.query('select count(*) as n from none where id = 1000')
  t.diagnostic(`${seen?.['n']} of its rows can be seen`)
  const snapshot = await source.snapshot({ keep: true }, never)
  const copied = await copyOf(source, snapshot, tables)
  await snapshot[Symbol.asyncDispose]()
  await db.query('set global rpl_semi_sync_master_enabled = off')
  await held
  const read = await readAll({ source, after: snapshot.positions, tables })
  assertSame(withChanges(copied, read), await contents(db))
})
