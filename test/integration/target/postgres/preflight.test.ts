import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { connect, type Session } from '../../../../src/dialect/postgres/connect.ts'
import { ident } from '../../../../src/dialect/postgres/quote.ts'
import type { Fault, Finding } from '../../../../src/model/fault.ts'
import { inspectSource } from '../../../../src/source/postgres/schema/inspect.ts'
import { preflightTarget } from '../../../../src/target/postgres/check/preflight.ts'
import { createKey, createSchema } from '../../../../src/target/postgres/schema/ddl.ts'
import { finishSchema } from '../../../../src/target/postgres/schema/finish.ts'
import type { TargetPlan } from '../../../../src/target/target.ts'
import { database, openSession, type TestDatabase } from '../../../../testkit/servers/index.ts'
import { rich18, richSchema } from './rich.ts'

type Major = Parameters<typeof database>[1]

interface Pair {
  readonly source: TestDatabase
  readonly target: TestDatabase
}

async function pair(t: TestContext, major: Major, schema: string, to = major): Promise<Pair> {
  const source = await database(t, major)
  const target = await database(t, to)
  await source.query(schema)
  return { source, target }
}

async function open(db: TestDatabase, side: 'source' | 'target', role?: string): Promise<Session> {
  const url = new URL(db.url)
  if (role !== undefined) url.username = encodeURIComponent(role)
  return await connect(parseUrl(url.href, 'the test'), { side, mirror: 'm', purpose: 'test' })
}

async function planOf(
  source: TestDatabase,
  onExisting: TargetPlan['onExisting'] = 'refuse',
): Promise<TargetPlan> {
  await using session = await open(source, 'source')
  const selection = { include: [], exclude: [], keyless: 'append' } as const
  const blueprint = await inspectSource(session, selection)
  const tables = blueprint.tables.map((table) => ({ table, target: table, mode: 'exact' as const }))
  return { blueprint, tables, onExisting }
}

interface LookOptions {
  readonly role?: string
  readonly onExisting?: TargetPlan['onExisting']
}

async function look({ source, target }: Pair, options: LookOptions = {}): Promise<Finding[]> {
  const plan = await planOf(source, options.onExisting)
  const before = await fingerprint(target)
  await using session = await open(target, 'target', options.role)
  const quiet = await session.query('BEGIN; SET LOCAL session_replication_role = replica').then(
    () => true,
    () => false,
  )
  await session.query('ROLLBACK')
  const findings = await preflightTarget(session, plan, { quiet })
  assert.deepEqual(await fingerprint(target), before, 'preflight changed something')
  return findings
}

/** Everything that a look could leave behind. */
async function fingerprint(db: TestDatabase): Promise<unknown> {
  return await db.query(`
    select (select md5(string_agg(c.oid || c.relname || coalesce(c.relacl::text, ''), ','
        order by c.oid)) from pg_class c) as relations,
      (select md5(string_agg(n::text, ',' order by n.oid)) from pg_namespace n) as schemas,
      (select md5(string_agg(y.oid::text, ',' order by y.oid)) from pg_type y) as types,
      (select md5(string_agg(r::text, ',' order by r.rolname)) from pg_roles r) as roles`)
}

const codesOf = (findings: readonly Finding[], level: Finding['level'] = 'fail'): string[] =>
  findings.flatMap((one) => (one.level !== 'ok' && one.level === level ? [one.fault.code] : []))

function faultOf(findings: readonly Finding[], code: string): Fault {
  const faults = findings.flatMap((one) => (one.level !== 'ok' ? [one.fault] : []))
  const fault = faults.find((one) => one.code === code)
  assert.ok(fault !== undefined, `${code} is not among ${faults.map((one) => one.code).join(', ')}`)
  return fault
}

/** Runs all SQL that the failures advise. */
async function mend(db: TestDatabase, findings: readonly Finding[]): Promise<void> {
  for (const finding of findings) {
    if (finding.level !== 'fail') continue
    for (const { sql } of finding.fault.todo) if (sql !== undefined) await db.query(sql)
  }
}

async function roleIn(t: TestContext, db: TestDatabase, attributes = ''): Promise<string> {
  const role = `mirror "${db.name}"`
  await db.query(`create role ${ident(role)} login ${attributes}`)
  t.after(async () => {
    await using admin = await openSession(db.server.url())
    await admin.query(`drop owned by ${ident(role)}; drop role ${ident(role)}`)
  })
  return role
}

const orders = 'create table orders (id integer primary key, note text, size numeric(10,2))'

