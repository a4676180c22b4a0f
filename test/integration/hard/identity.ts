import assert from 'node:assert/strict'
import type { HardCase } from './suite.ts'

/** Of every type that is stored apart from its row when it is long, a value of that kind. */
const apart: Readonly<Record<string, string>> = {
  text: `string_agg(md5(i::text), '')`,
  varchar: `string_agg(md5(i::text), '')`,
  bytea: `string_agg(decode(md5(i::text), 'hex'), '')`,
  jsonb: `jsonb_agg(md5(i::text))`,
  json: `json_agg(md5(i::text))`,
  xml: `xmlagg(xmlelement(name a, md5(i::text)))`,
  numeric: `(string_agg((i * 7919 % 10007)::text, '') || '.5')::numeric`,
  'text[]': `array_agg(md5(i::text))`,
  'numeric[]': `array_agg(i * 1.10)`,
  'int[]': `array_agg(i)`,
  int4multirange: `range_agg(int4range(i * 2, i * 2 + 1))`,
  tsvector: `array_to_tsvector(array_agg(md5(i::text)))`,
  varbit: `('x' || string_agg(md5(i::text), ''))::varbit`,
  path: `('(' || string_agg(format('(%s,%s)', i, -i), ',') || ')')::path`,
  polygon: `('(' || string_agg(format('(%s,%s)', i, -i), ',') || ')')::polygon`,
  'extensions.hstore': `extensions.hstore(array_agg(i::text), array_agg(md5(i::text)))`,
  'extensions.citext': `string_agg(md5(i::text), '')::extensions.citext`,
  pair: `row(0, string_agg(md5(i::text), ''))::pair`,
  'pair[]': `array_agg(row(i, md5(i::text))::pair)`,
  words: `string_agg(md5(i::text), '')::words`,
}

const apartColumns = Object.entries(apart).map(([type, sql], i) => ({ name: `c${i}`, type, sql }))
const long = apartColumns.map(({ sql }) => `(select ${sql} from generate_series(1, 600) i)`)
const short = apartColumns.map(({ sql }) => `(select ${sql} from generate_series(1, 2) i)`)

function toastTable(name: string): string {
  const columns = apartColumns.map((column) => `${column.name} ${column.type}`).join(', ')
  const external = apartColumns.map((column) => `alter column ${column.name} set storage external`)
  return `create table ${name} (id int primary key, n int not null, ${columns});
    alter table ${name} ${external.join(', ')};
    insert into ${name} select 1, 0, ${long.join(', ')};
    insert into ${name} select 2, 0, ${short.join(', ')};
    insert into ${name} select g, 0, ${apartColumns.map(({ name: c }) => `t.${c}`).join(', ')}
      from ${name} t, generate_series(3, 6) g where t.id = 1;`
}

const lossy = `create type kind as enum ('a', 'b');
  create function one(kind) returns text language sql as 'select ''one''';
  create cast (kind as text) with function one(kind);`

