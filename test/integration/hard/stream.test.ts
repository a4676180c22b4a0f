import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { Child } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { postgres } from '../../../testkit/servers/index.ts'
import { bothMajors, refused, rows, type Stage, type StageOptions, stage } from './stage.ts'

// HARD CASES: transactions that are large, nested, interleaved, prepared, empty or out of sight.

const ITEMS = `
create table items (id int primary key, v int, x text);
insert into items select g, g, 'x' from generate_series(1, 1000) g`

/** Each memory of the mirror: everything waits on disk, or nothing does. */
const memories = ['64KiB', '64MiB'] as const

/** A pair whose source sends transactions before their end. */
async function streamedPair(
  t: Parameters<typeof stage>[0],
  major: (typeof bothMajors)[number],
  options: Partial<StageOptions> = {},
): Promise<Stage> {
  const pair = await stage(t, major, { sql: ITEMS, ...options })
  await pair.source.query(
    `alter database ${pair.source.name} set logical_decoding_work_mem = '64kB'`,
  )
  return pair
}

/** Spills that the process holds open; they have no name, so that none outlives it. */
function spills(child: Child): number {
  const folder = `/proc/${child.pid}/fd`
  const target = (name: string): string => {
    try {
      return readlinkSync(join(folder, name))
    } catch {
      return ''
    }
  }
  return readdirSync(folder).filter((name) => target(name).includes('.spill')).length
}

async function slotAt({ source }: Stage): Promise<string> {
  const [at] = await rows(
    source,
    `select confirmed_flush_lsn from pg_replication_slots where slot_name = 'holdfast_hard'`,
  )
  return at ?? ''
}

/** Waits until the source may forget everything up to its present end. */
async function released(pair: Stage): Promise<void> {
  const [now] = await rows(pair.source, 'select pg_current_wal_flush_lsn() as at')
  await eventually(
    `the slot passes ${now}`,
    async () => {
      const [row] = await rows(
        pair.source,
        `select '${await slotAt(pair)}'::pg_lsn >= '${now}' as passed`,
      )
      return row === 't'
    },
    // Windows of the log move it once a minute.
    { within: 100_000 },
  )
}

/** A mirror that is never told to read windows, in which a transaction comes when it is whole. */
async function streamed(pair: Stage): Promise<Child> {
  const child = pair.run([], { HOLDFAST_CATCHUP: 'never' })
  await child.line(/streaming: the target is up to date/)
  return child
}

async function killed(child: Child): Promise<void> {
  child.signal('SIGKILL')
  assert.equal((await child.ended).signal, 'SIGKILL', child.lines.join('\n'))
}

/** Numbers that look random and are the same each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Statements of one transaction with savepoints in and after one another. */
function nested(pick: (below: number) => number): string {
  const open: string[] = []
  const made: string[] = ['begin']
  for (let step = 0; step < 40; step++) {
    const id = 1 + pick(60)
    const rest = [
      `insert into items values (${id}, ${step}, repeat('n', ${pick(900)})) on conflict (id) do update set v = items.v + 1`,
      `update items set v = v + 1 where id = ${id}`,
      `delete from items where id = ${id}`,
      `insert into items values (${id}, 0, 'never') on conflict do nothing`,
      `select from items where id = ${id} for update`,
      `update items set x = x || repeat('y', 300) where id between ${id} and ${id + 20}`,
    ]
    const kind = pick(10)
    if (kind === 0 || (kind === 1 && open.length === 0)) {
      open.push(`s${step}`)
      made.push(`savepoint s${step}`)
    } else if (kind === 1) made.push(`rollback to ${open[pick(open.length)]}`)
    else if (kind === 2 && open.length > 0) made.push(`release ${open.pop()}`)
    else made.push(rest[pick(rest.length)] ?? '')
    // What a savepoint encloses is gone with it.
    const last = made.at(-1) ?? ''
    const back = /^rollback to (.*)/.exec(last)?.[1]
    if (back !== undefined) open.splice(open.indexOf(back) + 1)
  }
  return `${made.join('; ')}; ${pick(6) === 0 ? 'rollback' : 'commit'}`
}

