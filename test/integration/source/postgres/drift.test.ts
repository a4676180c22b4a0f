import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { SchemaChange } from '../../../../src/model/change.ts'
import { textsOf } from '../../../../src/model/tuple.ts'
import { database, type TestDatabase } from '../../../../testkit/servers/index.ts'
import { faults, inWindows, never, readOn, type Started, sourceOf, started } from './support.ts'

const TABLE = `
create table a (id int primary key, n numeric(6, 2), x varchar(10));
insert into a select g, g, 'x' from generate_series(1, 50) g`

async function prepared(t: TestContext, major: 14 | 18): Promise<[TestDatabase, Started]> {
  const db = await database(t, major)
  await db.query(TABLE)
  return [db, await started(t, db)]
}

/** Reads everything that is there now. */
const read = ({ source, positions, tables }: Started) => readOn(source, positions, { tables })

/** The end of a stream that runs already, so that it is the change itself that stops it. */
async function running(
  db: TestDatabase,
  { source, positions, tables }: Started,
): Promise<() => Promise<void>> {
  const first = Promise.withResolvers<void>()
  const reading = (async () => {
    for await (const _ of source.stream(positions, { tables, encoding: 'pg-text' }, never)) {
      first.resolve()
    }
  })()
  reading.catch(first.reject)
  await db.query(`insert into a values (99, 1, 'seen')`)
  await first.promise
  return () => reading
}

/** What an alteration means for the mirror, at the next change and at the next look. */
const refused: readonly (readonly [string, string, string])[] = [
  ['HF-D401', 'a column with a default', 'alter table a add z int default 7'],
  [
    'HF-D401',
    'a column whose default was taken away',
    'alter table a add z int default 7; alter table a alter z drop default',
  ],
  [
    'HF-D401',
    'a column that rewrote the table',
    'alter table a add z float8 default random(); alter table a alter z drop default',
  ],
  ['HF-D401', 'an identity column', 'alter table a add z int generated always as identity'],
  [
    'HF-D401',
    'a domain with a default',
    'create domain seven as int default 7; alter table a add z seven',
  ],
  [
    'HF-D401',
    'a generated column made plain',
    'alter table a add z int generated always as (id * 2) stored; alter table a alter z drop expression',
  ],
  ['HF-D402', 'a dropped column', 'alter table a drop n'],
  ['HF-D402', 'a renamed column', 'alter table a rename n to m'],
  [
    'HF-D402',
    'two swapped names',
    'alter table a rename n to y; alter table a rename x to n; alter table a rename y to x',
  ],
  [
    'HF-D402',
    'a column dropped and made anew',
    'alter table a drop n, drop x; alter table a add n numeric(6, 2), add x varchar(10)',
  ],
  [
    'HF-D403',
    'another key',
    'alter table a drop constraint a_pkey; alter table a add primary key (id, n)',
  ],
  [
    'HF-D403',
    'another replica identity',
    'alter table a alter x set not null; create unique index u on a (x, id); alter table a replica identity using index u',
  ],
  ['HF-D404', 'another type', 'alter table a alter n type text'],
  ['HF-D404', 'another length', 'alter table a alter x type varchar(20)'],
  ['HF-D406', 'another name', 'alter table a rename to b'],
  ['HF-D406', 'another schema', 'create schema s; alter table a set schema s'],
]

