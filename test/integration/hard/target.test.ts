import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assertSameContents } from '../../../testkit/contents.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { pgbouncer } from '../../../testkit/pgbouncer.ts'
import { startProxy } from '../../../testkit/proxy.ts'
import { postgres } from '../../../testkit/servers/index.ts'
import { bothMajors, halted, refused, rows, stage, withRole } from './stage.ts'

// HARD CASES: what the target has, does, refuses and suffers.

const ITEMS = `
create table items (id int primary key, name text default 'of the source', v int);
insert into items select g, 'item ' || g, g from generate_series(1, 1000) g`

/** Two tables that refer to each other, one that refers to itself, and children that cascade. */
const FAMILY = `
create table a (id int primary key, b int);
create table b (id int primary key, a int references a deferrable initially deferred);
alter table a add foreign key (b) references b deferrable initially deferred;
create table tree (id int primary key, parent int references tree on delete cascade);
create table leaf (id int primary key, tree int references tree on delete set null on update cascade, x text);
insert into tree values (1, null), (2, 1), (3, 2), (4, 1), (9, null);
insert into leaf select g, 1 + g % 4, 'leaf' from generate_series(1, 200) g;
begin; insert into a select g, g from generate_series(1, 50) g; insert into b select g, g from generate_series(1, 50) g; commit`

const APPLYING = `application_name like 'holdfast:hard:apply%' and datname = current_database()`

