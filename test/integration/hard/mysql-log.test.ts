import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareLogs } from '../../../src/mirror/resume.ts'
import type { Checkpoint } from '../../../src/model/checkpoint.ts'
import { Fault } from '../../../src/model/fault.ts'
import { type Positions, settled } from '../../../src/model/position.ts'
import type { Source } from '../../../src/source/source.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { apart } from '../../../testkit/memory/runs.ts'
import { type MysqlKind, mysql } from '../../../testkit/servers/index.ts'
import { followed, refused, sourceOf, stand, toldBy } from './mysql.ts'

const PLAIN = 'create table t (id int primary key, v text)'
const never = new AbortController().signal
const kinds = ['mysql-9', 'mysql-5.6', 'mariadb-10.11'] as const
const RESET: Readonly<Record<MysqlKind, string>> = {
  'mysql-9': 'reset binary logs and gtids',
  'mysql-5.6': 'reset master',
  'mariadb-10.11': 'reset master',
}

/** What a checkpoint at this place remembers of the source. */
async function checkpointAt(source: Source, positions: Positions): Promise<Checkpoint> {
  return {
    mirror: 'test',
    source: await source.identity(),
    positions: settled(positions),
    tables: [],
    settings: {},
    finished: true,
  }
}

for (const kind of kinds) {
  test(`M4 a log that was purged is a named halt at the start and in the stream, on ${kind}`, async (t) => {
    await using server = await mysql(kind, {})
    const { db, source, after, read } = await stand(t, server, PLAIN)
    const checkpoint = await checkpointAt(source, after)
    await db.query(`insert into t values (1, 'a')`)
    await db.query('flush binary logs')
    const [file] = await db.query('show binary logs').then((rows) => rows.slice(-1))
    await compareLogs(source, checkpoint, never)
    const last = settled((await read()).at(-1)?.positions ?? after)
    // MariaDB keeps a file for as long as its recovery may need it.
    await eventually('the file is purged', async () => {
      await db.query(`purge binary logs to '${file?.['Log_name']}'`)
      return (await db.query('show binary logs')).length === 1
    })
    await refused(compareLogs(source, checkpoint, never), 'HF-L111', /log for this mirror begins/)
    await refused(read(), 'HF-L111', /cannot send its log from there/)
    // What was passed may be gone.
    await compareLogs(source, await checkpointAt(source, last), never)
    await db.query(`insert into t values (2, 'b')`)
    assert.equal((await read(last)).length, 1)
  })

  test(`M5 a log that was reset and has grown past the place is another one, on ${kind}`, async (t) => {
    await using server = await mysql(kind, {})
    const { db, source, read } = await stand(t, server, PLAIN)
    for (let i = 0; i < 3; i++) await db.query(`insert into t values (${i}, 'a')`)
    const checkpoint = await checkpointAt(source, (await read()).at(-1)?.positions ?? new Map())
    await compareLogs(source, checkpoint, never)
    await db.query(RESET[kind])
    await refused(compareLogs(await sourceOf(t, db), checkpoint, never), 'HF-L106', /applied|hold/)
    for (let i = 10; i < 40; i++) await db.query(`insert into t values (${i}, 'a')`)
    const later = await sourceOf(t, db)
    await refused(
      compareLogs(later, checkpoint, never),
      'HF-L106',
      /log of the source is another one/,
    )
  })

  test(`M5 so is one that was reset before any transaction came, on ${kind}`, async (t) => {
    await using server = await mysql(kind, {})
    const { db, source } = await stand(t, server, PLAIN)
    const snapshot = await source.snapshot({ keep: true }, never)
    const checkpoint = await checkpointAt(source, settled(snapshot.positions))
    await snapshot[Symbol.asyncDispose]()
    await compareLogs(source, checkpoint, never)
    const now = async (): Promise<unknown> =>
      (await db.query('select unix_timestamp() as s'))[0]?.['s']
    const then = await now()
    // A file says the second that it was begun in.
    await eventually('the clock of the server goes on', async () => (await now()) !== then)
    await db.query(RESET[kind])
    for (let i = 10; i < 40; i++) await db.query(`insert into t values (${i}, 'a')`)
    await refused(
      compareLogs(await sourceOf(t, db), checkpoint, never),
      'HF-L106',
      /was begun at another time/,
    )
  })

  test(`M6 another server is not taken for the source, on ${kind}`, async (t) => {
    await using server = await mysql(kind, {})
    const { db, source, read } = await stand(t, server, PLAIN)
    for (let i = 0; i < 3; i++) await db.query(`insert into t values (${i}, 'a')`)
    const checkpoint = await checkpointAt(source, (await read()).at(-1)?.positions ?? new Map())
    await using another = await mysql(kind, {})
    const other = await stand(t, another, PLAIN)
    for (let i = 0; i < 9; i++) await other.db.query(`insert into t values (${i}, 'a')`)
    await assert.rejects(
      compareLogs(await sourceOf(t, other.db), checkpoint, never),
      (error) => error instanceof Fault && ['HF-L106', 'HF-L111'].includes(error.code),
    )
  })

  test(`the stream that was cut goes on where it was, on ${kind}`, async (t) => {
    await using server = await mysql(kind, {})
    const { db, source, tables, after, read } = await stand(t, server, PLAIN)
    await db.query(`insert into t values (1, 'a')`)
    const bursts = source
      .stream(after, { tables, encoding: 'values' }, never)
      [Symbol.asyncIterator]()
    let last = after
    while (last === after) {
      const { value = [] } = await bursts.next()
      for (const item of value.flatMap(apart))
        if (item.kind === 'commit') last = settled(item.positions)
    }
    const threads = await db.query('show processlist')
    const dump = threads.find(({ Command }) => Command?.startsWith('Binlog Dump'))
    await db.query(`kill ${dump?.['Id']}`)
    await assert.rejects(
      (async () => {
        for (;;) if ((await bursts.next()).done === true) return
      })(),
      (error) => error instanceof Fault && error.transient,
    )
    await db.query(`insert into t values (2, 'b')`)
    assert.deepEqual(toldBy(await read(last)), [[['insert', 't', ['2', 'b']]]])
    await server.stop('crash')
    await server.start()
    const again = await followed(t, db)
    await db.query(`insert into t values (3, 'c')`)
    assert.deepEqual(toldBy(await again.read(last)), [
      [['insert', 't', ['2', 'b']]],
      [['insert', 't', ['3', 'c']]],
    ])
  })
}

