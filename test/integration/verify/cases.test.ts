import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from '../../../src/model/fault.ts'
import { eventually } from '../../../testkit/eventually.ts'
import type { TestDatabase } from '../../../testkit/servers/index.ts'
import { dropSlot } from '../../../testkit/slot.ts'
import { differences, tableNamed, twoEnds } from './ends.ts'

const ddl = `
create table a (id int primary key, v text);
create table b (id int primary key, v text);
create table log (at int, v text);`

const rows = `
insert into a select i, 'a' || i from generate_series(1, 100) i;
insert into b select i, 'b' || i from generate_series(1, 100) i;
insert into log select i, 'l' || i from generate_series(1, 100) i;`

function isFault(code: string): (error: unknown) => boolean {
  return (error) => error instanceof Fault && error.code === code
}

test('under merge, rows that only the target holds are kept', async (t) => {
  const ends = await twoEnds(t, { source: 18, target: 18, ddl, modes: { a: 'merge' } })
  await ends.target.query("insert into a select i, 'own' from generate_series(1001, 1007) i")
  await ends.source.query(rows)
  await ends.feed()
  const before = tableNamed(await ends.verify(), 'a')
  assert.deepEqual([before.state, before.kept, before.rows], ['equal', 7, 100])
  // Not applied yet: under merge the deletes and the truncate will not be.
  await ends.source.query(`
    delete from a where id = 5; insert into a values (1003, 'now ours'); update a set v = 'x' where id = 6;`)
  assert.equal(tableNamed(await ends.verify(), 'a').kept, 7)
  await ends.target.query("update a set v = 'wrong' where id = 50; delete from a where id = 51")
  const after = tableNamed(await ends.verify(), 'a')
  assert.deepEqual(differences(after), ['changed 50 [v]', 'missing 51'])
  assert.equal(after.extra, 0)
})

test('a table without an identity shows what it missed, and why', async (t) => {
  const ends = await twoEnds(t, { source: 18, target: 18, ddl, publish: 'insert, truncate' })
  await ends.source.query(rows)
  await ends.feed()
  await ends.source.query("insert into log values (7, 'l7'), (101, 'new')")
  assert.equal(tableNamed(await ends.verify(), 'log').state, 'equal')
  await ends.source.query("update log set v = 'bent' where at = 7; delete from log where at = 8")
  const log = tableNamed(await ends.verify(), 'log')
  assert.deepEqual([log.missing, log.extra], [2, 3])
  assert.match(log.note ?? '', /updates and deletes at the source do not reach the target/)
})

test('a table whose first copy is not complete is not judged', async (t) => {
  const ends = await twoEnds(t, { source: 18, target: 18, ddl })
  await ends.source.query(rows)
  await ends.target.query("update _holdfast.tables set state = 'copying' where name = 'b'")
  const result = await ends.verify()
  assert.equal(result.verdict, 'PARTIAL')
  assert.deepEqual(
    result.tables.map(({ state }) => state),
    ['equal', 'copying', 'equal'],
  )
  await ends.target.query("update _holdfast.tables set state = 'copying'")
  assert.equal((await ends.verify()).verdict, 'PARTIAL')
  await ends.target.query('delete from _holdfast.tables')
  assert.equal((await ends.verify()).verdict, 'PARTIAL')
})

test('a table that was copied later than the rest is compared from there', async (t) => {
  const ends = await twoEnds(t, { source: 18, target: 18, ddl })
  await ends.source.query(rows)
  await ends.source.query("update b set v = 'later' where id < 10")
  await ends.copyNow('b')
  await ends.source.query("update b set v = 'last' where id < 5; delete from b where id = 50")
  assert.equal((await ends.verify()).verdict, 'PASS')
  await ends.target.query("update b set v = 'b2' where id in (2, 8)")
  assert.deepEqual(differences(tableNamed(await ends.verify(), 'b')), ['changed 8 [v]'])
})

test('a table or a column that is not there is a difference by name', async (t) => {
  const ends = await twoEnds(t, { source: 18, target: 18, ddl })
  await ends.source.query(rows)
  await ends.feed()
  await ends.target.query('drop table a; alter table b drop column v')
  const result = await ends.verify()
  assert.equal(result.verdict, 'FAIL')
  assert.match(tableNamed(result, 'a').note ?? '', /no table public\.a at the target/)
  assert.match(tableNamed(result, 'b').note ?? '', /public\.b has no column v at the target/)
  assert.equal(tableNamed(result, 'log').state, 'equal')
})

test('differences beyond those that are kept are counted', async (t) => {
  const ends = await twoEnds(t, { source: 18, target: 18, ddl })
  await ends.source.query(`insert into a select i, 'a' from generate_series(1, 3000) i`)
  await ends.feed()
  await ends.target.query('truncate a; insert into b select i from generate_series(1, 7) i')
  const result = await ends.verify({ keep: 5 })
  assert.deepEqual([result.missing, result.extra, result.changed], [3000, 7, 0])
  assert.equal(tableNamed(result, 'a').differences.length, 5)
})

