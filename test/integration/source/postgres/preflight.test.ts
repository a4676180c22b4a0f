import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { connect } from '../../../../src/dialect/postgres/connect.ts'
import { ident } from '../../../../src/dialect/postgres/quote.ts'
import { Fault, type Finding, type Todo } from '../../../../src/model/fault.ts'
import { preflightSource } from '../../../../src/source/postgres/check/preflight.ts'
import type { Selection } from '../../../../src/source/source.ts'
import {
  database,
  openSession,
  postgres,
  type TestDatabase,
} from '../../../../testkit/servers/index.ts'
import { richSchema } from '../../target/postgres/rich.ts'

/** A role of the server that goes away with the test; roles are the server's, so it is new. */
async function roleIn(t: TestContext, db: TestDatabase, attributes = ''): Promise<string> {
  const role = `mirror "${db.name}"`
  await db.query(`create role ${ident(role)} login ${attributes}`)
  // The database is gone by then, and with it all that the role owned or was granted there.
  t.after(async () => {
    await using admin = await openSession(db.server.url())
    await admin.query(`drop owned by ${ident(role)}; drop role ${ident(role)}`)
  })
  return role
}

async function look(
  db: TestDatabase,
  options: { readonly role?: string; readonly selection?: Partial<Selection> } = {},
): Promise<Finding[]> {
  const url = new URL(db.url)
  if (options.role !== undefined) url.username = encodeURIComponent(options.role)
  const endpoint = parseUrl(url.href, 'the test')
  await using session = await connect(endpoint, { side: 'source', mirror: 'm', purpose: 'test' })
  const selection = { include: [], exclude: [], keyless: 'refuse', ...options.selection } as const
  const before = await fingerprint(db)
  const findings = await preflightSource(session, { mirror: 'm', selection })
  assert.deepEqual(await fingerprint(db), before, 'preflight changed something')
  return findings
}

/** Everything that a look could leave behind. */
async function fingerprint(db: TestDatabase): Promise<unknown> {
  return await db.query(`
    select (select count(*) from pg_replication_slots) as slots,
      (select string_agg(p::text, ',') from pg_publication p) as publications,
      (select md5(string_agg(c.oid || c.relname || coalesce(c.relacl::text, ''), ',' order by c.oid))
        from pg_class c) as relations,
      (select md5(string_agg(n::text, ',' order by n.oid)) from pg_namespace n) as schemas,
      (select md5(string_agg(r::text, ',' order by r.rolname)) from pg_roles r) as roles`)
}

const codesOf = (findings: readonly Finding[], level: Finding['level'] = 'fail'): string[] =>
  findings.flatMap((one) => (one.level !== 'ok' && one.level === level ? [one.fault.code] : []))

function faultOf(findings: readonly Finding[], code: string): Fault {
  const found = findings.flatMap((one) => (one.level !== 'ok' ? [one.fault] : []))
  const fault = found.find((one) => one.code === code)
  assert.ok(fault !== undefined, `${code} is not among ${found.map((one) => one.code).join(', ')}`)
  return fault
}

const sqlOf = (findings: readonly Finding[]): string[] =>
  findings
    .flatMap((one) => (one.level === 'fail' ? one.fault.todo : []))
    .map((todo: Todo) => todo.sql)
    .filter((sql) => sql !== undefined)

const shop = `create schema shop;
  create table shop.orders (id integer primary key, note text);
  create table shop.items (id serial primary key)`

