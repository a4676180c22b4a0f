import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Major } from '../../../testkit/servers/index.ts'
import { differences, tableNamed, twoEnds } from './ends.ts'

const pairs: readonly (readonly [Major, Major, 'values'?])[] = [
  [14, 14],
  [18, 18],
  [14, 18],
  [14, 18, 'values'],
]

const ddl = `
create table ints (id int primary key, v text, n int);
create table bigs (id bigint primary key, at timestamptz, big bigint);
create table uuids (id uuid primary key, v text);
create table texts (id text primary key, v jsonb);
create table pairs (a int, b text, v numeric, primary key (b, a));
create table bare (a int, b text);
alter table bare replica identity full;
create table "odd ""t" ("h" int primary key, "k0" text, "select" text);
create table keys (id bytea, n int, v bytea, primary key (id, n));
create table empty (id int primary key);`

const rows = `
insert into ints select i, 'row ' || i, i % 7 from generate_series(1, 5000) i;
insert into bigs select i * 4294967296, '2024-01-01'::timestamptz + i * interval '1 s', i
  from generate_series(1, 2000) i;
insert into uuids select md5(i::text)::uuid, 'u' || i from generate_series(1, 2000) i;
insert into texts select 'key ' || i, jsonb_build_object('i', i) from generate_series(1, 2000) i;
insert into pairs select i, 'p' || (i % 10), i / 8.0 from generate_series(1, 2000) i;
insert into bare select i % 100, 'b' || (i % 50) from generate_series(1, 2000) i;
insert into keys select decode(md5(i::text), 'hex'), i % 2, sha256(i::text::bytea)
  from generate_series(1, 500) i;
insert into "odd ""t" select i, 'k' || i, null from generate_series(1, 100) i;`

for (const [from, to, form] of pairs) {
  const how = form === undefined ? '' : ` as ${form}`
  test(`planted differences are found, each by its key, ${from} to ${to}${how}`, async (t) => {
    const ends = await twoEnds(t, {
      source: from,
      target: to,
      ddl,
      ...(form === undefined ? {} : { form }),
    })
    await ends.source.query(rows)
    await ends.feed()
    const before = await ends.verify()
    assert.deepEqual(
      before.tables.map(({ table, state, note }) => [table, state, note]),
      before.tables.map(({ table }) => [table, 'equal', null]),
    )
    assert.equal(before.verdict, 'PASS')
    assert.equal(before.rows, 15600)

    await ends.target.query(`
      update ints set n = n + 1 where id = 77; delete from ints where id = 4000;
      insert into ints values (9001, 'extra', 1);
      update bigs set big = big + 4294967296, at = at + interval '1 us' where id = 4294967296;
      delete from bigs where id = 4294967296 * 2; insert into bigs values (1, now(), 1);
      update uuids set v = null where id = md5('5')::uuid; delete from uuids where id = md5('6')::uuid;
      insert into uuids values ('00000000-0000-0000-0000-000000000000', 'x');
      update texts set v = '{"i": 7.0}' where id = 'key 7'; delete from texts where id = 'key 8';
      insert into texts values ('KEY 8', '{}');
      update pairs set v = 1.00 where a = 8; delete from pairs where a = 9;
      insert into pairs values (9, 'p8', 1);
      update bare set b = 'other' where ctid = (select ctid from bare where a = 5 limit 1);
      delete from bare where ctid = (select ctid from bare where a = 6 limit 1);
      insert into bare values (7, 'b7');
      update keys set v = '' where id = decode(md5('5'), 'hex');
      delete from keys where id = decode(md5('6'), 'hex'); insert into keys values ('\\x', 7, null);
      update "odd ""t" set "select" = '' where h = 50;`)
    const after = await ends.verify()
    assert.equal(after.verdict, 'FAIL')
    const found = (name: string): string[] => differences(tableNamed(after, name))
    assert.deepEqual(found('ints'), ['changed 77 [n]', 'extra 9001', 'missing 4000'])
    assert.deepEqual(found('bigs'), [
      'changed 4294967296 [at,big]',
      'extra 1',
      'missing 8589934592',
    ])
    assert.deepEqual(found('uuids'), [
      'changed e4da3b7f-bbce-2345-d777-2b0674a318d5 [v]',
      'extra 00000000-0000-0000-0000-000000000000',
      'missing 1679091c-5a88-0faf-6fb5-e6087eb1b2dc',
    ])
    assert.deepEqual(found('texts'), ['changed key 7 [v]', 'extra KEY 8', 'missing key 8'])
    assert.deepEqual(found('pairs'), ['changed p8,8 [v]', 'extra p8,9', 'missing p9,9'])
    assert.deepEqual(found('keys'), [
      'changed \\xe4da3b7fbbce2345d7772b0674a318d5,1 [v]',
      'extra \\x,7',
      'missing \\x1679091c5a880faf6fb5e6087eb1b2dc,0',
    ])
    assert.deepEqual(found('bare'), ['extra ×1', 'extra ×1', 'missing ×1', 'missing ×1'])
    assert.deepEqual(found('odd "t'), ['changed 50 [select]'])
    assert.equal(tableNamed(after, 'empty').state, 'equal')
    assert.deepEqual(await ends.slots(), ['slot', 'slot_feed'])
  })
}
