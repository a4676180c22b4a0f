import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Fault } from '../../../../src/model/fault.ts'
import type { Table } from '../../../../src/model/table.ts'
import { openMysqlSource } from '../../../../src/source/mysql/index.ts'
import type { Snapshot, Source } from '../../../../src/source/source.ts'
import { endpointOf } from '../../../../testkit/binlog.ts'
import {
  type MysqlDatabase,
  type MysqlServer,
  mysql,
  mysqlDatabase,
} from '../../../../testkit/servers/index.ts'
import { assertSame, copyOf, never, readAll, withChanges } from '../../../contract/reading.ts'
import { contents, fill, load } from './load.ts'

async function sourceOf(t: TestContext, db: MysqlDatabase): Promise<Source> {
  const source = await openMysqlSource({
    endpoint: { ...endpointOf(db.server), database: db.name },
    mirror: 'test',
    selection: { include: [], exclude: [], keyless: 'append' },
  })
  t.after(() => source[Symbol.asyncDispose]())
  return source
}

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
    // MySQL 5.6 shows a table that was emptied as empty, and the stream empties it, too.
    assert.deepEqual(outcomes, {
      nums: 'HF-L109',
      words: name === 'mysql-5.6' ? '0 rows' : 'HF-L109',
      bins: 'HF-L109',
    })
  })
}
