import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { connect } from '../../../../src/dialect/mysql/connect.ts'
import { Fault } from '../../../../src/model/fault.ts'
import type { Table } from '../../../../src/model/table.ts'
import { openMysqlSource } from '../../../../src/source/mysql/index.ts'
import { Places } from '../../../../src/source/mysql/places.ts'
import { openSourceReader } from '../../../../src/source/mysql/reader/reader.ts'
import { readServer } from '../../../../src/source/mysql/server.ts'
import type { ViewOptions } from '../../../../src/source/mysql/snapshot/opening.ts'
import { openSnapshot } from '../../../../src/source/mysql/snapshot/snapshot.ts'
import type { Snapshot, Source } from '../../../../src/source/source.ts'
import { endpointOf } from '../../../../testkit/binlog.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import {
  type MysqlDatabase,
  type MysqlServer,
  mysql,
  mysqlDatabase,
} from '../../../../testkit/servers/index.ts'
import { assertSame, copyOf, never, readAll, withChanges } from '../../../contract/reading.ts'
import { refused } from '../../hard/mysql.ts'
import { contents, fill, load } from './load.ts'

async function sourceOf(
  t: TestContext,
  db: MysqlDatabase,
  notice: (text: string) => void = () => undefined,
): Promise<Source> {
  const source = await openMysqlSource({
    endpoint: { ...endpointOf(db.server), database: db.name },
    mirror: 'test',
    selection: { include: [], exclude: [], keyless: 'append' },
    notice,
  })
  t.after(() => source[Symbol.asyncDispose]())
  return source
}

const noop = (): void => undefined

/** Where servers name transactions, where they do not, and where snapshots name their places. */
const servers: Readonly<Record<string, () => Promise<MysqlServer>>> = {
  'mysql-9 with GTIDs': () =>
    mysql('mysql-9', { settings: { 'gtid-mode': 'ON', 'enforce-gtid-consistency': 'ON' } }),
  'mysql-9': () => mysql('mysql-9'),
  'mysql-5.6': () => mysql('mysql-5.6'),
  'mariadb-10.11': () => mysql('mariadb-10.11'),
}

async function readAsItWas(source: Source, snapshot: Snapshot, table: Table): Promise<string> {
  try {
    const copied = await copyOf(source, snapshot, [table])
    const [rows] = [...copied.values()]
    return `${rows?.rows.size ?? 0} rows`
  } catch (error) {
    if (error instanceof Fault) return error.code
    throw error
  }
}

async function started(t: TestContext, server: MysqlServer, busy: boolean) {
  const db = await mysqlDatabase(t, server)
  await fill(db, 600)
  const source: Source = await sourceOf(t, db)
  const writing = load(db, busy)
  t.after(() => writing.stop())
  return { db, source, writing }
}

