import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { Change } from '../../../../src/model/change.ts'
import { covers } from '../../../../src/model/position.ts'
import type { Table } from '../../../../src/model/table.ts'
import { cell, NULL, textsOf, UNCHANGED } from '../../../../src/model/tuple.ts'
import type { Source } from '../../../../src/source/source.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { apart } from '../../../../testkit/memory/runs.ts'
import { startProxy } from '../../../../testkit/proxy.ts'
import { database, postgres, type TestDatabase } from '../../../../testkit/servers/index.ts'
import { dropSlot } from '../../../../testkit/slot.ts'
import {
  faults,
  Gatherer,
  inWindows,
  never,
  readOn,
  sourceOf,
  started,
  streamsOnly,
} from './support.ts'

/** A change as the plugin test_decoding writes it. */
function asTestDecoding(change: Change): string[] {
  if (change.kind === 'schema') return []
  if (change.kind === 'truncate') {
    return [`table ${change.tables.map(nameOf).join(', ')}: TRUNCATE: (no-flags)`]
  }
  const { kind, table, row, old } = change
  const cells = (tuple: Buffer, only: readonly number[]): string =>
    only
      // The plugin leaves nulls of an old row out.
      .filter((i) => tuple !== old || cell(tuple, i).kind !== NULL)
      .map((i) => {
        const column = table.columns[i]
        const { kind: is, bytes } = cell(tuple, i)
        const quoted = `'${bytes.toString('utf8').replaceAll("'", "''")}'`
        const text = column?.native === 'text' ? quoted : bytes.toString('latin1')
        const value = is === NULL ? 'null' : is === UNCHANGED ? 'unchanged-toast-datum' : text
        return `${column?.name}[${column?.native}]:${value}`
      })
      .join(' ')
  const all = table.columns.map((_, i) => i)
  const keys = table.identity.by === 'key' ? [...table.identity.columns].sort() : all
  const of = old === null ? '' : cells(old, keys)
  if (kind === 'delete') return [`table ${nameOf(table)}: DELETE: ${of}`]
  const whole = row === null ? '' : cells(row, all)
  const before = old === null ? '' : `old-key: ${of} new-tuple: `
  return [`table ${nameOf(table)}: ${kind.toUpperCase()}: ${before}${whole}`]
}

const nameOf = (table: Table): string => `${table.schema}.${table.name}`

/** Wide values are for the server; a failing test need not print them. */
const brief = (line: string): string => line.replace(/é{9,}/, (wide) => `é*${wide.length}`)

async function witness(db: TestDatabase): Promise<string[][]> {
  const rows = await db.query(
    `select data from pg_logical_slot_get_changes('w_' || current_database(), null, null,
      'include-xids', '0', 'skip-empty-xacts', '1')`,
  )
  const transactions: string[][] = []
  for (const { data } of rows) {
    if (data === 'BEGIN') transactions.push([])
    else if (data?.startsWith('table ') === true) transactions.at(-1)?.push(brief(data))
  }
  return transactions.filter((changes) => changes.length > 0)
}

const TABLES = `
create table a (id int primary key, n numeric, x text);
create table b (k text, i int, x text, primary key (i, k));
alter table b alter x set storage external;
create table f (n numeric, x text); alter table f replica identity full`

