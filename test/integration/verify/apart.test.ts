import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Fault } from '../../../src/model/fault.ts'
import { eventually } from '../../../testkit/eventually.ts'
import {
  type Major,
  type PostgresServer,
  postgres,
  type TestDatabase,
} from '../../../testkit/servers/index.ts'
import { differences, type TwoEnds, tableNamed, twoEnds } from './ends.ts'

const ddl = `
create table kept (id int primary key, n int, big text);
alter table kept alter big set storage external;
create table moved (a numeric, b bytea, n int, primary key (a, b));
create table whole (a int, b text, big text);
alter table whole replica identity full; alter table whole alter big set storage external;
create table far (id text primary key, n int, big text);
alter table far alter id set storage external, alter big set storage external;
create table cleared (id int primary key, v bytea);
create table added (v text);`

const start = `
insert into kept select i, 0, repeat(i::text, 4000) from generate_series(1, 60) i;
insert into moved select i, 'm', 0 from generate_series(1, 60) i;
insert into whole select i % 10, 'w', repeat('x', 4000) from generate_series(1, 60) i;
insert into far select i || '.' || repeat('k', 2600), 0, repeat('f', 3000)
  from generate_series(1, 20) i;
insert into cleared select i, 'c' from generate_series(1, 60) i;`

/** A repeatable stream of numbers from 0 to below `below`. */
function dice(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function statement(roll: (below: number) => number): string {
  const id = roll(80)
  const text = `repeat('${roll(1000)} ', 1500)`
  const choices = [
    `update kept set n = n + 1 where id = ${id}`,
    `update kept set big = ${text} where id = ${id}`,
    `delete from kept where id = ${id}`,
    `insert into kept values (${id}, 1, ${text}) on conflict do nothing`,
    `update kept set id = id + 1000, n = n + 1 where id = ${id}`,
    `update kept set id = id - 1000 where id = ${1000 + id} and not exists (select from kept where id = ${id})`,
    `update moved set n = n + 1 where a = ${id}`,
    `update far set n = n + 1 where id like '${1 + (id % 20)}.%'`,
    `update moved set b = b || 'm', n = n + 1 where a = ${id}`,
    `update moved set a = a::numeric(10, ${roll(4)}) where a = ${id}`,
    `insert into moved values (${id}, 'new', 0) on conflict do nothing`,
    `delete from moved where a = ${id}`,
    `update whole set b = b || 'w' where ctid = (select ctid from whole where a = ${id % 10} limit 1)`,
    `delete from whole where ctid = (select ctid from whole where a = ${id % 10} limit 1)`,
    `insert into whole values (${id % 10}, 'w', ${text}), (${id % 10}, 'w', ${text})`,
    `insert into cleared values (${id + 100}, 'i') on conflict (id) do update set v = cleared.v || '.'`,
    roll(4) === 0 ? 'truncate cleared' : `update cleared set v = v || '+' where id = ${id}`,
    roll(8) === 0 ? 'truncate whole' : `insert into added values ('a${id % 5}')`,
  ]
  return choices[roll(choices.length)] ?? ''
}

async function work(db: TestDatabase, seed: number, transactions: number): Promise<void> {
  const roll = dice(seed)
  for (let i = 0; i < transactions; i++) {
    const statements = Array.from({ length: 1 + roll(4) }, () => statement(roll))
    const end = roll(12) === 0 ? 'rollback' : 'commit'
    await db.query(['begin', ...statements, end].join(';'))
  }
}

async function passes(ends: TwoEnds, when: string): Promise<void> {
  const result = await ends.verify()
  const wrong = result.tables.filter(({ state }) => state !== 'equal')
  assert.deepEqual(
    wrong.map((table) => [table.table, differences(table), table.note]),
    [],
    when,
  )
  assert.equal(result.verdict, 'PASS', when)
}

for (const [from, to, seed, form] of [
  [14, 14, 1],
  [18, 18, 2],
  [14, 18, 3],
  [14, 18, 4, 'values'],
] as readonly (readonly [Major, Major, number, 'values'?])[]) {
  const how = form === undefined ? '' : ` as ${form}`
  test(`a target that is behind is equal at every place, ${from} to ${to}${how}`, async (t) => {
    const setup = { source: from, target: to, ddl }
    const ends = await twoEnds(t, form === undefined ? setup : { ...setup, form })
    await ends.source.query(start)
    await work(ends.source, seed, 60)
    await passes(ends, 'with nothing applied')
    for (let applied = 0; ; ) {
      const done = await ends.feed(4)
      if (done === 0) break
      applied += done
      await passes(ends, `after ${applied} transactions`)
    }
  })
}

test('what is lost, changed or added at a target that is behind is found', async (t) => {
  const ends = await twoEnds(t, { source: 18, target: 18, ddl })
  await ends.source.query(start)
  await ends.feed()
  await ends.source.query(`
    update kept set n = 1 where id in (1, 2, 3); delete from kept where id = 4;
    insert into kept values (500, 1, 'new'); update kept set id = 600, n = 2 where id = 5;
    update whole set b = 'later' where ctid = (select ctid from whole where a = 1 limit 1);
    insert into whole values (5, 'twice', '');
    truncate cleared; insert into cleared values (7, 'only');`)
  await passes(ends, 'before anything was planted')
  await ends.target.query(`
    update kept set big = 'lost' where id = 1; delete from kept where id in (2, 4);
    insert into kept values (500, 0, 'early'); update kept set big = 'lost' where id = 5;
    update kept set n = 9 where id = 10;
    insert into whole values (1, 'planted', ''), (5, 'twice', '');
    update cleared set v = 'gone anyway';`)
  const result = await ends.verify()
  assert.deepEqual(differences(tableNamed(result, 'kept')), [
    'changed 1 [big]',
    'changed 10 [n]',
    'changed 600 [big]',
    'extra 500',
    'missing 2',
    'missing 4',
  ])
  assert.deepEqual(differences(tableNamed(result, 'whole')), ['extra ×1', 'extra ×1'])
  assert.equal(tableNamed(result, 'cleared').state, 'equal')
})

/** A server with sessions whose commits wait for a standby that never comes. */
async function waitingServer(t: TestContext, major: Major): Promise<PostgresServer> {
  const server = await postgres(major, {
    settings: { synchronous_standby_names: 'nobody', synchronous_commit: 'local' },
  })
  t.after(() => server[Symbol.asyncDispose]())
  return server
}

/** Commits that the log holds and that nobody sees. */
async function hidden(ends: TwoEnds, transactions: readonly string[]): Promise<void> {
  for (const sql of transactions) {
    const session = await ends.source.session()
    session.query(`set synchronous_commit = on; begin; ${sql}; commit`).catch(() => undefined)
  }
  await eventually('all commits wait', async () => {
    const [row] = await ends.source.query(
      `select count(*) from pg_stat_activity
       where wait_event = 'SyncRep' and datname = current_database()`,
    )
    return row?.['count'] === String(transactions.length)
  })
}

for (const major of [14, 18] as const) {
  test(`a target that holds what the source does not show yet is equal, ${major}`, async (t) => {
    const server = await waitingServer(t, major)
    const ends = await twoEnds(t, { source: server, target: server, ddl })
    await ends.source.query(start)
    await ends.feed()
    await hidden(ends, [
      'update kept set n = 1 where id in (1, 2, 3)',
      "delete from kept where id = 4; insert into kept values (4, 4, 'again')",
      'update kept set id = 600 where id = 5',
      "update whole set b = 'later' where ctid = (select ctid from whole where a = 1 limit 1)",
      "truncate cleared; insert into cleared values (7, 'only')",
      "update moved set b = 'x' where a = 9",
    ])
    assert.equal(await ends.feed(), 6)
    await ends.source.query('update kept set n = 5 where id = 50')
    await passes(ends, 'with six transactions that are only at the target')
    await ends.target.query(`
      update kept set big = 'lost' where id in (1, 600); update kept set n = 7 where id = 4;
      delete from kept where id = 2; insert into whole values (1, 'planted', '');
      insert into cleared values (8, 'planted');`)
    const result = await ends.verify()
    assert.deepEqual(differences(tableNamed(result, 'kept')), [
      'changed 1 [big]',
      'changed 4 [n]',
      'changed 600 [big]',
      'missing 2',
    ])
    assert.deepEqual(differences(tableNamed(result, 'whole')), ['extra ×1'])
    assert.deepEqual(differences(tableNamed(result, 'cleared')), ['extra 8'])
  })
}

test('no difference is claimed that a commit which waits for a standby may explain', async (t) => {
  const server = await waitingServer(t, 18)
  const ends = await twoEnds(t, { source: server, target: server, ddl })
  await ends.source.query(start)
  await ends.feed()
  await hidden(ends, ['update kept set n = 1 where id = 1'])
  await ends.feed()
  await ends.acknowledge()
  await assert.rejects(ends.verify(), (error) => error instanceof Fault && error.code === 'HF-V106')
})