export const identityCases: readonly HardCase[] = [
  {
    name: 'P32 a value that is stored apart and did not change keeps its place, of every such type',
    begin: `create type pair as (a int, b text); create domain words as text; ${toastTable('own')}`,
    later: [
      'update own set n = n + 1;',
      'update own set n = n + 1, c0 = null where id = 3; update own set n = -1 where id = 3;',
      `begin; update own set c3 = '{}' where id = 4; update own set n = 9 where id = 4; commit;
       delete from own where id = 5;`,
    ],
    async check({ source }) {
      const [row] = await source.query(
        'select min(pg_column_size(c0)) as n from p32.own where id in (1, 4)',
      )
      assert.ok(Number(row?.['n']) > 9000, 'the values are long')
    },
  },
  {
    name: 'P33 a key that changes beside a value that is stored apart takes the value with it',
    begin: `create type pair as (a int, b text); create domain words as text; ${toastTable('own')}`,
    later: [
      'update own set id = id + 100;',
      `begin; update own set id = id + 100; update own set n = n + 1; update own set id = id + 1000;
       commit; update own set id = 7, n = 3 where id = (select min(id) from own);`,
      'delete from own where id = 7;',
    ],
  },
  {
    name: 'P34 an insert and partial updates of one key in one batch become one whole row',
    begin: `create type pair as (a int, b text); create domain words as text; ${toastTable('own')}`,
    later: [
      `begin; insert into own select 50, 0, ${apartColumns.map(({ name: c }) => c)} from own where id = 1;
       update own set n = 1 where id = 50; update own set c0 = 'short' where id = 50; commit;`,
      `insert into own select 60, 0, ${apartColumns.map(({ name: c }) => c)} from own where id = 1;
       update own set n = 2 where id = 60; update own set n = n + 1 where id = 60;
       delete from own where id = 50; insert into own (id, n) values (50, 1); update own set n = 7 where id = 50;`,
    ],
  },
  {
    name: 'P36 updates that leave different columns unchanged, in one batch',
    begin: `create table own (id int primary key, a text, b text, c text, n int);
      alter table own alter a set storage external, alter b set storage external, alter c set storage external;
      insert into own select g, repeat('a', 3000 + g), repeat('b', 3000 + g), repeat('c', 3000 + g), 0
        from generate_series(1, 160) g;`,
    later: [
      `begin;
       ${Array.from({ length: 160 }, (_, i) => {
         const set = ['a', 'b', 'c'].filter((_, bit) => ((i * 7919) >> bit) & 1)
         const sets = set.map((column) => `${column} = ${column} || '${i}'`)
         return `update own set ${[...sets, 'n = n + 1'].join(', ')} where id = ${i + 1};`
       }).join('\n')}
       update own set b = 'short' where id % 3 = 0; commit;`,
      `update own set n = n + 1; update own set a = repeat('x', 4000) where id % 2 = 0; update own set n = n + 1;`,
    ],
  },
  {
    name: 'P37 rows without a key that are equal, or hold nulls, are changed and deleted one by one',
    begin: `create table own (a int, b text, c numeric); alter table own replica identity full;
      insert into own select 1, null, 1.0 from generate_series(1, 3); insert into own values (null, null, null), (null, null, null);
      insert into own values (1, null, 1.00), (2, '', 0), (2, ' ', 0);`,
    later: [
      `delete from own where ctid = (select min(ctid) from own where a = 1);
       delete from own where ctid = (select min(ctid) from own where a is null);`,
      `update own set b = 'one' where ctid = (select max(ctid) from own where a = 1 and scale(c) = 2);
       update own set c = 1.000 where ctid = (select min(ctid) from own where a = 1 and b is null);
       update own set b = ' ' where b = '';`,
      `insert into own select 7, 'x', 1 from generate_series(1, 200);
       delete from own where ctid in (select ctid from own where a = 7 limit 77);`,
    ],
  },
  {
    name: 'P38 rows without a key whose columns have no equality, or a cast to text that bends them',
    atTarget: lossy,
    begin: `create table padded (v bpchar, i inet); alter table padded replica identity full;
      insert into padded values ('ab', '10.0.0.1'), ('ab  ', '10.0.0.1'), ('ab ', '10.0.0.1/8');
      ${lossy}
      create table cast_to (k kind, v int); alter table cast_to replica identity full;
      insert into cast_to values ('a', 1), ('b', 1);
      create table own (j json, x xml, p point, b box, g polygon, r regclass, t text);
      alter table own replica identity full;
      insert into own values ('{"a": 1}', '<a/>', '(1,2)', '(1,1),(0,0)', '((0,0),(1,1))', 'pg_class', 'one'),
        ('{"a":1}', '<a></a>', '(1,2)', '(1,1),(0,0)', '((0,0),(1,1))', null, 'two'), (null, null, '(-0,0)', null, null, '-', 'three');`,
    later: [
      `insert into own select j, x, p, b, g, r, t || g2 from own, generate_series(1, 30) g2;`,
      `update own set t = upper(t) where t like 'one%'; update own set p = '(0,0)' where t = 'three';
       delete from padded where octet_length(v) = 4; delete from cast_to where k = 'b'; update padded set v = 'ab' where octet_length(v) = 3;`,
      `delete from own where t like 'two%';`,
    ],
  },
  {
    name: 'P39 rows without a key from before a column with a default came',
    begin: `create table own (a int); alter table own replica identity full;
      insert into own values (1), (2), (2), (null); alter table own add column d int default 7;
      alter table own add column t text default 'it''s'; insert into own values (3, null, null);`,
    later: [
      'delete from own where a = 1; update own set d = 8 where a = 2;',
      'update own set t = null where a is null; delete from own where a = 3;',
    ],
  },
  {
    name: 'P40 rows are found after a column was dropped',
    begin: `create table own (a int, gone text, b int, c text); insert into own values (1, 'x', 2, 'y'), (1, 'z', 2, 'y');
      alter table own drop column gone; alter table own replica identity full;
      create table keyed (gone int, id int primary key, v text); alter table keyed drop column gone;
      insert into own values (3, 4, null); insert into keyed values (1, 'a'), (2, 'b');`,
    later: [
      `update own set c = 'z' where ctid = (select min(ctid) from own where a = 1); update keyed set id = id + 10;`,
      'delete from own where a = 1; delete from keyed where id = 11;',
    ],
  },
  {
    name: 'P43 an identity that is not the primary key, and unique columns that are null',
    begin: `create table own (a int primary key, b text not null, c text unique);
      create unique index own_b on own (b); alter table own replica identity using index own_b;
      insert into own values (1, 'x', null), (2, 'y', null), (3, 'z', 'c');
      create table two (a int primary key, b int not null, c int not null, v text, unique (c, b));
      alter table two replica identity using index two_c_b_key; insert into two values (1, 2, 3, 'v'), (2, 3, 2, 'w');`,
    later: [
      `update own set a = a + 10; update own set b = 'xx' where a = 11; update own set c = 'd' where a = 12;
       update two set v = 'u', a = 100 where a = 1;`,
      `begin; update own set a = 50 where b = 'y'; update own set b = 'yy' where a = 50; update own set c = null; commit;
       update two set b = 30, c = 20 where a = 2; insert into two select g, g, -g, 'many' from generate_series(200, 300) g;`,
      `delete from own where a = 13; insert into own values (13, 'z', 'c'); update two set a = -a where a > 200;
       delete from two where c < -250;`,
    ],
  },
  {
    name: 'P44 keys that are swapped, shifted and moved in circles within a transaction',
    begin: `create table own (id int primary key, v text); insert into own values (1, 'a'), (2, 'b'), (3, 'c');
      create table shifted (id int primary key, v int); insert into shifted select g, g from generate_series(1, 2000) g;
      create table composed (a int, b int, v text, primary key (b, a)); insert into composed values (1, 2, 'x'), (2, 1, 'y');`,
    later: [
      `begin; update own set id = -1 where id = 1; update own set id = 1 where id = 2; update own set id = 2 where id = -1; commit;
       update composed set a = a + 10; begin; update composed set a = 0 where a = 11; update composed set a = 11, b = 2 where a = 12;
       update composed set a = 12, b = 1 where a = 0; commit;`,
      `begin; update shifted set id = id + 100000; update shifted set id = id - 100000 + 1; commit;
       update shifted set v = -v where id % 2 = 0;`,
      `begin; update own set id = id + 10; update own set id = id - 9; update own set v = v || id; delete from own where id = 2;
       insert into own values (2, 'new'); update own set id = 77 where id = 2; commit;
       begin; delete from shifted where id > 1990; update shifted set id = id + 1000 where id > 990; commit;`,
    ],
  },
  {
    name: 'P45 unique values that two rows swap within a transaction',
    begin: `create table own (id int primary key, u int unique, w text);
      create unique index own_w on own (lower(w));
      create table late (id int primary key, u int, unique (u) deferrable initially immediate);
      insert into own values (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c'); insert into late values (1, 10), (2, 20), (3, 30);`,
    later: [
      `begin; update own set u = -1 where id = 1; update own set u = 10 where id = 2; update own set u = 20 where id = 1;
       update own set w = 'x' where id = 3; update own set w = 'c' where id = 2; update own set w = 'b' where id = 3; commit;
       update late set u = case u when 10 then 20 when 20 then 30 else 10 end;`,
      `begin; update own set u = null where id = 3; update own set u = 30 where id = 1; insert into own values (4, 20, 'z'); commit;
       begin; delete from own where id = 1; update own set u = 30 where id = 2; insert into own values (1, 10, 'y'); commit;
       update late set u = u + 10;`,
      `begin; update late set u = 41 - u where id < 3; update late set id = id + 1 where id = 3; update late set id = 3 where id = 2; commit;`,
    ],
  },
  {
    name: 'P46 keys of several columns in another order, and of every kind of type',
    begin: `create type level as enum ('low', 'mid', 'high');
      create table own (c text, b uuid, a timestamptz, e level, x extensions.citext, n numeric, v int,
        primary key (e, a, c, x, b, n));
      insert into own select chr(97 + g % 26), md5(g::text)::uuid, 'epoch'::timestamptz + g * interval '1 microsecond',
        (array['low', 'mid', 'high'])[1 + g % 3]::level, 'X' || g, g * 1.10, 0 from generate_series(1, 300) g;
      insert into own values ('', '00000000-0000-0000-0000-000000000000', '-infinity', 'low', '', 'NaN', 0);`,
    later: [
      'update own set v = v + 1;',
      `update own set e = 'high', n = n + 0.001 where e = 'low'; update own set c = c || 'é' where v = 1 and e = 'mid';`,
      `delete from own where e = 'mid'; delete from own where n = 'NaN';`,
    ],
  },
  {
    name: 'P48 a key that is deleted and born again, in one transaction and in many',
    begin: `create table own (id int primary key, v text, big text); alter table own alter big set storage external;
      insert into own select g, 'first', repeat('x', 3000) from generate_series(1, 20) g;`,
    later: [
      `begin; delete from own where id = 1; insert into own values (1, 'again'); delete from own where id = 1;
       insert into own values (1, 'thrice', 'b'); update own set v = 'last' where id = 1; commit;
       begin; insert into own values (100, 'a'); delete from own where id = 100; commit;
       begin; insert into own values (101, 'a'); delete from own where id = 101; insert into own values (101, 'b'); commit;`,
      Array.from({ length: 60 }, (_, i) => {
        const id = 1 + ((i * 7919) % 7)
        return i % 3 === 0
          ? `delete from own where id = ${id};`
          : i % 3 === 1
            ? `insert into own values (${id}, '${i}', repeat('y', 3000)) on conflict (id) do update set v = '${i}!';`
            : `update own set v = v || '${i}' where id = ${id};`
      }).join('\n'),
      `begin; delete from own; insert into own select g, 'new' from generate_series(1, 99) g; update own set id = id + 1000; commit;`,
    ],
  },
]