const id = fc.integer({ min: 1, max: 12 })
const words = fc.oneof(fc.constantFrom("'", '', 'é\n\\', 'null'), fc.string({ maxLength: 5 }))
const text = words.map((s) => `'${s.replaceAll('\0', '').replaceAll("'", "''")}'`)
const rowStatement = fc.oneof(
  fc
    .tuple(id, text)
    .map(
      ([i, x]) =>
        `insert into a values (${i}, ${i}.50, ${x}) on conflict (id) do update set x = excluded.x`,
    ),
  fc
    .tuple(id, id)
    .map(
      ([i, j]) =>
        `update a set id = ${j} where id = ${i} and not exists (select from a where id = ${j})`,
    ),
  id.map((i) => `delete from a where id = ${i}`),
  fc
    .tuple(id, text)
    .map(([i, x]) => `insert into b values (${x}, ${i}, repeat('é', 3000)) on conflict do nothing`),
  id.map((i) => `update b set k = k || 'x' where i = ${i}`),
  fc.tuple(id, text).map(([i, x]) => `insert into f values (null, ${x}), (${i}, null)`),
  id.map((i) => `update f set x = 'y' where n = ${i}`),
  id.map((i) => `delete from f where n = ${i}`),
  fc.constant(`select pg_logical_emit_message(true, 'app', 'in')`),
  fc.constant(`select pg_logical_emit_message(false, 'app', 'out')`),
)
const steps = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: rowStatement },
    { weight: 1, arbitrary: fc.constantFrom('truncate a', 'truncate b, f') },
    { weight: 1, arbitrary: fc.constant('savepoint s') },
    { weight: 1, arbitrary: fc.constant('savepoint s; rollback to s') },
  ),
  { minLength: 1, maxLength: 6 },
)
const transaction = fc.tuple(steps, fc.constantFrom('commit', 'commit', 'commit', 'rollback'))

async function randomLoad(db: TestDatabase, seed: number): Promise<void> {
  for (const [work, end] of fc.sample(transaction, { seed, numRuns: 150 })) {
    await db.query(`begin; ${work.join('; ')}; ${end}`)
  }
}

async function withWitness(t: TestContext, major: 14 | 18): Promise<TestDatabase> {
  const db = await database(t, major)
  await db.query(TABLES)
  await db.query(
    `select pg_create_logical_replication_slot('w_' || current_database(), 'test_decoding')`,
  )
  return db
}

const told = (gatherer: Gatherer): string[][] =>
  gatherer.wholes
    .map(({ changes }) => changes.flatMap(asTestDecoding).map(brief))
    .filter((w) => w.length > 0)