for (const major of bothMajors) {
  describe(`PostgreSQL ${major}`, () => {
    for (const plain of [false, true]) {
      const who = plain ? 'a role that cannot silence foreign keys' : 'a superuser'
      test(`P75 P76 cycles, self references and cascades are applied once, as ${who}`, async (t) => {
        const pair = await stage(t, major, { sql: FAMILY })
        const { flags } = plain ? await withRole(t, pair) : { flags: [] }
        const mirror = pair.run(flags)
        await mirror.line(/streaming: the target is up to date/)
        await pair.passed(mirror)
        await pair.source.query(
          `begin; insert into a values (1000, 1001); insert into b values (1001, 1000); commit`,
        )
        await pair.source.query(
          `begin; insert into tree values (50, 51), (51, 50); insert into leaf values (900, 50, 'x'); commit`,
        )
        await pair.source.query(`delete from tree where id = 2; update tree set id = 90 where id = 9;
          begin; delete from a where id <= 25; delete from b where id <= 25; commit`)
        await pair.source.query(
          'delete from tree where id in (50, 4); delete from tree where id = 1',
        )
        await pair.passed(mirror)
        await assertSameContents(pair.source, pair.target)
        assert.deepEqual(
          await rows(pair.target, 'select count(*) from leaf where tree is not null'),
          ['0'],
        )
      })
    }

    test('P77 triggers, rules, row security and defaults of the target stay silent', async (t) => {
      const pair = await stage(t, major, {
        sql: ITEMS,
        atTarget: `create table items (id int primary key, name text default 'of the target', v int default 77);
          create function raise() returns trigger language plpgsql as $$ begin raise 'a trigger fired'; end $$;
          create trigger row_level before insert or update or delete on items for each row execute function raise();
          create trigger whole after insert or update or delete or truncate on items for each statement execute function raise();
          create table log (x int); create rule noted as on update to items do also insert into log values (1);
          create rule never as on delete to items do instead nothing;
          alter table items enable row level security; alter table items force row level security;
          create policy none on items using (false)`,
      })
      const mirror = await pair.streaming()
      await pair.source.query(`insert into items values (5000, null, null); update items set v = null where id = 1;
        delete from items where id = 2; update items set id = -id where id < 100`)
      await pair.source.query(
        `delete from items where id > 400; insert into items (id) select g from generate_series(6000, 7000) g`,
      )
      await pair.passed(mirror)
      const all = 'select id, name, v from items order by id'
      assert.deepEqual(await rows(pair.target, all), await rows(pair.source, all))
      await pair.source.query('truncate items; insert into items values (1, null, null)')
      await pair.passed(mirror)
      assert.deepEqual(
        await rows(pair.target, `select id, name is null as n, v is null as w from items`),
        ['1|t|t'],
      )
      assert.deepEqual(await rows(pair.target, 'select 1 from log'), [])
      await pair.verify(0)
    })

    test('P77 a trigger of the target that fires always is refused by name before data moves', async (t) => {
      const pair = await stage(t, major, {
        sql: ITEMS,
        atTarget: `create table items (id int primary key, name text, v int);
          create function quiet() returns trigger language plpgsql as $$ begin return null; end $$;
          create trigger loud before insert on items for each row execute function quiet();
          alter table items enable always trigger loud`,
      })
      await refused(pair.run(), 'HF-T228', /loud of public\.items/)
    })

    test('P77 a trigger that swallows rows, made while the mirror follows, halts it by name', async (t) => {
      const pair = await stage(t, major, { sql: ITEMS })
      const mirror = await pair.streaming()
      await pair.passed(mirror)
      await pair.target.query(`create function quiet() returns trigger language plpgsql as $$ begin return null; end $$;
        create trigger loud before insert or update or delete on items for each row execute function quiet();
        alter table items enable always trigger loud`)
      await pair.source.query(
        'begin; insert into items values (2001, null, 1); update items set v = 0 where id = 1; commit',
      )
      await halted(mirror, 'HF-D201', /public\.items/)
      await pair.target.query('drop trigger loud on items')
      await pair.caughtUp()
      await pair.verify(0)
    })

    test('P80 a deadlock, a cancel and long readers of the target are waited out or tried again', async (t) => {
      const pair = await stage(t, major, {
        sql: `${ITEMS}; create table other (id int primary key, v int); insert into other values (1, 1)`,
      })
      await pair.target.query(
        `alter database ${pair.target.name} set lock_timeout = '100ms'; alter database ${pair.target.name} set statement_timeout = '100ms'`,
      )
      const mirror = await pair.streaming()
      await pair.passed(mirror)
      const waits = (): Promise<true> =>
        eventually(
          'the mirror waits for a lock',
          async () =>
            (
              await rows(
                pair.target,
                `select 1 from pg_stat_activity where ${APPLYING} and wait_event_type = 'Lock'`,
              )
            ).length > 0 || null,
        )
      const rival = await pair.target.session()
      // It never looks for deadlocks itself, so that the mirror is the one that is sent back.
      await rival.query(`set deadlock_timeout = '1h'; set statement_timeout = 0; set lock_timeout = 0;
          begin; select from other for update`)
      await pair.source.query(
        'begin; update items set v = 0 where id = 1; update other set v = 0; commit',
      )
      await waits()
      await rival.query('update items set v = 1 where id = 1')
      await rival.query('rollback')
      await mirror.line(/warn: HF-T217 .*deadlock.*trying again/)
      await mirror.line(/streaming/)
      await pair.passed(mirror)
      await rival.query('begin; select count(*) from items')
      await pair.source.query('begin; truncate items; insert into items values (1); commit')
      await waits()
      assert.deepEqual(
        await rows(
          pair.target,
          `select pg_cancel_backend(pid) from pg_stat_activity where ${APPLYING}`,
        ),
        ['t'],
      )
      await mirror.line(/warn: HF-T217 .*cancel.*trying again/)
      await rival.query('commit')
      await pair.equal(mirror)
    })

    test('P81 a target that is read-only, or has no free connection, is waited for by name', async (t) => {
      const pair = await stage(t, major, { sql: ITEMS })
      const { role, flags } = await withRole(t, pair)
      const mirror = pair.run(flags)
      await mirror.line(/streaming/)
      await pair.passed(mirror)
      const cut = `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${role}'`
      await pair.target.query(`alter role ${role} set default_transaction_read_only = on; ${cut}`)
      await mirror.line(/warn: HF-T215 .*trying again/)
      await pair.source.query('update items set v = 0 where id <= 10')
      await pair.target.query(
        `alter role ${role} reset default_transaction_read_only; alter role ${role} connection limit 0; ${cut}`,
      )
      await mirror.line(/warn: HF-T213 .*trying again/)
      await pair.source.query('delete from items where id > 900')
      await pair.target.query(`alter role ${role} connection limit -1`)
      await pair.passed(mirror)
      await assertSameContents(pair.source, pair.target)
    })

    test('P83 what somebody else wrote to the target is found by its next change and by verify', async (t) => {
      const pair = await stage(t, major, { sql: ITEMS })
      const written: readonly (readonly [string, string, string, string])[] = [
        [
          'delete from items where id = 5',
          'update items set v = 0 where id = 5',
          'HF-D201',
          `insert into items values (5, 'item 5', 5)`,
        ],
        [
          'delete from items where id = 6',
          'delete from items where id = 6',
          'HF-D201',
          `insert into items values (6, 'item 6', 6)`,
        ],
        [
          `insert into items values (7000, 'mine', 1)`,
          `insert into items values (7000, 'theirs', 2)`,
          'HF-T205',
          'delete from items where id = 7000',
        ],
      ]
      await pair.caughtUp()
      for (const [theirs, ours, code, mended] of written) {
        await pair.target.query(theirs)
        if (code === 'HF-T205') assert.match(await pair.verify(4), /HF-V101/)
        await pair.source.query(
          `begin; insert into marks select coalesce(max(n), 0) + 1 from marks; ${ours}; commit`,
        )
        await halted(pair.run(), code, /public\.items/)
        await pair.target.query(mended)
        await pair.caughtUp()
      }
      await pair.verify(0)
      // What the source never touches again is found by verify alone.
      await pair.target.query(`update items set name = 'bent' where id = 900`)
      assert.match(await pair.verify(4), /900/)
    })

    test('P84 a commit whose reply is lost is neither repeated nor skipped', async (t) => {
      await using proxy = await startProxy({ port: (await postgres(major)).port })
      const pair = await stage(t, major, {
        sql: `create table log (n int, x text); alter table log replica identity full; ${ITEMS}`,
        through: { target: (url) => proxy.url(url) },
      })
      const mirror = await pair.streaming()
      await pair.passed(mirror)
      for (let round = 0; round < 3; round++) {
        const [port] = await rows(
          pair.target,
          `select client_port from pg_stat_activity where ${APPLYING} order by backend_start desc limit 1`,
        )
        const way = proxy.open.find((one) => one.from === Number(port))
        assert.ok(way !== undefined, 'the connection that applies goes through the proxy')
        // One byte of the answer to the whole transaction passes: it has committed by then.
        way.cutAfter(1)
        await pair.source.query(
          `begin; insert into log values (${round}, 'once'); update items set v = v + 1; commit`,
        )
        await eventually(
          'the commit is there',
          async () => (await rows(pair.target, `select 1 from log where n = ${round}`)).length > 0,
        )
        await eventually(
          'the loss was noticed',
          () => mirror.lines.filter((l) => /HF-T201 .*trying again/.test(l)).length > round,
        )
        await pair.passed(mirror)
      }
      await pair.equal(mirror)
      assert.deepEqual(
        await rows(pair.target, 'select n, count(*) as c from log group by 1 order by 1'),
        ['0|1', '1|1', '2|1'],
      )
    })

    test('P85 everything works through a pooler of transactions at the target', async (t) => {
      await using pooler = await pgbouncer(await postgres(major), {
        settings: { default_pool_size: '12' },
      })
      const pair = await stage(t, major, {
        sql: `${FAMILY}; ${ITEMS}; create table bag (x int, y text); alter table bag replica identity full;
          insert into bag select g % 3, null from generate_series(1, 30) g`,
        through: { target: (url) => pooler.url(new URL(url).pathname.slice(1)) },
      })
      const mirror = await pair.streaming()
      await pair.source.query(`update items set v = v + 1; delete from items where id % 3 = 0; update items set id = -id where id < 50;
        delete from tree where id = 2; delete from bag where x = 1 and ctid = (select min(ctid) from bag where x = 1);
        insert into items select g, 'bulk', g from generate_series(2000, 9000) g`)
      await pair.equal(mirror)
      mirror.signal('SIGKILL')
      await mirror.ended
      await pair.source.query(
        `truncate bag; insert into bag values (1, 'x'), (1, 'x'); update items set name = name || '!'`,
      )
      await pair.equal(await pair.streaming())
    })
  })
}
