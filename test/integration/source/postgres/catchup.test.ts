import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Change } from '../../../../src/model/change.ts'
import { textsOf } from '../../../../src/model/tuple.ts'
import type { CatchUp, Way } from '../../../../src/source/source.ts'
import { startProxy } from '../../../../testkit/proxy.ts'
import { database, postgres, type TestDatabase } from '../../../../testkit/servers/index.ts'
import { faults, type Gatherer, never, readOn, sourceOf, started, streamsOnly } from './support.ts'

/** Any distance is worth it. */
const always: CatchUp = { distance: 1, millis: 0, memory: 4 << 20 }

/** Tests that are told to choose otherwise cannot see windows. */
const told = process.env['HOLDFAST_CATCHUP']
const skip = told === 'never' || told === 'random' ? `HOLDFAST_CATCHUP is ${told}` : false

function lineOf(change: Change): string {
  if (change.kind === 'truncate') return `truncate ${change.tables.map(({ name }) => name).join()}`
  if (change.kind === 'schema') return `schema ${change.to.name} ${change.to.columns.length}`
  const cells = [change.old, change.row].map((tuple) => (tuple === null ? '' : textsOf(tuple)))
  return `${change.kind} ${change.table.name} ${JSON.stringify(cells)}`
}

const linesOf = ({ wholes }: Gatherer): string[][] =>
  wholes.map(({ changes }) => changes.map(lineOf)).filter((lines) => lines.length > 0)

/** The ways that a source took, with what it said of them. */
function ways(): { readonly taken: Way[]; readonly way: (way: Way) => void } {
  const taken: Way[] = []
  return { taken, way: (way) => void taken.push(way) }
}

/** Tables, and a log with transactions that lie across one another. */
async function busy(t: TestContext, db: TestDatabase): Promise<() => Promise<void>> {
  await db.query(`create table a (id int primary key, x text);
    create table b (id int primary key, x text);
    create table c (id int primary key);
    alter table b alter x set storage external`)
  const sessions = await Promise.all([db.session(), db.session(), db.session()])
  t.after(() => Promise.all(sessions.map((session) => session.close())))
  const rows = (from: number): string =>
    `insert into a select g, repeat('x', 300) from generate_series(${from}, ${from + 499}) g`
  return async () => {
    for (const [i, session] of sessions.entries()) {
      await session.query(`begin; ${rows(i * 100_000)}; savepoint s; ${rows(i * 100_000 + 1000)}`)
    }
    await db.query(`insert into b values (1, repeat('y', 4000)); update b set id = 2`)
    await sessions[2]?.query('rollback to s; commit')
    for (let i = 0; i < 200; i++) await db.query(`insert into b values (${10 + i}, 'z')`)
    await sessions[1]?.query('commit')
    await db.query('truncate b')
    await db.query('alter table c add more int')
    await db.query('insert into c values (1, 3); update c set more = 4')
    await sessions[0]?.query('commit')
    await db.query('delete from a where id % 7 = 0')
  }
}

async function slots(db: TestDatabase): Promise<number> {
  const rows = await db.query(
    'select slot_name from pg_replication_slots where database = current_database()',
  )
  return rows.length
}