for (const major of [14, 18] as const) {
  describe(`PostgreSQL ${major}`, () => {
    test('the stream is what an independent plugin sees, transaction by transaction', async (t) => {
      const db = await withWitness(t, major)
      const { source, tables, positions } = await started(t, db)
      await randomLoad(db, 7)
      const gatherer = await readOn(source, positions, { tables })
      assert.deepEqual(told(gatherer), await witness(db))
    })

    test('read in pieces from wherever it was left, nothing is missing and nothing twice', async (t) => {
      const db = await withWitness(t, major)
      const { source, tables, positions } = await started(t, db)
      await randomLoad(db, 8)
      const seen: string[][] = []
      let after = positions
      for (let round = 1; round < 60; round++) {
        const enough = (g: Gatherer): boolean => g.wholes.length === 7
        const gatherer = await readOn(source, after, { tables, enough })
        seen.push(...told(gatherer))
        after = gatherer.reached
        if (gatherer.wholes.length < 7) break
      }
      assert.deepEqual(seen, await witness(db))
    })

    test('large transactions come before they end, rolled back parts are taken back (P87, P88)', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key, x text)')
      await db.query(`alter database ${db.name} set logical_decoding_work_mem = '64kB'`)
      const { source, tables, positions } = await started(t, db)
      const sessions = await Promise.all([db.session(), db.session()])
      const fill = (from: number): string =>
        `insert into a select g, repeat('x', 200) from generate_series(${from}, ${from + 1999}) g`
      for (const session of sessions) await session.query('begin')
      for (const [i, session] of sessions.entries()) {
        const from = i * 100_000
        await session.query(fill(from))
        await session.query(`savepoint one`)
        await session.query(fill(from + 10_000))
        await session.query('savepoint two')
        await session.query(fill(from + 20_000))
        await session.query('rollback to one')
        await session.query(fill(from + 30_000))
        await session.query('release one; savepoint three')
        await session.query(
          `delete from a where id % 2 = 0 and id between ${from} and ${from + 999}`,
        )
        await session.query('release three')
      }
      await db.query(`insert into a values (-1, 'between')`)
      await sessions[1]?.query('commit')
      await sessions[0]?.query('commit')
      await db.query(`begin; ${fill(500_000)}; rollback`)
      const gatherer = await readOn(source, positions, { tables })
      const rows = new Set<string>()
      for (const { changes } of gatherer.wholes) {
        for (const change of changes) {
          assert.ok(change.kind === 'insert' || change.kind === 'delete')
          const key = textsOf(change.row ?? change.old ?? Buffer.alloc(2))[0] ?? ''
          if (change.kind === 'insert') rows.add(key)
          else rows.delete(key)
        }
      }
      const truth = await db.query('select id from a order by id')
      assert.deepEqual(
        [...rows].map(Number).sort((x, y) => x - y),
        truth.map((r) => Number(r['id'])),
      )
      assert.ok(
        inWindows || gatherer.wholes.some(({ parts }) => parts > 2),
        'nothing came in parts',
      )
    })

    test('an idle stream moves on with the log of others (P92), acknowledged only when told so (P93)', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key); create table other (id int)')
      const { source, tables, positions } = await started(t, db, {
        selection: { exclude: ['other'] },
      })
      await db.query('insert into a values (1)')
      await db.query('insert into other select generate_series(1, 20000)')
      const gatherer = await readOn(source, positions, { tables })
      assert.equal(gatherer.wholes.filter(({ changes }) => changes.length > 0).length, 1)
      const { from } = await source.range()
      assert.deepEqual(from, positions)
      const after = gatherer.reached
      await readOn(source, after, { tables, acknowledge: true })
      await eventually('the slot follows what was acknowledged', async () =>
        covers(source.compare, (await source.range()).from, after),
      )
    })

    test('the server hears from us while nobody reads, and nothing is lost (P121)', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key, x text)')
      const { source, tables, positions } = await started(t, db, { catchUp: streamsOnly })
      await db.query(
        `insert into a select g, repeat(md5(g::text), 20) from generate_series(1, 40000) g`,
      )
      const stream = source.stream(positions, { tables, encoding: 'pg-text' }, never)
      const bursts = stream[Symbol.asyncIterator]()
      const gatherer = new Gatherer()
      const take = async (): Promise<void> => {
        const { value } = await bursts.next()
        for (const item of value?.flatMap(apart) ?? []) gatherer.take(item)
      }
      // Others' transactions come, too, as empty ones.
      const whole = () => gatherer.wholes.find(({ changes }) => changes.length > 0)
      await take()
      const sent = `select sent_lsn, reply_time, pg_current_wal_lsn() > sent_lsn as behind
        from pg_stat_replication where application_name like 'holdfast:%:stream'
        and pid = (select active_pid from pg_replication_slots where database = current_database())`
      const times = new Set<string>()
      await eventually('two more replies while reading rests', async () => {
        const [row] = await db.query(sent)
        assert.equal(row?.['behind'], 't')
        if (row?.['reply_time'] != null) times.add(row['reply_time'])
        return times.size > 2
      })
      while (whole() === undefined) await take()
      assert.equal(whole()?.changes.length, 40_000)
      await bursts.return?.()
    })

    test('what was read and not acknowledged is never reported as flushed (P93)', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key)')
      const { source, tables, positions } = await started(t, db)
      await db.query('insert into a values (1)')
      const stop = new AbortController()
      const reading = (async () => {
        for await (const _ of source.stream(
          positions,
          { tables, encoding: 'pg-text' },
          stop.signal,
        ));
      })()
      await eventually('the server was told what was read', async () => {
        const [row] = await db.query(
          `select r.write_lsn >= s.confirmed_flush_lsn + 100 as told
           from pg_stat_replication r join pg_replication_slots s on s.active_pid = r.pid
           where s.database = current_database()`,
        )
        return row?.['told'] === 't'
      })
      assert.deepEqual((await source.range()).from, positions)
      stop.abort()
      await reading
    })

    test('a connection that is cut anywhere ends the stream with a fault that is tried again', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key, x text)')
      const { tables, positions } = await started(t, db)
      await db.query(`insert into a select g, repeat('x', 300) from generate_series(1, 40000) g`)
      await using proxy = await startProxy(db.server)
      const url = `${proxy.url(db.url)}?sslmode=disable`
      for (const bytes of [1, 1_000, 100_003]) {
        const source = await sourceOf(t, { url }, { mirror: db.name, catchUp: streamsOnly })
        const reading = (async () => {
          let cut = false
          for await (const _ of source.stream(positions, { tables, encoding: 'pg-text' }, never)) {
            // The stream's connection is the newest one.
            if (!cut) proxy.open.at(-1)?.cutAfter(bytes)
            cut = true
          }
        })()
        const fault = await faults('HF-S101', reading)
        assert.ok(fault.transient)
      }
      const source = await sourceOf(t, db)
      const { wholes } = await readOn(source, positions, { tables })
      assert.equal(wholes.flatMap(({ changes }) => changes).length, 40_000)
    })

    test('a reader of this mirror that was left behind is ended, a stranger is named', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key)')
      const first = await started(t, db)
      const left = first.source.stream(
        first.positions,
        { tables: first.tables, encoding: 'pg-text' },
        never,
      )
      const reading = left[Symbol.asyncIterator]()
      const waiting = (async () => {
        for (;;) if ((await reading.next()).done === true) return
      })()
      waiting.catch(() => {})
      await eventually('the first one reads', async () => {
        const [row] = await db.query(
          'select active from pg_replication_slots where database = current_database()',
        )
        return row?.['active'] === 't'
      })
      const second = await sourceOf(t, db)
      await db.query('insert into a values (1)')
      const gatherer = await readOn(second, first.positions, { tables: first.tables })
      assert.equal(gatherer.wholes[0]?.changes.length, 1)
      await faults('HF-S101', waiting)
    })

    test('the slot of another mirror of the same name is left alone', async (t) => {
      const [db, other] = [await database(t, major), await database(t, major)]
      await db.query('create table a (id int primary key)')
      await other.query('create table a (id int primary key)')
      const { source, tables } = await started(t, db)
      const mirror = db.name
      const found = async (of: Source, fresh: boolean): Promise<string[]> =>
        (await of.preflight({ fresh })).flatMap((one) =>
          one.level === 'fail' ? [one.fault.code] : [],
        )
      assert.deepEqual(await found(source, true), ['HF-S208'])
      assert.deepEqual(await found(source, false), [])
      const stranger = await sourceOf(t, other, { mirror })
      assert.deepEqual(await found(stranger, false), ['HF-S208'])
      await faults('HF-S208', stranger.snapshot({ keep: true }, never))
      assert.deepEqual(await stranger.destroy(), [])
      await source.look(tables)
    })

    test('a slot that is missing, lost or of another kind is named', async (t) => {
      const db = await database(t, major)
      await db.query('create table a (id int primary key)')
      const { source, tables, positions } = await started(t, db)
      const [slot] = await db.query(
        'select slot_name from pg_replication_slots where database = current_database()',
      )
      const name = slot?.['slot_name'] ?? ''
      await dropSlot(db, name)
      await faults('HF-L103', source.identity())
      await faults('HF-L103', source.look(tables))
      await faults('HF-L103', readOn(source, positions, { tables }))
      await db.query(`select pg_create_logical_replication_slot($1, 'test_decoding')`, [name])
      await faults('HF-L105', source.range())
    })

    test('prepared transactions come when they are committed (P90)', async (t) => {
      await using server = await postgres(major, { settings: { max_prepared_transactions: '4' } })
      const db = await database(t, server)
      await db.query('create table a (id int primary key)')
      const { source, tables, positions } = await started(t, db)
      await db.query(`begin; insert into a values (1); prepare transaction 'one'`)
      await db.query(`begin; insert into a values (2); prepare transaction 'two'`)
      const before = await readOn(source, positions, { tables })
      assert.equal(before.wholes.flatMap(({ changes }) => changes).length, 0)
      await db.query(`commit prepared 'one'`)
      await db.query(`rollback prepared 'two'`)
      const after = await readOn(source, positions, { tables })
      assert.deepEqual(after.wholes.flatMap(({ changes }) => changes).flatMap(asTestDecoding), [
        'table public.a: INSERT: id[integer]:1',
      ])
    })
  })
}
