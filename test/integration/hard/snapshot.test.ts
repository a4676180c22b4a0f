import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Child } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'
import {
  type PostgresServer,
  postgres,
  type TestDatabase,
  type TestSession,
} from '../../../testkit/servers/index.ts'
import { bothMajors, halted, rows, type Stage, stage } from './stage.ts'

// HARD CASES: the first copy, and what goes on at the source meanwhile.

const THREE = `
create table a (id int primary key, v int, x text);
create table b (id int primary key, v int, x text);
create table c (id int primary key, v int, x text);
insert into a select g, g, repeat('a', 300) from generate_series(1, 6000) g;
insert into b select g, g, repeat('b', 200) from generate_series(1, 3000) g;
insert into c select g, g, 'c' from generate_series(1, 1000) g`

const THREE_EMPTY = `
create table a (id int primary key, v int, x text);
create table b (id int primary key, v int, x text);
create table c (id int primary key, v int, x text)`

/** A table of several chunks: one row to a page of 8 KiB. */
const WIDE = (name: string, key: string): string => `
create table ${name} (id ${key} primary key, v int, x text) with (fillfactor = 10);
insert into ${name} select g, g, repeat('x', 760) from generate_series(1, 18000) g;`

/** Changes rows of a, b and c in every way there is. */
const CHURN = `
update a set v = v + 1 where id % 3 = 0; delete from a where id % 5 = 0;
insert into a values (-1, 1, 'new') on conflict (id) do update set v = a.v + 1;
update b set id = -id where id % 7 = 0; delete from b where id % 11 = 0; insert into b values (90001, 1, 'new');
update c set v = v + 1; delete from c where id % 4 = 0; insert into c select g, 0, 'again' from generate_series(4, 40, 4) g;
update a set id = 2 where id = -1 and not exists (select from a where id = 2); delete from b where id = 90001`

/** Holds up the writing of a table at the target until it is released. */
async function heldUp(target: TestDatabase, table: string): Promise<TestSession> {
  const session = await target.session()
  await session.query(`begin; lock table ${table} in share mode`)
  return session
}

/** Waits until the copy of a table is under way and stuck at the target. */
async function stuckAt({ target }: Stage, table: string): Promise<void> {
  await eventually(`the copy of ${table} waits`, async () => {
    const found = await rows(
      target,
      `select 1 from pg_locks l join pg_stat_activity a using (pid) where not l.granted
       and l.relation = '${table}'::regclass and a.application_name like 'holdfast:hard:%'`,
    )
    return found.length > 0
  })
}

/** Writes to the source from so many sessions until it is told to stop. */
async function writers(
  source: TestDatabase,
  count: number,
  write: (session: TestSession, writer: number, round: number) => Promise<void>,
): Promise<() => Promise<number>> {
  let writing = true
  const sessions = await Promise.all(Array.from({ length: count }, () => source.session()))
  const loops = sessions.map(async (session, writer) => {
    let round = 0
    for (; writing; round++) await write(session, writer, round)
    return round
  })
  return async () => {
    writing = false
    return (await Promise.all(loops)).reduce((sum, each) => sum + each, 0)
  }
}

async function killed(child: Child): Promise<void> {
  assert.equal((await child.end()).signal, 'SIGKILL', child.lines.join('\n'))
}

async function waitingServer(t: TestContext, major: 14 | 18): Promise<PostgresServer> {
  const server = await postgres(major, { settings: { max_prepared_transactions: '10' } })
  t.after(() => server[Symbol.asyncDispose]())
  return server
}