test('a target that is too far behind is named, not taken into memory', async (t) => {
  const ends = await twoEnds(t, { source: 18, target: 18, ddl, limit: 50_000 })
  await ends.source.query(rows)
  await ends.feed()
  assert.equal((await ends.verify()).verdict, 'PASS')
  await ends.source.query(`update a set v = repeat('x', 1000)`)
  await assert.rejects(ends.verify(), isFault('HF-V103'))
  assert.deepEqual(await ends.slots(), ['slot', 'slot_feed'])
})

test('a target that stands before the log that is kept is a named state', async (t) => {
  const ends = await twoEnds(t, { source: 18, target: 18, ddl })
  const [before] = await ends.target.query('select "order", token from _holdfast.lanes')
  await ends.source.query(rows)
  await ends.feed()
  await ends.acknowledge()
  assert.equal((await ends.verify()).verdict, 'PASS')
  await ends.target.query('update _holdfast.lanes set "order" = $1, token = $2', [
    before?.['order'],
    before?.['token'],
  ])
  await assert.rejects(ends.verify(), isFault('HF-L105'))
  await ends.target.query('update _holdfast.lanes set "order" = "order" * 100')
  await assert.rejects(ends.verify(), isFault('HF-L106'))
})

test('without the slot nothing is claimed', async (t) => {
  const ends = await twoEnds(t, { source: 14, target: 14, ddl })
  await ends.source.query(rows)
  for (const slot of await ends.source.query('select slot_name from pg_replication_slots')) {
    await dropSlot(ends.source, slot['slot_name'] ?? '')
  }
  await assert.rejects(ends.verify(), isFault('HF-L103'))
  await ends.source.query('drop publication v')
  await assert.rejects(ends.verify(), isFault('HF-S206'))
})

for (const major of [14, 18] as const) {
  test(`rows written while the publication was gone are not overlooked, ${major}`, async (t) => {
    const ends = await twoEnds(t, { source: major, target: major, ddl })
    await ends.source.query('drop publication v')
    await ends.source.query(rows)
    await ends.source.query('create publication v for all tables')
    await assert.rejects(ends.verify(), isFault('HF-S206'))
  })
}

/** Resolves when somebody waits for a lock in the database. */
async function blocked(db: TestDatabase): Promise<void> {
  await eventually('somebody waits for a lock', async () => {
    const rows = await db.query(
      `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    )
    return rows.length > 0
  })
}

for (const major of [14, 18] as const) {
  test(`a table that is emptied under the view is looked at again, ${major}`, async (t) => {
    const ends = await twoEnds(t, { source: major, target: major, ddl })
    await ends.source.query(rows)
    await ends.feed()
    const other = await ends.source.session()
    await other.query("begin; truncate a; insert into a values (1, 'anew')")
    const verifying = ends.verify()
    await blocked(ends.source)
    await other.query('commit')
    const result = await verifying
    assert.equal(result.verdict, 'PASS', JSON.stringify(result.tables.map(differences)))
  })
}

test('who stops a verification need not wait for it', async (t) => {
  const ends = await twoEnds(t, { source: 18, target: 18, ddl })
  await ends.source.query(rows)
  await ends.feed()
  const other = await ends.target.session()
  await other.query('begin; lock table a')
  const stop = new AbortController()
  const verifying = ends.verify({}, {}, stop.signal)
  const stopped = assert.rejects(verifying, /enough/)
  await blocked(ends.target)
  stop.abort(new Error('enough'))
  await stopped
  await other.query('rollback')
  await eventually('no session of the verification is left', async () => {
    const sessions = `select 1 from pg_stat_activity
      where application_name like 'holdfast:%' and datname = current_database()`
    const left = await Promise.all([ends.source.query(sessions), ends.target.query(sessions)])
    return left.flat().length === 0
  })
})

/** Everything that could show a write: rows and their versions, catalogue, slots, state. */
async function traces(db: TestDatabase): Promise<unknown> {
  const stateOf = (table: string): string =>
    `(select md5(query_to_xml('select ctid, xmin, * from _holdfast.${table}', true, true, '')::text)
      where to_regclass('_holdfast.${table}') is not null) as ${table}`
  return await db.query(`
    select (select md5(string_agg(concat(t.ctid, t.xmin, t), ',' order by t.id)) from a t) as a,
      (select count(*) from pg_class) as classes, (select count(*) from pg_proc) as functions,
      (select count(*) from pg_type) as types, (select count(*) from pg_publication) as publications,
      (select string_agg(slot_name || confirmed_flush_lsn || restart_lsn, ',' order by slot_name)
       from pg_replication_slots where database = current_database()) as slots,
      ${['about', 'mirrors', 'lanes', 'tables'].map(stateOf).join(', ')}`)
}

test('verification leaves nothing behind at either end', async (t) => {
  const ends = await twoEnds(t, { source: 18, target: 14, ddl })
  await ends.source.query(rows)
  await ends.feed()
  await ends.source.query("update a set v = 'later' where id = 1")
  const before = [await traces(ends.source), await traces(ends.target)]
  await ends.target.query('select 1')
  assert.equal((await ends.verify()).verdict, 'PASS')
  assert.deepEqual([await traces(ends.source), await traces(ends.target)], before)
  assert.deepEqual(await ends.slots(), ['slot', 'slot_feed'])
})