for (const major of [14, 18] as const) {
  test(`a plain source has nothing against it, ${major}`, async (t) => {
    const db = await database(t, major)
    await db.query(shop)
    assert.deepEqual(codesOf(await look(db)), [])
    assert.deepEqual(codesOf(await look(db), 'warn'), ['HF-S305'])
  })

  test(`a rich schema has nothing against it, ${major}`, async (t) => {
    const db = await database(t, major)
    await db.query(richSchema)
    assert.deepEqual(codesOf(await look(db)), [])
  })

  test(`the script makes a role with nothing pass, ${major}`, async (t) => {
    const db = await database(t, major)
    await db.query(shop)
    const role = await roleIn(t, db)
    const findings = await look(db, { role })
    assert.deepEqual(codesOf(findings), ['HF-S207', 'HF-S221', 'HF-S221', 'HF-S222'])
    for (const sql of sqlOf(findings)) await db.query(sql)
    assert.deepEqual(codesOf(await look(db, { role })), [])
  })

  test(`a table without identity is named with its remedies, ${major}`, async (t) => {
    const db = await database(t, major)
    await db.query(`${shop};
      create table keyless (a integer);
      create table late (a integer primary key deferrable);
      create table silent (a integer primary key); alter table silent replica identity nothing;
      create table made (a integer generated always as (b + 1) stored primary key, b integer);
      create table whole (a integer); alter table whole replica identity full`)
    const findings = await look(db)
    assert.deepEqual(codesOf(findings), ['HF-S203'])
    const { message, todo } = faultOf(findings, 'HF-S203')
    for (const name of ['keyless', 'late', 'silent', 'made']) assert.match(message, RegExp(name))
    assert.doesNotMatch(message, /whole/)
    // From 18 on a whole row cannot be published without its generated columns.
    assert.equal(todo[0]?.sql?.includes('"made"'), major < 18)
    assert.equal(todo.length, 3)
    assert.deepEqual(codesOf(await look(db, { selection: { keyless: 'exclude' } })), [])
    assert.deepEqual(codesOf(await look(db, { selection: { keyless: 'append' } })), [])
    await db.query(`${todo[0]?.sql}; alter table late drop constraint late_pkey`)
    if (major === 18) await db.query('alter table made alter a drop expression')
    assert.deepEqual(codesOf(await look(db)), [])
  })

  test(`what belongs to the source alone is warned of or refused, ${major}`, async (t) => {
    const db = await database(t, major)
    await db.query(`${shop};
      create table refers (id integer primary key, of regclass, owner oid, many regtype[]);
      create table rows_in_rows (id integer primary key, o shop.orders);
      create table statistics_of (id integer primary key, s pg_node_tree);
      create view seen as select 1 as one;
      create unlogged table scratch (id integer primary key);
      create table parent (id integer primary key); create table child () inherits (parent);
      alter table child add primary key (id);
      create table evaluated (id integer primary key, at timestamptz default now());
      select lo_create(0)`)
    const findings = await look(db)
    assert.deepEqual(codesOf(findings), ['HF-D405'])
    assert.match(faultOf(findings, 'HF-D405').message, /rows_in_rows\.o .*statistics_of\.s/)
    assert.match(faultOf(findings, 'HF-S302').message, /refers\.of, public\.refers\.owner/)
    faultOf(findings, 'HF-S301')
    const left = findings.flatMap((one) => (one.level === 'warn' ? [one.subject] : []))
    for (const subject of ['view', 'unlogged table', 'inheritance', 'defaults']) {
      assert.ok(left.includes(subject), subject)
    }
  })

  test(`row security that would hide rows is refused, ${major}`, async (t) => {
    const db = await database(t, major)
    await db.query(`${shop}; alter table shop.orders enable row level security`)
    const role = await roleIn(t, db, 'replication')
    const name = ident(role)
    await db.query(`grant usage on schema shop to ${name};
      grant select on all tables in schema shop to ${name};
      grant select on all sequences in schema shop to ${name};
      create publication holdfast_m for table shop.orders, shop.items`)
    const findings = await look(db, { role })
    assert.deepEqual(codesOf(findings), ['HF-S224'])
    await db.query(sqlOf(findings).join(';'))
    assert.deepEqual(codesOf(await look(db, { role })), [])
  })

  test(`a publication that is there is used when it will do, ${major}`, async (t) => {
    const db = await database(t, major)
    await db.query(shop)
    const role = await roleIn(t, db, 'replication')
    const name = ident(role)
    await db.query(`grant usage on schema shop to ${name};
      grant select on all tables in schema shop to ${name};
      grant select on all sequences in schema shop to ${name}`)
    const attempt = async (sql: string): Promise<string[]> => {
      await db.query(`drop publication if exists holdfast_m; ${sql}`)
      return codesOf(await look(db, { role }))
    }
    assert.deepEqual(await attempt(''), ['HF-S222'])
    const lacking = [
      'for table shop.orders',
      `for table shop.orders, shop.items with (publish = 'insert')`,
      'for table shop.orders, shop.items with (publish_via_partition_root)',
      ...(major >= 15 ? ['for table shop.orders (id), shop.items'] : []),
      ...(major >= 15 ? ['for table shop.orders where (id > 1), shop.items'] : []),
    ]
    for (const what of lacking) {
      assert.deepEqual(await attempt(`create publication holdfast_m ${what}`), ['HF-S222'], what)
    }
    const enough = [
      'for table shop.orders, shop.items',
      'for all tables',
      ...(major >= 15 ? ['for tables in schema shop'] : []),
    ]
    for (const what of enough) {
      assert.deepEqual(await attempt(`create publication holdfast_m ${what}`), [], what)
    }
  })

  test(`patterns that match nothing are said with what is near, ${major}`, async (t) => {
    const db = await database(t, major)
    await db.query(`${shop}; create table "Odd" (id integer primary key)`)
    const of = async (include: string[]): Promise<Fault> =>
      faultOf(await look(db, { selection: { include } }), 'HF-C105')
    assert.match((await of(['shop.order'])).message, /"shop\.order" \(near: shop\.orders\)/)
    assert.match((await of(['orders'])).message, /near: shop\.orders/)
    assert.match((await of(['odd'])).message, /near: public\."Odd"/)
    const unreadable = await look(db, { selection: { include: ['a.b.c'] } })
    assert.deepEqual(codesOf(unreadable), ['HF-C104'])
    const none = await look(db, { selection: { exclude: ['*.*'] } })
    assert.match(faultOf(none, 'HF-C105').message, /leaves no table/)
  })
}

test('a server without a logical log or without room is refused', async (t) => {
  await using server = await postgres(18, {
    settings: { wal_level: 'replica', max_replication_slots: '1', max_wal_senders: '1' },
  })
  const db = await database(t, server)
  await db.query(`${shop}; select pg_create_physical_replication_slot('other', true)`)
  const findings = await look(db)
  assert.deepEqual(codesOf(findings), ['HF-S201', 'HF-S204'])
  assert.match(faultOf(findings, 'HF-S204').message, /other \(physical, unused/)
})

test('a database of unknown encoding is refused', async (t) => {
  const db = await database(t, 18, {
    how: `encoding 'SQL_ASCII' locale 'C' template template0`,
  })
  await db.query(shop)
  assert.deepEqual(codesOf(await look(db)), ['HF-S223'])
})

test('every failure says what to do', async (t) => {
  const db = await database(t, 18)
  await db.query(`${shop}; create table keyless (a integer)`)
  const role = await roleIn(t, db)
  for (const finding of await look(db, { role })) {
    if (finding.level === 'ok') continue
    const { fault } = finding
    assert.ok(fault instanceof Fault)
    assert.ok(fault.todo.length > 0 && fault.why !== '' && fault.safe !== '', fault.code)
  }
})