for (const major of [14, 18] as const) {
  test(`an empty target has nothing against a rich schema, ${major}`, async (t) => {
    const findings = await look(await pair(t, major, richSchema + (major >= 18 ? rich18 : '')))
    assert.deepEqual(codesOf(findings), [])
    assert.deepEqual(codesOf(findings, 'warn'), [])
  })

  test(`a schema that was made before is used as it is, ${major}`, async (t) => {
    const both = await pair(t, major, richSchema)
    const plan = await planOf(both.source)
    await using session = await open(both.target, 'target')
    await createSchema(session, plan)
    assert.deepEqual(codesOf(await look(both)), [])
    for (const { table } of plan.tables) await createKey(session, plan, table)
    await finishSchema(session, plan, { replicaRole: true })
    await createSchema(session, plan)
    for (const { table } of plan.tables) await createKey(session, plan, table)
    await finishSchema(session, plan, { replicaRole: true })
    assert.deepEqual(codesOf(await look(both)), [])
  })

  test(`the script makes a role with nothing pass, ${major}`, async (t) => {
    const both = await pair(
      t,
      major,
      `${orders}; create schema shop; create table shop.a (id integer primary key)`,
    )
    await both.target.query(`revoke temporary on database ${ident(both.target.name)} from public;
      revoke create on schema public from public`)
    const role = await roleIn(t, both.target)
    const findings = await look(both, { role })
    assert.deepEqual(codesOf(findings), ['HF-T221', 'HF-T221', 'HF-T233'])
    await mend(both.target, findings)
    assert.deepEqual(codesOf(await look(both, { role })), [])
    const plan = await planOf(both.source)
    await using session = await open(both.target, 'target', role)
    await createSchema(session, plan)
    await finishSchema(session, plan, { replicaRole: false })
  })

  test(`tables with rows are refused, and are a choice, ${major}`, async (t) => {
    const both = await pair(t, major, orders)
    await both.target.query(`${orders}; insert into orders values (1)`)
    const findings = await look(both)
    assert.deepEqual(codesOf(findings), ['HF-T222'])
    assert.match(faultOf(findings, 'HF-T222').message, /public\.orders at the target holds rows/)
    assert.equal(faultOf(findings, 'HF-T222').todo.length, 3)
    for (const onExisting of ['merge', 'replace'] as const) {
      assert.deepEqual(codesOf(await look(both, { onExisting })), [])
    }
  })

  const different: readonly [string, RegExp][] = [
    ['create table orders (id integer primary key, note text)', /no column size/],
    [
      'create table orders (id bigint primary key, note text, size numeric(10,2))',
      /column id is bigint, not integer/,
    ],
    [
      'create table orders (id integer primary key, note text, size numeric(8,2))',
      /size is numeric\(8,2\)/,
    ],
    [
      'create table orders (id integer primary key, note text[], size numeric(10,2))',
      /note is text\[\]/,
    ],
    [
      'create table orders (id integer primary key, note text, size numeric(10,2), more text not null)',
      /more is NOT NULL without a default/,
    ],
    [
      'create table orders (id integer primary key, note text generated always as (1::text) stored, size numeric(10,2))',
      /note is generated/,
    ],
  ]
  test(`tables that differ are named, ${major}`, async (t) => {
    const both = await pair(t, major, orders)
    for (const [sql, what] of different) {
      await both.target.query(`drop table if exists orders; ${sql}`)
      const findings = await look(both)
      assert.deepEqual(codesOf(findings), ['HF-T223'], sql)
      assert.match(faultOf(findings, 'HF-T223').message, what)
    }
    const alike = `create table orders (more text, size numeric, note varchar, id integer primary key,
      at timestamptz not null default now())`
    await both.target.query(`drop table orders; ${alike}`)
    assert.deepEqual(codesOf(await look(both)), [])
  })

  test(`what would act or refuse at the target is found, ${major}`, async (t) => {
    const both = await pair(
      t,
      major,
      `${orders}; create table lines (id integer primary key, o integer)`,
    )
    await both.target.query(`${orders.replace(')', ' check (id > 0))').replace('check (id > 0))', ')')};
      create table lines (id integer primary key, o integer references orders on delete cascade);
      create table outside (id integer primary key, o integer references orders);
      create function act() returns trigger language plpgsql as 'begin return new; end';
      create trigger acts before insert on orders for each row execute function act();
      create rule doubles as on insert to lines do also notify x;
      alter table orders add constraint positive check (id > 0);
      create unique index one_note on orders (note);
      alter table orders alter note set not null`)
    const role = await roleIn(t, both.target)
    await both.target.query(`grant all on schema public to ${ident(role)};
      grant create on database ${ident(both.target.name)} to ${ident(role)};
      grant all on all tables in schema public to ${ident(role)}`)
    const findings = await look(both, { role })
    assert.deepEqual(codesOf(findings), ['HF-T228', 'HF-T229'])
    const acting = faultOf(findings, 'HF-T228').message
    for (const name of ['acts of public.orders', 'doubles of public.lines', 'lines_o_fkey']) {
      assert.ok(acting.includes(name), `${name} in ${acting}`)
    }
    assert.match(faultOf(findings, 'HF-T229').message, /outside_o_fkey of public\.outside/)
    const warned = faultOf(findings, 'HF-T231').message
    for (const name of ['one_note', 'positive', 'NOT NULL of note'])
      assert.ok(warned.includes(name))
    if (major < 15) return
    await mend(both.target, findings)
    assert.deepEqual(codesOf(await look(both, { role })), [])
    await both.target.query('alter table orders enable always trigger acts')
    assert.deepEqual(codesOf(await look(both, { role })), ['HF-T228'])
  })

  test(`a role that may not write, own or see is told, ${major}`, async (t) => {
    const both = await pair(t, major, orders)
    await both.target.query(`create table orders (id integer, note text, size numeric(10,2));
      alter table orders enable row level security`)
    const role = await roleIn(t, both.target)
    await both.target.query(`grant all on schema public to ${ident(role)};
      grant create on database ${ident(both.target.name)} to ${ident(role)};
      grant select on orders to ${ident(role)}`)
    const findings = await look(both, { role })
    assert.deepEqual(codesOf(findings), ['HF-T230', 'HF-T232', 'HF-T234'])
    await mend(both.target, findings)
    assert.deepEqual(codesOf(await look(both, { role })), [])
    assert.deepEqual(codesOf(await look(both, { role }), 'warn'), ['HF-D424'])
  })

  test(`a deferrable key at the target is refused, ${major}`, async (t) => {
    const both = await pair(t, major, orders)
    await both.target.query(orders.replace('primary key', 'primary key deferrable'))
    const findings = await look(both)
    assert.deepEqual(codesOf(findings), ['HF-T230'])
    await mend(both.target, findings)
    assert.deepEqual(codesOf(await look(both)), [])
  })

  test(`names that are taken and types that differ are found, ${major}`, async (t) => {
    const both = await pair(
      t,
      major,
      `create type mood as enum ('sad', 'ok');
      create type pair as (a integer, b mood); create domain word as text;
      create table orders (id serial primary key, m mood, p pair, w word);
      create table views (id integer generated always as identity primary key)`,
    )
    await both.target.query(`create type mood as enum ('sad'); create type pair as (a integer, b text);
      create domain word as varchar; create view orders as select 1 as one;
      create table orders_id_seq (a integer); create sequence views_id_seq`)
    const findings = await look(both)
    assert.deepEqual(codesOf(findings).sort(), [
      'HF-T226',
      'HF-T226',
      'HF-T226',
      'HF-T236',
      'HF-T236',
      'HF-T236',
    ])
    assert.match(faultOf(findings, 'HF-T226').message, /public\.mood at the target lacks labels/)
    await both.target.query(`drop view orders; drop table orders_id_seq; drop sequence views_id_seq;
      drop type pair; drop domain word`)
    const left = await look(both)
    assert.deepEqual(codesOf(left), ['HF-T226'])
    await mend(both.target, left)
    assert.deepEqual(codesOf(await look(both)), [])
  })

  test(`what cannot be made is found before, ${major}`, async (t) => {
    const both = await pair(
      t,
      major,
      `
      create collation own (provider = libc, locale = 'C');
      create function twice(integer) returns integer immutable language sql as 'select $1 * 2';
      create table made (id integer primary key, n integer, t integer generated always as (twice(n)) stored);
      create table parts (id integer) partition by range (twice(id));
      create table part_1 partition of parts for values from (0) to (9);
      create table indexed (id integer primary key, note text collate own);
      create index by_twice on indexed (twice(id))`,
    )
    const findings = await look(both)
    assert.deepEqual(codesOf(findings), ['HF-T225', 'HF-D421', 'HF-D422'])
    assert.match(faultOf(findings, 'HF-D421').message, /public\.made\.t .*function public\.twice/)
    assert.match(faultOf(findings, 'HF-D423').message, /by_twice of public\.indexed/)
    await both.target.query(`create collation own (provider = libc, locale = 'C');
      create table made (id integer primary key, n integer, t integer generated always as (n + 1) stored);
      create table parts (id integer) partition by range (id);
      create table part_1 partition of parts for values from (0) to (9)`)
    assert.deepEqual(codesOf(await look(both)), [])
  })

  test(`a target that is to be read only is respected, ${major}`, async (t) => {
    const both = await pair(t, major, orders)
    const name = ident(both.target.name)
    await both.target.query(`alter database ${name} set default_transaction_read_only = on`)
    const findings = await look(both)
    assert.deepEqual(codesOf(findings), ['HF-T215'])
    assert.match(faultOf(findings, 'HF-T215').message, /default_transaction_read_only is on/)
  })
}

test('features that an older target does not know are found', async (t) => {
  const both = await pair(
    t,
    18,
    `create table a (id integer primary key, n integer, unique nulls not distinct (n));
     create table spans (id integer, at daterange, primary key (id, at without overlaps))`.replace(
      /;\s*create table spans.*$/su,
      '',
    ),
    14,
  )
  const findings = await look(both)
  assert.deepEqual(codesOf(findings), ['HF-T227'])
  assert.match(
    faultOf(findings, 'HF-T227').message,
    /14 does not know NULLS NOT DISTINCT of a_n_key/,
  )
})

test('virtual columns are made as stored ones where the target does not know them', async (t) => {
  const both = await pair(t, 18, `create schema shop; ${rich18}`, 16)
  assert.deepEqual(codesOf(await look(both)), [])
  await using session = await open(both.target, 'target')
  await createSchema(session, await planOf(both.source))
  const made = await both.target.query(
    `select attgenerated from pg_attribute where attrelid = 'shop.virtual_sum'::regclass and attname = 'sum'`,
  )
  assert.deepEqual(made, [{ attgenerated: 's' }])
})