for (const [name, start] of Object.entries(servers)) {
  test(`a snapshot and the stream after it are the database, under load, ${name}`, async (t) => {
    const { db, source, writing } = await started(t, await start(), false)
    const { tables: described } = await source.inspect()
    await source.prepare(described)
    const copies: [Awaited<ReturnType<typeof copyOf>>, Parameters<typeof readAll>[0]['after']][] =
      []
    for (let round = 0; round < 4; round++) {
      await using snapshot = await source.snapshot({ keep: round === 0 }, never)
      copies.push([await copyOf(source, snapshot, described), snapshot.positions])
    }
    assert.ok((await writing.stop()) > 20)
    const wanted = await contents(db)
    for (const [copied, after] of copies) {
      const read = await readAll({ source, after, tables: described })
      assertSame(withChanges(copied, read), wanted)
    }
  })

  test(`tables without a key that change all the time are copied at one place, ${name}`, async (t) => {
    const { db, source, writing } = await started(t, await start(), true)
    const { tables: described } = await source.inspect()
    const snapshot = await source.snapshot({ keep: true }, never)
    const copied = await copyOf(source, snapshot, described)
    await snapshot[Symbol.asyncDispose]()
    await writing.stop()
    const read = await readAll({ source, after: snapshot.positions, tables: described })
    assertSame(withChanges(copied, read), await contents(db))
  })

  test(`M28 what is prepared while a snapshot is opened comes when it is committed, ${name}`, async (t) => {
    // Before 5.7 a prepared transaction is not in the log until it is committed.
    if (name === 'mysql-5.6') return
    const server = await start()
    const db = await mysqlDatabase(t, server)
    await fill(db, 20)
    const source = await sourceOf(t, db)
    const { tables: described } = await source.inspect()
    const endpoint = { ...endpointOf(server), database: db.name }
    const options = { side: 'source', mirror: 'test', purpose: 'control' } as const
    await using control = await connect(endpoint, options)
    const places = new Places(await readServer(control))
    const writer = await db.session()
    // What is prepared would keep the database from being dropped.
    await using _ended = {
      [Symbol.asyncDispose]: () => writer.query(`xa rollback 'x'`).then(noop, noop),
    }
    const follow: ViewOptions['follow'] = (after, signal, before = false) => {
      const how = { tables: described, encoding: 'values', before }
      return source.stream(places.at(after), how, signal)
    }
    const view = { endpoint, mirror: 'test', control, places, tables: described, follow }
    const work = `insert into none values (1000); update bins set n = 7; delete from words where n < 5`
    await using snapshot = await openSnapshot(
      {
        ...view,
        notice: noop,
        unchanged: async () => {
          await writer.query(`xa start 'x'; ${work}; xa end 'x'; xa prepare 'x'`)
          await db.query('insert into none values (2000)')
        },
      },
      never,
    )
    const copied = await copyOf(source, snapshot, described)
    const looking = openSourceReader({ ...view, notice: noop, patience: 0 }, never)
    await refused(looking, 'HF-V107', /1 transaction is prepared/)
    await writer.query(`xa commit 'x'`)
    const read = await readAll({ source, after: snapshot.positions, tables: described })
    assertSame(withChanges(copied, read), await contents(db))
  })

  test(`a table that is altered before the first place of a snapshot is not copied, ${name}`, async (t) => {
    const db = await mysqlDatabase(t, await start())
    await fill(db, 20)
    const said = Promise.withResolvers<string>()
    const source = await sourceOf(t, db, said.resolve)
    const writer = await db.session()
    await writer.query(`xa start 'x'; insert into none values (1); xa end 'x'; xa prepare 'x'`)
    const opening = source.snapshot({ keep: true }, never)
    assert.match(await said.promise, /waits for 1 prepared transaction/)
    await db.query('alter table nums add column more int first')
    await writer.query(`xa commit 'x'`)
    await refused(opening, 'HF-D410', /\.nums changed at the source while its copy began/)
  })

  test(`a table that is altered or emptied under a snapshot is not taken for what it was, ${name}`, async (t) => {
    const db = await mysqlDatabase(t, await start())
    await fill(db, 50)
    const source = await sourceOf(t, db)
    const { tables: described } = await source.inspect()
    await using snapshot = await source.snapshot({ keep: true }, never)
    await db.query(
      'alter table nums add column more int first, engine = innodb; truncate words; drop table bins',
    )
    const outcomes: Record<string, string> = {}
    for (const table of described.filter((one) => ['nums', 'words', 'bins'].includes(one.name))) {
      outcomes[table.name] = await readAsItWas(source, snapshot, table)
    }
    assert.deepEqual(outcomes, { nums: 'HF-L109', words: 'HF-L109', bins: 'HF-L109' })
  })
}

test('a log with a change beyond max_allowed_packet is copied beside, where MariaDB names no place in it', async (t) => {
  await using server = await mysql('mariadb-10.11', { settings: { 'max-allowed-packet': '1M' } })
  const db = await mysqlDatabase(t, server)
  await db.query(`create table large (id int primary key, b mediumblob);
    create table few (id int auto_increment primary key)`)
  await db.query(`insert into large values (1, repeat('x', 900000))`)
  await db.query(`update large set b = repeat('y', 900000)`)
  const source = await sourceOf(t, db)
  const { tables } = await source.inspect()
  {
    await using snapshot = await source.snapshot({ keep: true }, never)
    const copied = await copyOf(source, snapshot, tables)
    await db.query('insert into few values (7)')
    const read = await readAll({ source, after: snapshot.positions, tables })
    const sizes = [...copied.values()].map(({ rows }) => rows.size)
    assert.deepEqual([sizes.toSorted(), read.length], [[0, 1], 1])
  }
  const writer = await db.session()
  const stop = new AbortController()
  const writing = (async () => {
    while (!stop.signal.aborted) await writer.query('insert into few values ()')
  })()
  const tried = async (): Promise<boolean> => {
    try {
      await using _snapshot = await source.snapshot({ keep: true }, never)
      return false
    } catch (error) {
      return error instanceof Fault && error.code === 'HF-S110'
    }
  }
  await eventually('no moment is quiet', tried, { within: 120_000 })
  await db.query('set global max_allowed_packet = 1073741824')
  const raised = await sourceOf(t, db)
  await using _ = await raised.snapshot({ keep: true }, never)
  stop.abort()
  await writing
})