for (const major of bothMajors) {
  describe(`PostgreSQL ${major}`, () => {
    test('P86 P89 a transaction larger than the memory waits on disk, unseen until it commits', async (t) => {
      const pair = await streamedPair(t, major, { apply: { memory: '1MiB' } })
      const mirror = await streamed(pair)
      const session = await pair.source.session()
      await session.query(`begin; insert into items select g, g, repeat('z', 60) from generate_series(10001, 70000) g;
        update items set v = -v where id % 10 = 0; delete from items where id % 7 = 0`)
      await eventually('it is on disk', () => spills(mirror) > 0)
      await pair.passed(mirror)
      assert.deepEqual(await rows(pair.target, 'select count(*) from items'), ['1000'])
      await session.query('commit')
      await pair.equal(mirror)
      assert.equal(spills(mirror), 0)
      // Nothing but large transactions ends here, and the slot moves with them.
      await pair.source.query('update items set v = v + 1')
      await released(pair)
    })

    test('P86 a large transaction that rolls back leaves nothing, in memory, on disk or at the target', async (t) => {
      const pair = await streamedPair(t, major, { apply: { memory: '1MiB' } })
      const mirror = await streamed(pair)
      const session = await pair.source.session()
      await session.query(
        `begin; insert into items select g, g, repeat('z', 60) from generate_series(10001, 40000) g`,
      )
      await eventually('it is on disk', () => spills(mirror) > 0)
      await session.query('rollback')
      await pair.passed(mirror)
      await eventually('the disk is free again', () => spills(mirror) === 0)
      await pair.equal(mirror)
    })

    for (const memory of memories) {
      test(`P87 sub-transactions rolled back in streamed transactions are left out alone (${memory})`, async (t) => {
        const pair = await streamedPair(t, major, { apply: { memory } })
        const mirror = await pair.streaming()
        const fill = (from: number, count: number): string =>
          `insert into items select g, 1, repeat('f', 500) from generate_series(${from}, ${from + count - 1}) g`
        await pair.source.query(
          `begin; ${fill(2000, 500)}; savepoint a; ${fill(3000, 500)}; rollback to a; ${fill(4000, 5)}; commit`,
        )
        await pair.source.query(`begin; savepoint a; ${fill(5000, 500)}; savepoint b; ${fill(6000, 500)};
          release b; savepoint c; ${fill(7000, 500)}; rollback to c; ${fill(8000, 5)}; savepoint d;
          update items set v = 2 where id >= 5000; truncate marks; rollback to d; rollback to a; ${fill(9000, 700)};
          savepoint e; delete from items where id > 9100; savepoint f; ${fill(9500, 100)}; rollback to e; release e; commit`)
        await pair.source.query(`do $$ begin for i in 1..300 loop
          begin insert into items values (20000 + i, i, repeat('p', 900));
            if i % 2 = 0 then raise 'no'; end if;
          exception when others then null; end; end loop; end $$`)
        await pair.equal(mirror)
        assert.deepEqual(
          await rows(
            pair.target,
            `select id / 1000 as k, count(*) as n from items where id >= 2000 group by 1 order by 1`,
          ),
          ['2|500', '4|5', '9|700', '20|150'],
        )
      })

      test(`P88 streamed transactions that lie in one another keep every row (${memory})`, async (t) => {
        const pair = await streamedPair(t, major, { apply: { memory } })
        const mirror = await pair.streaming()
        const sessions = await Promise.all([1, 2, 3, 4].map(() => pair.source.session()))
        for (const session of sessions) await session.query('begin')
        for (let part = 0; part < 6; part++) {
          for (const [at, session] of sessions.entries()) {
            const from = (at + 1) * 100_000 + part * 1000
            await session.query(
              `insert into items select g, ${part}, repeat('i', 200) from generate_series(${from}, ${from + 599}) g`,
            )
            if (part % 2 === 1)
              await session.query(
                `savepoint s; delete from items where id between ${from} and ${from + 99}; ${part === 3 ? 'rollback to s' : 'release s'}`,
              )
          }
        }
        for (const [at, session] of sessions.entries())
          await session.query(at === 1 ? 'rollback' : 'commit')
        await pair.equal(mirror)
        assert.deepEqual(
          await rows(
            pair.target,
            'select id / 100000 as k, count(*) as n from items where id > 1000 group by 1 order by 1',
          ),
          ['1|3400', '3|3400', '4|3400'],
        )
      })
    }

    test('P90 prepared transactions come when they are committed, also after the mirror was restarted', async (t) => {
      const server = await postgres(major, { settings: { max_prepared_transactions: '10' } })
      t.after(() => server[Symbol.asyncDispose]())
      const pair = await streamedPair(t, major, { sourceIn: server })
      const mirror = await pair.streaming()
      const prepare = (name: string, sql: string): Promise<unknown> =>
        pair.source.query(`begin; ${sql}; prepare transaction '${name}'`)
      await prepare('small', `insert into items values (5001, 1, 'small')`)
      await prepare('undone', `insert into items values (5002, 1, 'undone')`)
      await prepare(
        'large',
        `insert into items select g, g, repeat('l', 300) from generate_series(6001, 8000) g; savepoint s;
        insert into items select g, g, repeat('l', 300) from generate_series(8001, 8500) g; rollback to s`,
      )
      await pair.source.query('update items set v = 0 where id = 1')
      await pair.passed(mirror)
      assert.deepEqual(await rows(pair.target, 'select 1 from items where id > 5000'), [])
      await killed(mirror)
      await server.restart('immediate')
      const again = await pair.streaming()
      await pair.passed(again)
      assert.deepEqual(await rows(pair.target, 'select 1 from items where id > 5000'), [])
      for (const sql of [
        `commit prepared 'small'`,
        `rollback prepared 'undone'`,
        `commit prepared 'large'`,
      ])
        await pair.source.query(sql)
      await pair.equal(again)
      assert.deepEqual(await rows(pair.target, 'select count(*) from items where id > 5000'), [
        '2001',
      ])
    })

    test('P91 whatever is nested in savepoints, only what is committed arrives', async (t) => {
      const pair = await streamedPair(t, major)
      const mirror = await pair.streaming()
      const sessions = await Promise.all([1, 2, 3].map(() => pair.source.session()))
      await Promise.all(
        sessions.map(async (session, at) => {
          const pick = numbers(major * 100 + at)
          for (let round = 0; round < 25; round++) {
            // Deadlocks are part of it.
            await session.query(nested(pick)).catch(() => session.query('rollback'))
          }
        }),
      )
      await pair.equal(mirror)
    })

    test('P92 what is not mirrored lets the slot move on', async (t) => {
      const pair = await stage(t, major, {
        sql: `${ITEMS}; create table noise (x text)`,
        tables: { exclude: ['noise'] },
      })
      const mirror = await pair.streaming()
      await pair.passed(mirror)
      await pair.source.query(
        `insert into noise select repeat(md5(g::text), 100) from generate_series(1, 12000) g`,
      )
      await pair.source.query('begin; insert into items values (-1); rollback')
      await released(pair)
      await pair.passed(mirror)
      await pair.verify(0)
    })

    test('P93 nothing is reported as flushed while a transaction before it is not applied', async (t) => {
      const pair = await stage(t, major, {
        sql: `${ITEMS}; create table noise (x text)`,
        tables: { exclude: ['noise'] },
      })
      const mirror = await pair.streaming()
      await pair.passed(mirror)
      const [before] = await rows(pair.source, 'select pg_current_wal_insert_lsn() as at')
      const lock = await pair.target.session()
      await lock.query('begin; lock table items in share mode')
      await pair.source.query(`insert into items values (5000, 1, 'held')`)
      for (let i = 0; i < 2; i++) {
        await pair.source.query(
          `insert into noise select repeat('n', 1000) from generate_series(1, 3000)`,
        )
        const [end] = await rows(pair.source, 'select pg_current_wal_flush_lsn() as at')
        await eventually(
          'the server has heard how far was read',
          async () => {
            const [row] = await rows(
              pair.source,
              `select write_lsn >= '${end}' as read, flush_lsn <= '${before}' as kept
            from pg_stat_replication where application_name = 'holdfast:hard:stream'`,
            )
            assert.notEqual(row?.split('|')[1], 'f', 'more was reported as flushed than is applied')
            return row === 't|t'
          },
          { within: 40_000 },
        )
      }
      await killed(mirror)
      await lock.query('rollback')
      await pair.passed(await pair.streaming())
      assert.deepEqual(await rows(pair.target, 'select x from items where id = 5000'), ['held'])
      await pair.verify(0)
    })

    test('P94 logical messages of both kinds break nothing, nor what follows them after a restart', async (t) => {
      const pair = await streamedPair(t, major)
      let mirror = await pair.streaming()
      for (let round = 0; round < 3; round++) {
        await pair.source.query(
          `select pg_logical_emit_message(false, 'app', 'loose'), pg_logical_emit_message(true, 'app', repeat('m', 100000))`,
        )
        await pair.source.query(`begin; select pg_logical_emit_message(true, '', 'first'); insert into items values (${6000 + round}, 1, 'm');
          savepoint s; select pg_logical_emit_message(true, 'undone', repeat('m', 90000)); rollback to s;
          select pg_logical_emit_message(false, 'holdfast', 'at once'); update items set v = v + 1; commit`)
        await pair.passed(mirror)
        await pair.source.query(`select pg_logical_emit_message(true, 'app', 'last')`)
        await killed(mirror)
        await pair.source.query(`update items set v = v * 2 where id = ${round + 1}`)
        mirror = await pair.streaming()
      }
      await pair.equal(mirror)
    })

    test('P95 changes that the source itself was sent by others are mirrored, too', async (t) => {
      const pair = await stage(t, major, { sql: ITEMS })
      const mirror = await pair.streaming()
      const origin = `from_${pair.source.name}`
      await pair.source.query(`select pg_replication_origin_create('${origin}'); select pg_replication_origin_session_setup('${origin}');
        begin; select pg_replication_origin_xact_setup('0/AAAA', now()); update items set v = 0 where id < 10; commit;
        select pg_replication_origin_session_reset(); select pg_replication_origin_drop('${origin}')`)
      await pair.equal(mirror)
    })

    test('P95 a mirror back to where the rows come from is refused, whatever stands there', async (t) => {
      const pair = await stage(t, major, {
        sql: `${ITEMS}; create table mine (id int primary key)`,
      })
      const mirror = await pair.streaming()
      for (const existing of ['merge', 'replace']) {
        const flags = [
          '--name',
          'back',
          '--source',
          pair.target.url,
          '--target',
          pair.source.url,
          '--on-existing',
          existing,
        ]
        await refused(pair.run(flags), 'HF-C113', /mirror hard brings .*public\.items/)
      }
      await pair.equal(mirror)
      await pair.target.query('create table back (id int primary key); insert into back values (1)')
      const others = [
        '--name',
        'back',
        '--source',
        pair.target.url,
        '--target',
        pair.source.url,
        '--include',
        'back',
        '--until',
        'caught-up',
      ]
      const back = pair.run(others)
      assert.equal((await back.end()).code, 0, back.lines.join('\n'))
      assert.deepEqual(await rows(pair.source, 'select id from back'), ['1'])
      await pair.passed(mirror)
    })

    test('P96 a COPY of many rows at one position is applied once, killed at each batch', async (t) => {
      const pair = await stage(t, major, {
        sql: `create table bag (n int, x text); alter table bag replica identity full; ${ITEMS}`,
        apply: { batch: { rows: 5000 } },
      })
      await pair.caughtUp()
      for (let round = 0; round < 3; round++) {
        await pair.source.query(
          `insert into bag select g, repeat('c', 50) from generate_series(1, 20000) g; insert into bag values (${-round - 1}, null)`,
        )
      }
      for (const point of ['batch-sent', 'batch-applied', 'acknowledged', 'batch-applied:2']) {
        const child = pair.run(['--until', 'caught-up'], { HOLDFAST_KILL_AT: point })
        const { code, signal } = await child.end()
        assert.ok(signal === 'SIGKILL' || code === 0, child.lines.join('\n'))
      }
      await pair.equal(await pair.streaming())
    })
  })
}
