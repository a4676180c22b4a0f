import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, type Session } from '../../../../src/dialect/mysql/connect.ts'
import type { Position } from '../../../../src/model/position.ts'
import { LANE } from '../../../../src/source/mysql/place.ts'
import { Places } from '../../../../src/source/mysql/places.ts'
import { logEnd, logPassed, readServer } from '../../../../src/source/mysql/server.ts'
import { streamLog } from '../../../../src/source/mysql/stream.ts'
import { endpointOf } from '../../../../testkit/binlog.ts'
import { apart } from '../../../../testkit/memory/runs.ts'
import { type MysqlServer, mysql } from '../../../../testkit/servers/index.ts'
import { stand } from '../../hard/mysql.ts'

const servers: Readonly<Record<string, () => Promise<MysqlServer>>> = {
  'mysql-9 with GTIDs': () =>
    mysql('mysql-9', { settings: { 'gtid-mode': 'ON', 'enforce-gtid-consistency': 'ON' } }),
  'mysql-5.6 with GTIDs': () =>
    mysql('mysql-5.6', {
      settings: { 'gtid-mode': 'ON', 'enforce-gtid-consistency': 'ON', 'log-slave-updates': 'ON' },
    }),
  'mariadb-10.11': () => mysql('mariadb-10.11'),
}

/** A session between whose statements others commit. */
function interrupted(session: Session, work: () => Promise<unknown>): Session {
  const query: Session['query'] = async (sql) => {
    const rows = await session.query(sql)
    await work()
    return rows
  }
  return new Proxy(session, {
    get: (of, name) => (name === 'query' ? query : Reflect.get(of, name, of)),
  })
}

for (const [name, start] of Object.entries(servers)) {
  test(`M1 a place has passed all that is before it, whatever commits while it is looked at, ${name}`, async (t) => {
    await using server = await start()
    const { db, tables } = await stand(t, server, 'create table t (id int primary key)')
    const endpoint = { ...endpointOf(server), database: db.name }
    await using control = await connect(endpoint, {
      side: 'source',
      mirror: 'test',
      purpose: 'control',
    })
    let id = 0
    const commit = (): Promise<unknown> =>
      db.query(`insert into t values (${++id}); insert into t values (${++id})`)
    await commit()
    const facts = await readServer(control)
    const places = new Places(facts)
    const after = await logEnd(control, facts)
    assert.ok(after?.passed != null)
    const stop = new AbortController()
    const stream = streamLog(
      {
        endpoint,
        mirror: 'test',
        control,
        places,
        tables,
        after: { ...after, at: null },
        landmark: null,
        head: () => logPassed(interrupted(control, commit), facts),
        folded: false,
        logsCascades: true,
      },
      stop.signal,
    )
    let last: Position | null = null
    let commits = 0
    for await (const burst of stream) {
      for (const item of burst.flatMap(apart)) {
        if (item.kind !== 'commit' && item.kind !== 'progress') continue
        const here = item.positions.get(LANE)
        assert.ok(here !== undefined)
        const how = last === null ? 'after' : places.compare(here, last)
        assert.notEqual(how, 'before', `${here.token} came after ${last?.token}`)
        last = here
        if (item.kind === 'commit') commits++
      }
      if (commits >= 4) break
    }
    stop.abort()
  })
}