test('M7 a replica that has everything is gone on with by GTID', async (t) => {
  await using server = await mysql('mysql-9', {})
  const { db, source, read } = await stand(t, server, PLAIN)
  await db.query(`insert into t values (1, 'a')`)
  const last = settled((await read()).at(-1)?.positions ?? new Map())
  const checkpoint = await checkpointAt(source, last)
  const executed = (await db.query('select @@global.gtid_executed as g'))[0]?.['g'] ?? ''
  const [uuid = '', upTo = ''] = executed.split(/:1-/)
  await using replica = await mysql('mysql-9', {})
  const promoted = await stand(t, replica, PLAIN)
  const session = await promoted.db.session()
  await refused(compareLogs(promoted.source, checkpoint, never), 'HF-L106', /applied up to/)
  for (let i = 1; i <= Number(upTo); i++) {
    await session.query(`set gtid_next = '${uuid}:${i}'; begin; commit`)
  }
  await session.query(`set gtid_next = 'automatic'`)
  await session.query(`insert into t values (2, 'b')`)
  // The last transaction is not the one that was read: this server has made it anew.
  await refused(compareLogs(promoted.source, checkpoint, never), 'HF-L106', /another one/)
  const told = await promoted.told(last)
  assert.deepEqual(told.at(-1), [['insert', 't', ['2', 'b']]])
})

test('M53 a checkpoint of MySQL is not gone on with at MariaDB', async (t) => {
  const one = await stand(t, 'mysql-9', PLAIN)
  const checkpoint = await checkpointAt(one.source, one.after)
  const other = await stand(t, 'mariadb-10.11', PLAIN)
  await refused(compareLogs(other.source, checkpoint, never), 'HF-L106', /not the one/)
})

test('M54 a server that was made from a backup is followed from where it stands', async (t) => {
  await using server = await mysql('mysql-9', {})
  const set = '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-77'
  const early = await stand(t, server, PLAIN)
  await early.db.query(`set global gtid_purged = '+${set}'`)
  const { db, told, source, after } = await followed(t, early.db)
  await db.query(`insert into t values (1, 'a')`)
  assert.deepEqual(await told(), [[['insert', 't', ['1', 'a']]]])
  await compareLogs(source, await checkpointAt(source, after), never)
  // To whoever read before, these transactions never came.
  await db.query('flush binary logs')
  await refused(early.read(), 'HF-L111', /not in its log: 3e11fa47|cannot send/)
})

test('a mirror that began by files goes on so when transactions get names', async (t) => {
  await using server = await mysql('mysql-9', {
    settings: { 'gtid-mode': 'OFF', 'enforce-gtid-consistency': 'ON' },
  })
  const { db, source, read } = await stand(t, server, PLAIN)
  await db.query(`insert into t values (1, 'a')`)
  const after = settled((await read()).at(-1)?.positions ?? new Map())
  const checkpoint = await checkpointAt(source, after)
  for (const mode of ['OFF_PERMISSIVE', 'ON_PERMISSIVE', 'ON']) {
    await db.query(`set global gtid_mode = ${mode}`)
  }
  await db.query(`insert into t values (2, 'b')`)
  const later = await followed(t, db)
  await compareLogs(later.source, checkpoint, never)
  assert.deepEqual(await later.told(after), [[['insert', 't', ['2', 'b']]]])
})