for (const major of bothMajors) {
  describe(`PostgreSQL ${major}`, () => {
    test('P97 64 writers while tables are copied again and again: every commit is in copy or stream', async (t) => {
      const pair = await stage(t, major, {
        sql: `create table w (writer int, n int, primary key (writer, n));
          create table s (writer int primary key, n int); insert into s select g, 0 from generate_series(0, 63) g;
          ${THREE}`,
      })
      const stop = await writers(pair.source, 64, async (session, writer, round) => {
        await session.query(`begin; insert into w values (${writer}, ${round});
          update s set n = n + 1 where writer = ${writer}; commit; select pg_sleep(0.1)`)
      })
      for (const point of ['copy-begun', 'chunk-copied:2', 'table-copied:1']) {
        await killed(pair.run([], { HOLDFAST_KILL_AT: point }))
      }
      const mirror = await pair.streaming()
      assert.ok((await stop()) > 200)
      await pair.equal(mirror)
      assert.deepEqual(
        await rows(
          pair.target,
          'select writer from s join (select writer, count(*) as m from w group by 1) q using (writer) where m <> n',
        ),
        [],
      )
    })

    test('P98 who holds the first copy up is named: a session, and a prepared transaction', async (t) => {
      const server = await waitingServer(t, major)
      const pair = await stage(t, major, { sql: THREE, sourceIn: server })
      const idle = await pair.source.session()
      const [own] =
        await idle.query(`set application_name = 'forgotten'; begin; delete from c where id = 1;
        select pg_backend_pid() as pid, pg_current_xact_id()::xid as xid`)
      const child = pair.run()
      const line = await child.line(/first copy waits/)
      assert.match(
        line,
        new RegExp(
          `transaction ${own?.xid}, open since \\d{4}-.*: process ${own?.pid} of postgres \\(forgotten\\)`,
        ),
      )
      await idle.query(`prepare transaction 'half ''done'`)
      const second = await child.line(/first copy waits.*prepared/)
      assert.match(
        second,
        /prepared as 'half ''done' by postgres in database .*ROLLBACK PREPARED 'half ''done'/,
      )
      await idle.query(`rollback prepared 'half ''done'`)
      await child.line(/streaming/)
      await pair.equal(child)
      assert.deepEqual(await rows(pair.target, 'select 1 from c where id = 1'), ['1'])
    })

    test('P98 what stops while it waits leaves no slot, and starts again', async (t) => {
      const pair = await stage(t, major, { sql: THREE })
      const idle = await pair.source.session()
      await idle.query('begin; delete from c where id = 1')
      const child = pair.run()
      await child.line(/first copy waits/)
      child.signal('SIGTERM')
      assert.equal((await child.end()).code, 0, child.lines.join('\n'))
      await eventually(
        'no slot is left',
        async () =>
          (
            await rows(
              pair.source,
              `select 1 from pg_replication_slots where slot_name = 'holdfast_hard'`,
            )
          ).length === 0,
      )
      await idle.query('commit')
      await pair.caughtUp()
      await pair.verify(0)
    })

    test('P99 the end of the session that holds the snapshot restarts what was not copied', async (t) => {
      const pair = await stage(t, major, {
        sql: THREE,
        atTarget: THREE_EMPTY,
        copy: { workers: 1 },
      })
      const lock = await heldUp(pair.target, 'b')
      const child = pair.run()
      await stuckAt(pair, 'b')
      await pair.source.query(CHURN)
      const ended = await rows(
        pair.source,
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holdfast:hard:snapshot'`,
      )
      assert.deepEqual(ended, ['t'])
      await lock.query('commit')
      await child.line(/warn: HF-L109 .*trying again/)
      await child.line(/streaming/)
      await pair.source.query(CHURN)
      await pair.equal(child)
    })

    test('P100 many workers read one and the same snapshot', async (t) => {
      const tables = Array.from({ length: 8 }, (_, i) => `t${i}`)
      const pair = await stage(t, major, {
        sql: tables
          .map(
            (name) => `create table ${name} (id int primary key, v int);
          insert into ${name} select g, 0 from generate_series(1, 3000) g`,
          )
          .join(';'),
        copy: { workers: 8 },
      })
      // One transaction changes all tables alike, so that a copy of two moments shows at once.
      const stop = await writers(pair.source, 2, async (session, writer, round) => {
        const id = 1 + ((round * 31 + writer) % 3000)
        await session.query(
          `begin; ${tables.map((name) => `update ${name} set v = v + 1 where id = ${id}`).join(';')}; commit`,
        )
      })
      const copy = pair.run(['--snapshot-only'])
      assert.equal((await copy.end()).code, 0, copy.lines.join('\n'))
      const sums = await rows(
        pair.target,
        tables.map((name) => `select sum(v) as v from ${name}`).join(' union '),
      )
      assert.equal(sums.length, 1, `the tables show different moments: ${sums}`)
      const mirror = await pair.streaming()
      assert.ok((await stop()) > 20)
      await pair.equal(mirror)
    })

    test('P101 what was copied late never covers what was changed before, deletes included', async (t) => {
      const pair = await stage(t, major, {
        sql: THREE,
        atTarget: THREE_EMPTY,
        copy: { workers: 1 },
      })
      await killed(pair.run([], { HOLDFAST_KILL_AT: 'table-copied:1' }))
      await pair.source.query(CHURN)
      const lock = await heldUp(pair.target, 'c')
      const child = pair.run()
      await stuckAt(pair, 'c')
      await pair.source.query(CHURN)
      await lock.query('commit')
      await child.line(/streaming/)
      await pair.source.query(CHURN)
      await pair.equal(child)
    })

    test('P102 what commits while the mirror starts comes once, also what began long before', async (t) => {
      const pair = await stage(t, major, { sql: THREE })
      const early = await pair.source.session()
      await early.query(
        `begin; insert into a values (50000, 1, 'early'); delete from b where id = 8`,
      )
      const stop = await writers(pair.source, 4, async (session, writer, round) => {
        await session.query(`insert into c values (${10_000 + round * 4 + writer}, 0, 'w')`)
      })
      const child = pair.run()
      await child.line(/first copy waits/)
      await early.query('commit')
      await child.line(/streaming/)
      await stop()
      await pair.equal(child)
    })

    test('P103 P107 SIGKILL between the chunks of a table that is changed and vacuumed', async (t) => {
      const pair = await stage(t, major, {
        sql: `${WIDE('wide', 'int')} alter table wide set (autovacuum_enabled = off)`,
        copy: { workers: 2 },
      })
      const [span] = await rows(pair.source, `select pg_table_size('wide') > 130 << 20`)
      assert.equal(span, 't', 'the table has three chunks')
      const stop = await writers(pair.source, 2, async (session, writer, round) => {
        const at = (round * 193 + writer * 9001) % 18_000
        // The first moves rows to other pages, the second makes room in all of them.
        await session.query(
          `update wide set v = -1, x = x || repeat('y', 7000) where id between ${at} and ${at + 3}`,
        )
        await session.query(`delete from wide where id between ${at + 4} and ${at + 6}`)
        await session.query(`insert into wide values (${1_000_000 + round * 2 + writer}, 0, 'new')`)
        await session.query(round % 20 === 0 ? 'vacuum wide' : 'select pg_sleep(0.02)')
      })
      for (const point of ['chunk-copied:1', 'chunk-copied:2', 'table-copied:1']) {
        await killed(pair.run([], { HOLDFAST_KILL_AT: point }))
      }
      const mirror = await pair.streaming()
      assert.ok((await stop()) > 20)
      await pair.equal(mirror)
    })

    test('P104 rows that were deleted while nobody looked are gone after a new copy', async (t) => {
      const pair = await stage(t, major, { sql: THREE, onExisting: 'replace' })
      const child = pair.run([], { HOLDFAST_KILL_AT: 'table-copied:2' })
      await killed(child)
      await pair.source.query(
        'delete from a where id % 2 = 0; delete from b where id % 2 = 1; delete from c',
      )
      await pair.caughtUp()
      await pair.verify(0)
      await pair.source.query(
        'delete from a where id % 3 = 0; truncate b; insert into c values (1, 1, null)',
      )
      await pair.destroy()
      await pair.caughtUp()
      await pair.equal(await pair.streaming())
    })

    const altered: readonly (readonly [string, string, string])[] = [
      [
        'two names swapped',
        'HF-D402',
        'alter table c rename v to y; alter table c rename x2 to v; alter table c rename y to x2',
      ],
      ['a column dropped', 'HF-D402', 'alter table c drop v'],
      [
        'a type changed by an expression',
        'HF-D404',
        'alter table c alter v type bigint using v * 10',
      ],
      ['the table dropped', 'HF-D406', 'drop table c'],
      ['the table renamed', 'HF-D406', 'alter table c rename to d'],
      ['a column with a default', 'HF-D401', 'alter table c add z int default 7'],
    ]
    for (const [what, code, sql] of altered) {
      test(`P105 ${what} while the copy runs halts the mirror by name`, async (t) => {
        const pair = await stage(t, major, {
          sql: `${THREE}; alter table c add x2 int`,
          atTarget: `${THREE_EMPTY}; alter table c add x2 int`,
          copy: { workers: 1 },
        })
        const lock = await heldUp(pair.target, 'b')
        const child = pair.run()
        await stuckAt(pair, 'b')
        await pair.source.query(`update c set v = v + 1 where id < 10; ${sql}`)
        await lock.query('commit')
        await halted(child, code, /public\.c/)
        // No piece was read of a table that is not what it was; a default changes no piece.
        if (code !== 'HF-D401') assert.deepEqual(await rows(pair.target, 'select 1 from c'), [])
      })
    }

    test('P105 a column that old rows hold null in may come while the copy runs', async (t) => {
      const pair = await stage(t, major, {
        sql: THREE,
        copy: { workers: 1 },
        atTarget: THREE_EMPTY,
      })
      const lock = await heldUp(pair.target, 'b')
      const child = pair.run()
      await stuckAt(pair, 'b')
      await pair.source.query(
        `alter table c add z text; update c set z = 'new' where id < 10; insert into c values (5000, 1, 'x', 'z')`,
      )
      await lock.query('commit')
      await child.line(/streaming/)
      await pair.equal(child)
    })

    test('P105 a table that is emptied or written anew while the copy runs is copied again', async (t) => {
      const pair = await stage(t, major, {
        sql: THREE,
        copy: { workers: 1 },
        atTarget: THREE_EMPTY,
      })
      const lock = await heldUp(pair.target, 'b')
      const child = pair.run()
      await stuckAt(pair, 'b')
      await pair.source.query(`truncate c; insert into c values (7, 7, 'left')`)
      await lock.query('commit')
      await child.line(/warn: HF-L109 .*public\.c was truncated.*trying again/)
      await child.line(/streaming/)
      await pair.equal(child)
      assert.deepEqual(await rows(pair.target, 'select id from c'), ['7'])
    })

    test('P106 keys of any type and order, and stretches without rows: every row comes once', async (t) => {
      const pair = await stage(t, major, {
        sql: `${WIDE('holes', 'float8')}
          delete from holes where id between 3000 and 15000;
          insert into holes values ('NaN', 1, 'x'), ('-Infinity', 1, 'x'), ('Infinity', 1, 'x'), ('-0', 1, 'x'), (1e-320, 1, 'x');
          create table words (k text collate "und-x-icu" primary key, part int);
          insert into words select chr(200 + g % 400) || repeat('ß', g % 5) || g, g from generate_series(1, 2000) g;
          insert into words values ('', 1), (' ', 2), ('Ω', 3), ('ω', 4), ('a', 5), ('A', 6);
          create table pairs (a numeric, b timestamptz, c uuid default gen_random_uuid(), primary key (b, a));
          insert into pairs (a, b) select g / 3.0, 'epoch'::timestamptz + g * interval '1 day' from generate_series(1, 1000) g;
          insert into pairs (a, b) values ('NaN', 'infinity'), (0, '-infinity')`,
      })
      const mirror = await pair.streaming()
      await pair.source.query(`delete from holes where id in (1, 2999, 15001, 18000, 'NaN', '-Infinity');
        update holes set v = 2 where id in ('Infinity', 0, 1e-320); update words set k = k || '!' where part < 9;
        update pairs set a = a + 1 where b in ('infinity', '-infinity')`)
      await pair.equal(mirror)
    })
  })
}
