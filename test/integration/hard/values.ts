import assert from 'node:assert/strict'
import { edges } from './edges.ts'
import type { HardCase } from './suite.ts'

function literal(value: string): string {
  return `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

/** A table of values that are copied, inserted, changed into one another and found as keys. */
function through(
  type: string,
  values: readonly string[],
  name = 'v',
): Pick<HardCase, 'begin' | 'later'> {
  const n = values.length
  const rows = (first: number): string =>
    values.map((value, i) => `(${first + i}, ${literal(value)})`).join(', ')
  return {
    begin: `create table ${name} (id int primary key, v ${type});
      insert into ${name} values ${rows(1)}; insert into ${name} values (0, null);`,
    later: [
      `insert into ${name} values ${rows(1001)};`,
      `update ${name} t set v = o.v from ${name} o where t.id <= ${n} and o.id = t.id % (${n} + 1);
       update ${name} set id = id + 1000 where id > 1000;`,
      `delete from ${name} where id > 2000 and id % 2 = 0;`,
    ],
  }
}

function joined(
  ...parts: readonly Pick<HardCase, 'begin' | 'later'>[]
): Pick<HardCase, 'begin' | 'later'> {
  const rounds = Math.max(...parts.map(({ later }) => later.length))
  return {
    begin: parts.map(({ begin }) => begin).join('\n'),
    later: Array.from({ length: rounds }, (_, i) =>
      parts.map(({ later }) => later[i] ?? '').join('\n'),
    ),
  }
}

/** The edges of built-in types, by their names. */
function edgesOf(...labels: readonly string[]): Pick<HardCase, 'begin' | 'later'> {
  const chosen = labels.map((label) => {
    const found = edges.find((one) => one.label === label)
    if (found === undefined) throw new Error(`no edges of ${label}`)
    return through(found.type, found.values, `of_${label}`)
  })
  return joined(...chosen)
}

/** The same numbers at every run, without an order that a database would know. */
function* noise(): Generator<number, never> {
  let state = 0x2545f491
  for (;;) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    yield state >>> 0
  }
}

function randomFloats(count: number): string[] {
  const random = noise()
  const bits = Buffer.alloc(8)
  return Array.from({ length: count }, () => {
    bits.writeUInt32BE(random.next().value, 0)
    bits.writeUInt32BE(random.next().value, 4)
    const value = bits.readDoubleBE()
    return Object.is(value, -0) ? '-0' : String(value)
  })
}

function randomNumerics(count: number): string[] {
  const random = noise()
  const digit = (): string => String(random.next().value % 10)
  return Array.from({ length: count }, (_, i) => {
    const whole = Array.from({ length: 1 + (random.next().value % 60) }, digit).join('')
    const rest = Array.from({ length: random.next().value % 60 }, digit).join('')
    const trailing = i % 3 === 0 ? '000' : ''
    return `${i % 2 === 0 ? '-' : ''}${whole}.${rest}0${trailing}`
  })
}

/** Numbers of many lengths and scales, the same at every run. */
function manyNumerics(first: number): string {
  return `insert into many select g, (translate(left(repeat(md5(g::text), 3), 1 + g % 90),
    'abcdef', '012345') || '.' || repeat('0', g % 7) || g || repeat('0', g % 5))::numeric
    from generate_series(${first}, ${first + 4999}) g;`
}

/** Arrays of texts made of whatever has a meaning in the text of an array. */
function manyArrays(first: number): string {
  const signs = `'"{},nulLNU é漢''' || chr(92) || chr(9) || chr(10)`
  return `insert into many select g, array(select coalesce((select string_agg(substr(${signs},
      1 + ('x' || left(md5(concat_ws(',', g, e, c)), 6))::bit(24)::int % 18, 1), '')
      from generate_series(1, (g * e) % 5) c), '') from generate_series(1, g % 6) e)
    from generate_series(${first}, ${first + 999}) g;`
}

function randomBytes(count: number): string[] {
  const random = noise()
  return Array.from({ length: count }, (_, i) => {
    const bytes = Array.from({ length: i * 7 }, () => random.next().value & 255)
    return `\\x${Buffer.from(bytes).toString('hex')}`
  })
}

const arrays = [
  '{}',
  '{NULL}',
  '{"NULL",null}',
  '{"","a b","a,b","{}","\\"","\\\\"}',
  '[-1:1]={a,b,c}',
  '[0:1][5:6]={{a,b},{c,NULL}}',
  '{{{a,b},{c,d}},{{e,f},{g,h}}}',
  '{" lead","trail ","tab\t","line\n"}',
  '{é,漢,🦣}',
  '[2147483646:2147483646]={last}',
]

const names = [
  'we"ird; DROP',
  'Twin',
  'twin',
  'select',
  'a.b',
  '%s %I $1',
  'line\nbreak',
  "quo'te\\back",
  'é'.repeat(31),
  'x'.repeat(63),
  ' ',
  '--',
  '/*',
  '🦣',
]

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

const ignoring = `create collation ignoring
  (provider = icu, locale = 'und-u-ks-level2', deterministic = false);`

export const valueCases: readonly HardCase[] = [
  {
    name: 'P1 numeric NaN and both infinities stay what they are',
    ...edgesOf('numeric', 'numeric_12_3'),
  },
  {
    name: 'P2 every digit and the scale of a numeric arrive',
    ...joined(
      through('numeric', [
        ...randomNumerics(300),
        '1.10',
        '1.1',
        '1.100',
        `0.${'0'.repeat(16_382)}7`,
      ]),
      {
        begin: `create table many (id int primary key, v numeric); ${manyNumerics(1)}`,
        later: [manyNumerics(5001), 'update many set v = -v * 10 where id % 3 = 0;'],
      },
    ),
  },
  {
    name: 'P3 floats are equal bit by bit',
    ...joined(edgesOf('float4', 'float8'), through('float8', randomFloats(400), 'random')),
  },
  {
    name: 'P4 integers past 2^53, oids past 2^31, xid8 and pg_lsn are exact',
    ...edgesOf('int8', 'oid', 'xid8', 'pg_lsn'),
  },
  {
    name: 'P5 infinite dates and timestamps, in keys, arrays and ranges, too',
    ...joined(
      edgesOf('date', 'timestamp', 'timestamptz', 'tstzrange', 'daterange'),
      through('timestamptz[]', ['{infinity,-infinity,NULL}', '{}'], 'arrays'),
      {
        begin: `create table keyed (at timestamptz, day date, n int, primary key (at, day));
          insert into keyed values ('infinity', '-infinity', 1), ('-infinity', 'infinity', 2),
            ('4713-01-01 00:00:00+00 BC', '5874897-12-31', 3);`,
        later: [
          'update keyed set n = n + 10;',
          `update keyed set at = '2000-01-01' where at = 'infinity';`,
          `delete from keyed where at = '-infinity';`,
        ],
      },
    ),
  },
  {
    name: 'P6 years before Christ, 0001-01-01 and the year 294276',
    ...joined(
      through('timestamp', [
        '4713-11-24 00:00:00 BC',
        '0001-01-01',
        '294276-12-31 23:59:59.999999',
      ]),
      through('date', ['4713-11-24 BC', '0001-12-31 BC', '0001-01-01', '5874897-12-31'], 'days'),
    ),
  },
  {
    name: 'P7 24:00:00, offsets of 15:59:59 and microseconds',
    ...edgesOf('time', 'timetz', 'time_2'),
  },
  {
    name: 'P8 an instant stays the same whatever time zone the roles have',
    ...through('timestamptz', [
      '2011-12-29 23:59:59-10',
      '2011-12-31 00:00:00+14',
      '2024-03-31 02:30:00 Europe/Berlin',
      '2024-10-27 02:30:00+01',
      '1883-11-18 12:03:58-04:56:02',
    ]),
  },
  {
    name: 'P9 intervals of mixed signs whatever interval style the roles have',
    ...edgesOf('interval'),
  },
  {
    name: 'P10 bytes, none or any, whatever bytea_output the roles have',
    ...joined(edgesOf('bytea'), through('bytea', randomBytes(40), 'random')),
  },
  {
    name: 'P13 json keeps its bytes: spaces, order, doubled keys, \\u0000',
    ...edgesOf('json'),
  },
  {
    name: 'P14 jsonb numbers of any size, and null apart from SQL null',
    ...edgesOf('jsonb'),
    async check({ target }) {
      const [row] = await target.query(
        `select count(*) filter (where v = 'null') as json, count(*) filter (where v is null) as sql from p14.of_jsonb`,
      )
      assert.ok(Number(row?.['json']) > 0 && Number(row?.['sql']) > 0)
    },
  },
  {
    name: 'P16 arrays with bounds, nesting, nulls and every kind of quote',
    ...joined(
      through('text[]', arrays),
      through('int[]', ['[-2:0]={1,NULL,3}', '{}', '{{1},{2}}'], 'numbers'),
      {
        begin: `create table many (id int primary key, v text[]); ${manyArrays(1)}`,
        later: [manyArrays(1001), `update many set v = v || array[null, 'null', v[1]];`],
      },
    ),
  },
  {
    name: 'P17 ranges and multiranges, empty, open, infinite, and of a type of their own',
    ...joined(edgesOf('int4range', 'numrange', 'tsrange', 'nummultirange', 'datemultirange'), {
      begin: `create type span as range (subtype = text, collation = "C");
          create table own (id int primary key, v span, m span_multirange);`,
      later: [
        `insert into own values (1, '["a,b","c""d"]', '{["a,b","c""d"],[x,)}'), (2, 'empty', '{}'), (3, '(,)', null);`,
        `update own set v = '["",)' where id = 2;`,
        'delete from own where id = 3;',
      ],
    }),
  },
  {
    name: 'P19 composites, nested and in arrays, as values and as keys',
    begin: `create type pair as (a int, "b ""c" text, d numeric(5,2));
      create type deep as (p pair, ps pair[], at timestamptz);
      alter type pair add attribute gone int; alter type pair drop attribute gone;
      create table own (k pair, n deep, v pair[], primary key (k));
      insert into own values ((1, 'x', 1.50), ((2, null, 2), array[(3, 'y,"z"', 3)::pair, null], 'infinity'), '{}');
      insert into own values ((null, '', null), null, array[(null, null, null)::pair]);`,
    later: [
      `insert into own select (g, 'many', g)::pair, ((g, 'x', 1)::pair, null, now())::deep, null from generate_series(10, 99) g;`,
      `update own set v = array[k, k]; update own set k = ((k).a + 1000, (k)."b ""c", 7)::pair where (k).a between 10 and 20;`,
      `delete from own where (k).a > 50;`,
    ],
  },
  {
    name: 'P20 domains over domains, of arrays, in arrays, checked and not null',
    begin: `create domain inner_n as int check (value > -5); create domain outer_n as inner_n not null;
      create domain listed as int[] check (cardinality(value) < 5);
      create type color as enum ('red', 'green'); create domain hue as color;
      create table own (k hue, o outer_n default 1, l listed, ls outer_n[], primary key (k, o));
      insert into own values ('red', 1, '{1,NULL}', '{1,2}'), ('green', -4, '{}', null);`,
    later: [
      `insert into own select 'red', g, array[g], array[g, g] from generate_series(10, 99) g;`,
      `update own set l = null; update own set o = o + 1000 where o < 20; `,
      `update own set k = 'green' where o > 1000; delete from own where o between 30 and 99;`,
    ],
  },
  {
    name: 'P21 types of extensions, as values and as keys',
    begin: `create table own (id int primary key, h extensions.hstore, c extensions.citext, l extensions.ltree, ls extensions.ltree[]);
      insert into own values (1, extensions.hstore(array['a', '1', 'b c', null, 'q"\\', 'it''s']), 'CaSe', 'a.b.c', '{a,b.c}'), (2, '', '', '', '{}');
      create table by_citext (k extensions.citext primary key, n int);
      create table by_ltree (k extensions.ltree primary key, n int);
      create table by_hstore (k extensions.hstore, n int, primary key (k));
      insert into by_citext values ('A', 1), ('b', 2); insert into by_ltree values ('a.B', 1), ('a.b', 2);
      insert into by_hstore values ('a=>1', 1), ('', 2);`,
    later: [
      `insert into own values (3, 'x=>y', 'É', 'x', null);
       insert into by_citext select 'Many' || g, g from generate_series(1, 99) g;
       insert into by_ltree select ('Many.' || g)::extensions.ltree, g from generate_series(1, 99) g;
       insert into by_hstore select extensions.hstore('k', g::text), g from generate_series(1, 99) g;`,
      `update own set h = null, c = 'case' where id = 1;
       update by_citext set n = -n; update by_citext set k = 'a' where n = -1 and k::text = 'A';
       update by_ltree set n = -n; update by_hstore set n = -n;
       update by_hstore set k = 'moved=>1' where n = -1 and k = 'a=>1';`,
      `delete from by_citext where n < -3; delete from by_ltree where n < -3; delete from by_hstore where n < -3;`,
    ],
  },
  {
    name: 'P22 bit strings of any length with all their zeros',
    ...edgesOf('bit', 'varbit', 'bit_70', 'varbit_9'),
  },
  { name: 'P23 money to the last cent', ...edgesOf('money') },
  {
    name: 'P24 xml, text search, json paths, geometry and transaction snapshots',
    ...edgesOf(
      'xml',
      'tsvector',
      'jsonpath',
      'point',
      'path',
      'polygon',
      'circle',
      'line',
      'txid_snapshot',
      'pg_snapshot',
    ),
  },
  {
    name: 'P25 uuids, networks and MAC addresses',
    ...edgesOf('uuid', 'inet', 'cidr', 'macaddr', 'macaddr8'),
  },
  {
    name: 'P26 char(n) keeps its padding, as a key, too; "char", name and the empty varchar',
    ...joined(edgesOf('char_5', 'bpchar', 'char', 'name', 'varchar'), {
      begin: `create table padded (k char(5) primary key, c "char", v varchar, n name);
        insert into padded values ('ab', 'x', '', 'name'), ('ab c', '', ' ', ''), ('', null, null, null);`,
      later: [
        `insert into padded select g::text from generate_series(1, 99) g;`,
        `update padded set v = 'seen'; update padded set k = 'z' || trim(k) where k like '1%';`,
        `delete from padded where k like 'z%';`,
      ],
    }),
    async check({ target }) {
      const [row] = await target.query(`select octet_length(k) as n from p26.padded where k = 'ab'`)
      assert.equal(row?.['n'], '5')
    },
  },
  {
    name: 'P29 names of schemas, tables and columns that are quoted, cut, doubled or SQL',
    begin: names
      .map(
        (name, i) => `create schema if not exists ${quoted(`p29.${name}`.slice(0, 40))};
        create table ${quoted(name)} (${quoted(name)} int primary key, ${quoted(`${i}`)} text, "${'y'.repeat(62)}${i % 10}" int);
        create table ${quoted(`p29.${name}`.slice(0, 40))}.${quoted(name)} (${quoted(name)} int, v text);
        alter table ${quoted(`p29.${name}`.slice(0, 40))}.${quoted(name)} replica identity full;
        insert into ${quoted(name)} values (1, 'copied');`,
      )
      .join('\n'),
    later: [
      names
        .map(
          (name) => `insert into ${quoted(name)} select g, 'many' from generate_series(2, 90) g;
        insert into ${quoted(`p29.${name}`.slice(0, 40))}.${quoted(name)} values (1, 'a'), (1, 'a'), (2, null);`,
        )
        .join('\n'),
      names
        .map(
          (
            name,
            i,
          ) => `update ${quoted(name)} set ${quoted(`${i}`)} = 'set' where ${quoted(name)} < 80;
        update ${quoted(name)} set ${quoted(name)} = 1000 where ${quoted(name)} = 1;
        delete from ${quoted(`p29.${name}`.slice(0, 40))}.${quoted(name)} where ctid in (select ctid from ${quoted(`p29.${name}`.slice(0, 40))}.${quoted(name)} limit 1);`,
        )
        .join('\n'),
      names
        .map((name) => `delete from ${quoted(name)} where ${quoted(name)} between 5 and 85;`)
        .join('\n'),
    ],
  },
  {
    name: 'P31 keys under a collation that takes different texts for equal',
    atTarget: ignoring,
    begin: `${ignoring}
      create table own (k text collate ignoring primary key, n int, v text collate ignoring unique);
      create table whole (k text collate ignoring, n int); alter table whole replica identity full;
      insert into own values ('A', 1, 'x'), ('b', 2, 'Y'), ('ä', 3, null);
      insert into whole values ('A', 1), ('a', 1), ('A', 1);`,
    later: [
      `insert into own select 'Many' || g, g from generate_series(10, 99) g;`,
      `update own set k = 'a' where k = 'A'; update own set v = 'y' where k = 'B'; update own set n = -n;
       delete from whole where k collate "C" = 'a';`,
      `delete from own where k = 'a'; insert into own values ('A', 5, 'X');
       delete from own where k like 'many%' collate "C" or n < -50;
       update whole set k = 'a' where ctid = (select ctid from whole limit 1);`,
    ],
  },
]
