import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Retention } from '../../../../src/mirror/retention.ts'
import { settled } from '../../../../src/model/position.ts'
import { openMysqlSource } from '../../../../src/source/mysql/index.ts'
import { endpointOf } from '../../../../testkit/binlog.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { mysql } from '../../../../testkit/servers/index.ts'
import { stand } from '../../hard/mysql.ts'

const PLAIN = 'create table t (id int primary key, v text)'

for (const kind of ['mysql-9', 'mysql-5.6', 'mariadb-10.11'] as const) {
  const days = kind === 'mysql-5.6'
  const variable = days ? 'expire_logs_days' : 'binlog_expire_logs_seconds'

  test(`M4 log that the mirror needs and that grows old is told of before it is purged, on ${kind}`, async (t) => {
    await using server = await mysql(kind, {})
    const { db, source, after, read } = await stand(t, server, PLAIN)
    assert.equal((await source.log()).age, undefined)
    source.acknowledge(after)
    await db.query(`set global ${variable} = ${days ? 1 : 3600}`)
    const limitSeconds = days ? 86_400 : 3600
    const remedy = `SET GLOBAL ${variable} = ${days ? 2 : 7200}`
    assert.deepEqual((await source.log()).age, { seconds: 0, limitSeconds, remedy })
    await db.query(`insert into t values (1, 'a'); flush binary logs`)
    const last = settled((await read()).at(-1)?.positions ?? after)
    // The file that is needed was closed.
    const aged = await eventually('it grows old', async () => {
      const { age } = await source.log()
      return age !== undefined && age.seconds >= 2 && age
    })
    assert.ok(aged.seconds < 600)
    const retention = new Retention()
    const state = await source.log()
    assert.equal(retention.notice(state), null)
    const nearly = { ...state, age: { ...aged, limitSeconds: aged.seconds + 1 } }
    assert.match(retention.notice(nearly) ?? '', new RegExp(`longer: ${remedy}$`))
    await db.query(`insert into t values (2, 'b')`)
    const newest = settled((await read(last)).at(-1)?.positions ?? after)
    source.acknowledge(newest)
    assert.equal((await source.log()).age?.seconds, 0)
    await db.query(`set global ${variable} = 0`)
    assert.equal((await source.log()).age, undefined)
  })

  test(`M17 how changes are logged from now on is told of when it changes, on ${kind}`, async (t) => {
    await using server = await mysql(kind, {})
    const { db, tables } = await stand(t, server, PLAIN)
    const said: string[] = []
    await using source = await openMysqlSource({
      endpoint: { ...endpointOf(server), database: db.name },
      mirror: 'test',
      selection: { include: [], exclude: [], keyless: 'refuse' },
      notice: (text) => said.push(text),
    })
    await source.look(tables)
    assert.deepEqual(said, [])
    await db.query(`set global binlog_format = 'MIXED'; set global binlog_row_image = 'MINIMAL'`)
    await source.look(tables)
    await source.look(tables)
    assert.equal(said.length, 1)
    assert.match(said[0] ?? '', /binlog_format .* MIXED now.*HF-L115.*MINIMAL now.*HF-L116/)
    await db.query(`set global binlog_format = 'ROW'; set global binlog_row_image = 'FULL'`)
    await source.look(tables)
    assert.equal(said.length, 1)
  })
}
