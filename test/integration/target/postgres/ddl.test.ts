import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Session } from '../../../../src/dialect/postgres/connect.ts'
import { inspectSource } from '../../../../src/source/postgres/schema/inspect.ts'
import {
  createKey,
  createSchema,
  nativeSchema,
} from '../../../../src/target/postgres/schema/ddl.ts'
import { finishSchema } from '../../../../src/target/postgres/schema/finish.ts'
import type { TargetPlan } from '../../../../src/target/target.ts'
import { database } from '../../../../testkit/servers/index.ts'
import { describe, rich18, richSchema } from './rich.ts'
import { openSession } from './support.ts'

const everything = { include: [], exclude: [], keyless: 'append' } as const

async function planOf(session: Session): Promise<TargetPlan> {
  const blueprint = await inspectSource(session, everything)
  const tables = blueprint.tables.map((table) => ({
    table,
    target: { schema: table.schema, name: table.name },
    mode: 'exact' as const,
  }))
  return { blueprint, tables, onExisting: 'refuse' }
}

async function build(session: Session, plan: TargetPlan): Promise<void> {
  await session.query('BEGIN')
  await createSchema(session, plan)
  await session.query('COMMIT')
  for (const { table } of plan.tables) await createKey(session, plan, table)
}

/** Defaults that are evaluated, checks and what is not mirrored stay at the source. */
function carried(lines: readonly string[]): string[] {
  return lines
    .filter((line) => !line.includes('shop.seen') && !line.includes('scratch'))
    .map((line) => line.replace(/default=now\(\)/u, 'default='))
}

for (const [from, to] of [
  [14, 14],
  [18, 18],
  [16, 18],
] as const) {
  test(`a rich schema is made anew, ${from} to ${to}`, async (t) => {
    const [source, target] = [await database(t, from), await database(t, to)]
    await source.query(richSchema + (from >= 18 ? rich18 : ''))
    const plan = await planOf(await openSession(t, source, 'source'))
    const session = await openSession(t, target, 'target')
    await build(session, plan)
    await finishSchema(session, plan, { replicaRole: true })
    const [wanted, made] = [carried(await describe(source)), carried(await describe(target))]
    assert.deepEqual(made, wanted)
  })
}

const extended = `
create schema tools;
create extension citext schema tools;
create extension hstore schema tools;
create extension pg_trgm schema tools;
create schema shop;
create domain shop.mail as tools.citext;
create type shop.contact as (mail shop.mail, more tools.hstore);
create table shop.people (
  id integer primary key, mail tools.citext not null unique, mails tools.citext[],
  more tools.hstore default '"a"=>"1"', contact shop.contact,
  mail_size integer generated always as (tools.citext_hash(mail)) stored
);
create index people_mail on shop.people using gin ((mail::text) tools.gin_trgm_ops);
`

for (const major of [14, 18] as const) {
  test(`types, functions and operator classes of extensions are carried, ${major}`, async (t) => {
    const [source, target] = [await database(t, major), await database(t, major)]
    await source.query(extended)
    const plan = await planOf(await openSession(t, source, 'source'))
    const names = nativeSchema(plan.blueprint)?.extensions.map(({ name }) => name)
    assert.deepEqual(names?.sort(), ['citext', 'hstore', 'pg_trgm'])
    await target.query(extended.slice(0, extended.indexOf('create schema shop')))
    const session = await openSession(t, target, 'target')
    await build(session, plan)
    await finishSchema(session, plan, { replicaRole: true })
    assert.deepEqual(carried(await describe(target)), carried(await describe(source)))
  })

  test(`foreign keys neither refuse nor act twice without the right to rest, ${major}`, async (t) => {
    const [source, target] = [await database(t, major), await database(t, major)]
    await source.query(`create table a (id integer primary key, next integer references a on delete set null);
      create table b (id integer primary key, a integer references a on delete cascade on update cascade)`)
    const plan = await planOf(await openSession(t, source, 'source'))
    const session = await openSession(t, target, 'target')
    await build(session, plan)
    await finishSchema(session, plan, { replicaRole: false })
    const made =
      await target.query(`select conname, condeferrable, condeferred, confdeltype, confupdtype
      from pg_constraint where contype = 'f' order by 1`)
    assert.deepEqual(
      made.map((row) => Object.values(row).join(' ')),
      ['a_next_fkey t t a a', 'b_a_fkey t t a a'],
    )
    await target.query(`begin; insert into b values (1, 7); insert into a values (7, null); commit`)
    await target.query(`begin; delete from a; delete from b; commit`)
    await assert.rejects(target.query('insert into b values (1, 7)'), /b_a_fkey/)
  })

  test(`rows that only the target holds keep a constraint from being made, ${major}`, async (t) => {
    const [source, target] = [await database(t, major), await database(t, major)]
    const tables = `create table a (id integer primary key, code integer);
      create table b (id integer primary key, a integer)`
    await source.query(
      `${tables}; alter table a add unique (code); alter table b add foreign key (a) references a`,
    )
    await target.query(
      `${tables}; insert into a values (1, 5), (2, 5); insert into b values (1, 99)`,
    )
    const exact = await planOf(await openSession(t, source, 'source'))
    const session = await openSession(t, target, 'target')
    await assert.rejects(finishSchema(session, exact, { replicaRole: true }))
    const tablesToMerge = exact.tables.map((one) => ({ ...one, mode: 'merge' as const }))
    const plan = { ...exact, tables: tablesToMerge, onExisting: 'merge' as const }
    await finishSchema(session, plan, { replicaRole: true })
  })
}

test('keys and foreign keys over periods are made', async (t) => {
  const [source, target] = [await database(t, 18), await database(t, 18)]
  await source.query(`create extension btree_gist;
    create table spans (id integer, at daterange, primary key (id, at without overlaps));
    create table stays (id integer primary key, span integer, at daterange,
      foreign key (span, period at) references spans (id, period at),
      foreign key (id) references stays not enforced)`)
  await target.query('create extension btree_gist')
  const plan = await planOf(await openSession(t, source, 'source'))
  const session = await openSession(t, target, 'target')
  await build(session, plan)
  await finishSchema(session, plan, { replicaRole: true })
  assert.deepEqual(await describe(target), await describe(source))
})