for (const major of [14, 18] as const) {
  describe(`PostgreSQL ${major}`, () => {
    for (const [code, what, sql] of refused) {
      test(`${what} is a named halt, at the next change and at a look`, async (t) => {
        const [db, mirror] = await prepared(t, major)
        const reading = await running(db, mirror)
        await mirror.source.look(mirror.tables)
        await db.query(sql)
        const where = code === 'HF-D406' ? (sql.includes('rename to b') ? 'b' : 's.a') : 'a'
        await faults(code, mirror.source.look(mirror.tables))
        await db.query(`delete from ${where} where id = 1`)
        await faults(code, reading)
        await faults(code, read(mirror))
      })
    }

    test('new columns that old rows hold null in flow through, as often as they come', async (t) => {
      const [db, mirror] = await prepared(t, major)
      await mirror.source.look(mirror.tables)
      await db.query(`create type mood as enum ('sad', 'ok')`)
      await db.query(`insert into a values (100, 1, 'before')`)
      await db.query(
        `begin; alter table a add z int; insert into a values (101, 1, 'in', 7); commit`,
      )
      await db.query(`alter table a add m mood[], add w varchar(3)`)
      await db.query(`update a set m = '{ok}' where id = 1`)
      const { wholes } = await read(mirror)
      const changes = wholes.flatMap(({ changes: made }) => made)
      const words = changes.map((change) => {
        if (change.kind === 'schema')
          return change.to.columns
            .slice(3)
            .map((c) => c.native)
            .join()
        return change.kind === 'truncate' || change.row === null ? '' : textsOf(change.row).join()
      })
      assert.deepEqual(words, [
        '100,1.00,before',
        'integer',
        '101,1.00,in,7',
        'integer,"public"."mood"[],character varying(3)',
        '1,1.00,x,,{ok},',
      ])
      // Whoever looks with what the checkpoint knew must not be told of what was carried already.
      await mirror.source.look(mirror.tables)
      const widened = changes.filter((change): change is SchemaChange => change.kind === 'schema')
      const last = widened.at(-1)?.to
      assert.ok(last !== undefined)
      const again = await sourceOf(t, db)
      await db.query(`insert into a (id) values (200)`)
      const after = wholes.at(-1)?.positions ?? mirror.positions
      const rest = await readOn(again, after, { tables: [last] })
      assert.equal(rest.wholes.flatMap(({ changes: made }) => made).length, 1)
    })

    test('a default given later does not hold up a column that came without one', async (t) => {
      const [db, mirror] = await prepared(t, major)
      await mirror.source.look(mirror.tables)
      await db.query('alter table a add z int')
      await mirror.source.look(mirror.tables)
      await db.query(`alter table a alter z set default 5; insert into a (id) values (100)`)
      await mirror.source.look(mirror.tables)
    })

    test('a column that a transaction in progress adds itself is confirmed at its end', async (t) => {
      const [db, mirror] = await prepared(t, major)
      await db.query(`alter database ${db.name} set logical_decoding_work_mem = '64kB'`)
      await mirror.source.look(mirror.tables)
      const many = `select g, 1, 'x', g from generate_series(1000, 4000) g`
      await db.query(`begin; alter table a add z int; insert into a ${many}; commit`)
      const { wholes } = await read(mirror)
      const [whole] = wholes.filter(({ changes }) => changes.length > 0)
      assert.ok(whole !== undefined && (whole.parts > 1 || inWindows))
      assert.deepEqual(
        [whole.changes.length, whole.changes[0]?.kind, whole.changes[1]?.kind],
        [3002, 'schema', 'insert'],
      )
    })

    test('the same with a default is refused before its end is passed on', async (t) => {
      const [db, mirror] = await prepared(t, major)
      await db.query(`alter database ${db.name} set logical_decoding_work_mem = '64kB'`)
      const reading = await running(db, mirror)
      const many = `select g, 1, 'x', g from generate_series(1000, 4000) g`
      await db.query(`begin; alter table a add z int default 3; insert into a ${many}; commit`)
      await faults('HF-D401', reading)
    })

    test('rewriting a table without changing it stops nothing (P74)', async (t) => {
      const [db, mirror] = await prepared(t, major)
      await mirror.source.look(mirror.tables)
      await db.query('vacuum full a')
      await mirror.source.look(mirror.tables)
      await db.query(`alter table a add z int; insert into a values (100, 1, 'x', 5)`)
      await mirror.source.look(mirror.tables)
      const { wholes } = await read(mirror)
      assert.equal(wholes.flatMap(({ changes }) => changes).length, 2)
    })

    test('a publication that was dropped, made anew or altered is named (P61)', async (t) => {
      const [db, mirror] = await prepared(t, major)
      const publication = `holdfast_${db.name}`
      await db.query('create table b (id int primary key)')
      await mirror.source.look(mirror.tables)
      const before = await mirror.source.identity()
      await db.query(`alter publication ${publication} add table b`)
      // A table that is not followed is nobody's business.
      await mirror.source.look(mirror.tables)
      await db.query(
        `alter publication ${publication} drop table a; alter publication ${publication} add table a`,
      )
      await faults('HF-S206', mirror.source.look(mirror.tables))
      await db.query(`drop publication ${publication}`)
      await db.query(`insert into a values (100, 1, 'unseen')`)
      await faults('HF-S206', mirror.source.look(mirror.tables))
      await faults('HF-S206', mirror.source.identity())
      await db.query(`create publication ${publication} for table a`)
      const after = await mirror.source.identity()
      assert.notEqual(after['publication']?.value, before['publication']?.value)
    })

    test('a publication that is dropped while it streams ends the stream', async (t) => {
      const [db, mirror] = await prepared(t, major)
      const { source, positions, tables } = mirror
      let dropped = false
      const reading = (async () => {
        for await (const _ of source.stream(
          positions,
          { tables, encoding: 'pg-text' },
          AbortSignal.timeout(60_000),
        )) {
          if (dropped) continue
          dropped = true
          await db.query(`drop publication holdfast_${db.name}`)
          await db.query(`insert into a values (101, 1, 'unseen')`)
        }
      })()
      await db.query(`insert into a values (100, 1, 'seen')`)
      await faults('HF-S206', reading)
    })

    test('what changes between the start and the first look is a named halt', async (t) => {
      const db = await database(t, major)
      await db.query(
        `create table p (id int primary key) partition by range (id);
         create table p1 partition of p for values from (0) to (10);
         create table a (id int primary key)`,
      )
      const first = await started(t, db)
      await first.source.identity()
      await db.query('create table p2 partition of p for values from (10) to (20)')
      await faults('HF-D406', first.source.look(first.tables))
      await db.query('drop table p2')
      const second = await sourceOf(t, db)
      await second.identity()
      await db.query(`alter publication holdfast_${db.name} drop table a`)
      await faults('HF-S206', second.look(first.tables))
    })

    test('a partition that comes later is a named halt (P67)', async (t) => {
      const db = await database(t, major)
      await db.query(
        `create table p (id int primary key) partition by range (id);
         create table p1 partition of p for values from (0) to (10)`,
      )
      const mirror = await started(t, db)
      await mirror.source.look(mirror.tables)
      const before = await mirror.source.identity()
      await db.query('create table p2 partition of p for values from (10) to (20)')
      const fault = await faults('HF-D406', mirror.source.look(mirror.tables))
      assert.match(fault.message, /p2/)
      const after = await mirror.source.identity()
      assert.notDeepEqual(after['partitions'], before['partitions'])
    })
  })
}