for (const major of [14, 16, 18] as const) {
  describe(`PostgreSQL ${major}`, { skip }, () => {
    for (const encoding of ['pg-text', 'pg-binary', 'values']) {
      test(`a log read in windows is the log that is streamed, as ${encoding}`, async (t) => {
        const db = await database(t, major)
        const work = await busy(t, db)
        const [one, two] = [`w${db.name}`.slice(0, 30), `s${db.name}`.slice(0, 30)]
        const { taken, way } = ways()
        const windowed = await started(t, db, { mirror: one, catchUp: always, way })
        const streamed = await started(t, db, { mirror: two, catchUp: streamsOnly })
        await work()
        const read = { encoding, acknowledge: true }
        const got = await readOn(windowed.source, windowed.positions, { ...windowed, ...read })
        const wanted = await readOn(streamed.source, streamed.positions, { ...streamed, ...read })
        assert.deepEqual(linesOf(got), linesOf(wanted))
        assert.ok(linesOf(got).length > 200)
        assert.equal(taken[0]?.way, 'windows')
        assert.equal(await slots(db), 2, 'copies of the slot are gone')
      })
    }

    test('without a free slot the log is streamed, and that is said', async (t) => {
      await using server = await postgres(major, { settings: { max_replication_slots: '1' } })
      const db = await database(t, server)
      const work = await busy(t, db)
      const { taken, way } = ways()
      const mirror = await started(t, db, { catchUp: always, way })
      await work()
      const got = await readOn(mirror.source, mirror.positions, mirror)
      assert.ok(linesOf(got).length > 200)
      assert.equal(taken[0]?.way, 'stream')
      assert.match(taken[0]?.why ?? '', /cannot be read in windows: .*slot/)
    })

    test('windows that are cut anywhere are streamed on from there, without a gap', async (t) => {
      const db = await database(t, major)
      const work = await busy(t, db)
      const { positions, tables } = await started(t, db)
      await work()
      const plain = await sourceOf(t, db, { catchUp: streamsOnly })
      const wanted = linesOf(await readOn(plain, positions, { tables }))
      await using proxy = await startProxy(db.server)
      const url = `${proxy.url(db.url)}?sslmode=disable`
      for (const bytes of [1, 1_000, 100_003]) {
        const taken: Way[] = []
        const way = (next: Way): void => {
          taken.push(next)
          // Two that read and one that moves the slot, opened last.
          if (next.way === 'windows') for (const one of proxy.open.slice(-3)) one.cutAfter(bytes)
        }
        const source = await sourceOf(t, { url }, { catchUp: always, way })
        assert.deepEqual(linesOf(await readOn(source, positions, { tables })), wanted)
        assert.deepEqual(
          taken.map((one) => one.way),
          ['windows', 'stream'],
        )
        assert.match(taken[1]?.why ?? '', /cannot be read in windows/)
      }
    })

    test('a column that came in a transaction of which a window held a part comes again', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key, x text)')
      await db.query('create table b (like a including all)')
      const { positions, tables } = await started(t, db)
      await db.query(`begin; insert into a values (0, 'before'); alter table a add more int;
        alter table b add more int; alter table b add most int; insert into b values (1, '', 2, 3);
        insert into a select g, repeat('x', 300), g from generate_series(1, 5000) g; commit`)
      await db.query('insert into a values (5001, null, 5001); insert into b values (2)')
      const plain = await sourceOf(t, db, { catchUp: streamsOnly })
      const wanted = linesOf(await readOn(plain, positions, { tables }))
      const shapes = wanted[0]?.filter((line) => line.startsWith('schema'))
      assert.deepEqual(shapes, ['schema b 4', 'schema a 3'])
      await using proxy = await startProxy(db.server)
      const url = `${proxy.url(db.url)}?sslmode=disable`
      const taken: string[] = []
      const way = (next: Way): void => {
        taken.push(next.way)
        if (next.way !== 'windows') return
        for (const one of proxy.open.slice(-3)) one.cutAfter(500_003)
      }
      const source = await sourceOf(t, { url }, { catchUp: always, way })
      assert.deepEqual(linesOf(await readOn(source, positions, { tables })), wanted)
      assert.deepEqual(taken, ['windows', 'stream'])
    })

    test('a publication that is gone is named in windows, too', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key)')
      const { source, tables, positions } = await started(t, db, { catchUp: always })
      await db.query('insert into a values (1)')
      const stream = source.stream(positions, { tables, encoding: 'pg-text' }, never)
      const [publication] = await db.query('select pubname as name from pg_publication')
      const reading = (async () => {
        for await (const _ of stream) await db.query('select 1')
      })()
      reading.catch(() => undefined)
      await db.query(`drop publication ${publication?.['name']}`)
      await db.query('insert into a values (2)')
      await faults('HF-S206', reading)
    })
  })
}

test('the slot stays where the target stands, however far windows were read', {
  skip,
}, async (t) => {
  const db = await database(t, 18)
  await db.query(
    'create table a (id int primary key, x text); alter table a alter x set storage external',
  )
  const { taken, way } = ways()
  const mirror = await started(t, db, { catchUp: always, way })
  const stands = async (): Promise<string | null | undefined> => {
    const sql = `select confirmed_flush_lsn as lsn from pg_replication_slots
      where database = current_database() and not temporary`
    return (await db.query(sql))[0]?.['lsn']
  }
  const before = await stands()
  // So far that moving the slot would save much decoding.
  for (let i = 0; i < 6; i++) {
    const from = i * 1000
    await db.query(
      `insert into a select g, repeat('x', 9000) from generate_series(${from}, ${from + 999}) g`,
    )
    await db.query('checkpoint')
  }
  const got = await readOn(mirror.source, mirror.positions, mirror)
  assert.equal(linesOf(got).flat().length, 6000)
  assert.equal(taken[0]?.way, 'windows')
  assert.equal(await stands(), before)
})
