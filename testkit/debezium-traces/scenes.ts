/** A table and statements on it, each about one row, whose id is the first number in it. */
export interface Scene {
  readonly before: readonly string[]
  readonly statements: readonly string[]
  /** What the columns are printed as, so that all of them are canonical text. */
  readonly printed: Readonly<Record<string, string>>
}

const big = "repeat('0123456789abcdef', 20)"

const postgresColumns = `
  id bigint primary key,
  i2 smallint, i4 integer, i8 bigint, o oid,
  n numeric, n12 numeric(12,2), n5 numeric(5,-2), mo money,
  f4 real, f8 double precision,
  b boolean, c5 char(5), vc varchar(40), tx text, ci citext,
  by bytea, u uuid, js json, jb jsonb, xm xml,
  d date, t6 time, t3 time(3), tz timetz, ts timestamp, ts3 timestamp(3),
  tstz timestamptz, iv interval,
  b8 bit(8), b1 bit(1), vb bit varying(12), en mood,
  ai integer[], al bigint[], at text[], an numeric(6,2)[], ad date[], az timestamptz[],
  ay bytea[], au uuid[], ao boolean[], af double precision[], av varchar(10)[],
  ip inet, ne cidr, ma macaddr, pt point, hs hstore, ra int4range, rz tstzrange, lt ltree,
  tv tsvector, q integer default 5`

const full = `
  -32768, 2147483647, 9223372036854775807, 4294967295,
  12345678901234567890.123456789, -9999999999.99, 12300, '-$1,234.56',
  3.4028235e38, 1e-300,
  true, 'ab', 'naïve ☃ 😀', E'a\\tb"c\\\\d\\n', 'CaSe',
  '\\x00ff10', '0188E4E6-5b3c-4d6e-8f00-aabbccddeeff', '{"a": 1.10,  "b":[]}', '{"a": 1.10, "z": null}', '<a>1</a>',
  '2026-02-28', '23:59:59.999999', '12:00:00.123', '04:05:06.789+02:30', '2026-03-04 05:06:07.891011', '2026-03-04 05:06:07.891',
  '2026-03-04 05:06:07.891011+02', '1 year 2 mons 3 days 04:05:06.789',
  B'10110000', B'1', B'0001', 'happy',
  '{1,NULL,-3}', '{9223372036854775807}', '{a,"b c","",NULL,"NULL","q\\"\\\\"}', '{1.50,-2.25}', '{2026-01-02,1999-12-31}', '{"2026-01-02 03:04:05.678901+00"}',
  array['\\x00ff'::bytea], '{0188e4e6-5b3c-4d6e-8f00-aabbccddeeff}', '{t,f,NULL}', '{1.5,-0.1}', '{x,"y,z"}',
  '10.1.2.3/24', '10.0.0.0/8', '08:00:2b:01:02:03', '(1.5,-2)', 'a=>1, b=>NULL, "c d"=>"e\\"f"', '[1,10)', '["2026-01-01 00:00:00+00",)', 'a.b.c',
  'fat:2 cat:3', 7`

const extreme = `
  0, 0, -9223372036854775808, 0,
  -0.000000000000000000001, 0.00, -0, '$0.00',
  'NaN', '-Infinity',
  false, '', '', '', '',
  '', '00000000-0000-0000-0000-000000000000', 'null', '"x"', null,
  '0001-01-01', '00:00', '24:00:00', '00:00:00+00', '0001-01-01 00:00:00', '1969-12-31 23:59:59.999',
  '1969-12-31 23:59:59.999999+00', '-1 year -2 mons +3 days -04:05:06.789',
  B'00000001', B'0', B'000000000001', 'so so',
  '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
  '::1', '::/0', 'ff:ff:ff:ff:ff:ff', '(0,0)', '', 'empty', 'empty', '', '', null`

export const postgresScene: Scene = {
  before: [
    'create extension hstore',
    'create extension citext',
    'create extension ltree',
    "create type mood as enum ('happy', 'so so')",
    `create table everything (${postgresColumns})`,
    `alter table everything ${['tx', 'by', 'jb', 'n', 'at', 'hs', 'js', 'xm', 'ai', 'au', 'av'].map((name) => `alter ${name} set storage external`).join(', ')}`,
    'alter table everything set (toast_tuple_target = 128)',
    `insert into everything values (1, ${full})`,
    'insert into everything (id, q) values (2, null)',
  ],
  statements: [
    `insert into everything values (3, ${full})`,
    `insert into everything values (4, ${extreme})`,
    'insert into everything (id, q) values (5, null)',
    `insert into everything (id, tx, by, jb, at, hs, js, vc, xm, ai, n, au, av) values (6, ${big}, ${big}::bytea, to_jsonb(${big}), array_fill(md5('x')::text, array[10]), hstore('k', ${big}), to_json(${big}), 'v', ('<a>' || ${big} || '</a>')::xml, array_fill(123456789, array[80]), ${"repeat('1234567890', 60)"}::numeric, array_fill('0188e4e6-5b3c-4d6e-8f00-aabbccddeeff'::uuid, array[20]), array_fill('x'::varchar(10), array[80]))`,
    'update everything set i4 = 1 where id = 6',
    'update everything set id = 7, i4 = 2 where id = 6',
    `update everything set i4 = 3, tx = 'short' where id = 7`,
    'delete from everything where id = 5',
    'delete from everything where id = 3',
  ],
  printed: {
    by: `encode(by, 'hex')`,
    b: `case b when true then 't' when false then 'f' end`,
    c5: `rpad(c5, 5)`,
    ip: `host(ip) || case when masklen(ip) < case family(ip) when 4 then 32 else 128 end then '/' || masklen(ip) else '' end`,
  },
}

/** What no number, bit or calendar of Java holds, each in a table of its own row. */
export const postgresOddScene: Scene = {
  before: [
    `create type mood as enum ('happy', 'sad, or so')`,
    'create table odd (id bigint primary key, d date, ts timestamp, tstz timestamptz, iv interval, vb bit varying(12), mo mood, ii integer[], b8 bit(9))',
  ],
  statements: [
    `insert into odd (id, d) values (1, 'infinity')`,
    `insert into odd (id, d) values (2, '-infinity')`,
    `insert into odd (id, d) values (3, '0044-03-15 BC')`,
    `insert into odd (id, d) values (4, '5874897-12-31')`,
    `insert into odd (id, ts) values (5, 'infinity')`,
    `insert into odd (id, ts) values (6, '-infinity')`,
    `insert into odd (id, ts) values (7, '0044-03-15 01:02:03.000004 BC')`,
    `insert into odd (id, ts) values (8, '294276-12-31 23:59:59.999999')`,
    `insert into odd (id, tstz) values (9, 'infinity')`,
    `insert into odd (id, tstz) values (10, '-infinity')`,
    `insert into odd (id, tstz) values (11, '0044-03-15 01:02:03.000004+00 BC')`,
    `insert into odd (id, tstz) values (12, '294276-12-31 23:59:59.999999+00')`,
    `insert into odd (id, iv) values (13, '-178000000 years')`,
    `insert into odd (id, iv) values (14, '1000000 hours')`,
    `insert into odd (id, iv) values (15, '1 mon -1 days')`,
    `insert into odd (id, vb) values (16, B'0001')`,
    `insert into odd (id, vb) values (17, B'')`,
    `insert into odd (id, ii) values (18, '{{1,2},{3,4}}')`,
    `insert into odd (id, ii) values (19, '[0:1]={5,6}')`,
    `insert into odd (id, b8) values (20, B'100000001')`,
    `insert into odd (id, ts) values (21, '1582-10-10 00:00:00')`,
    `insert into odd (id, d) values (22, '1582-10-10')`,
    `insert into odd (id, mo) values (23, 'sad, or so')`,
  ],
  printed: {},
}

const mysqlColumns = `
  id bigint primary key,
  i1 tinyint, i1u tinyint unsigned, i2u smallint unsigned, i3 mediumint, i4 int, i4u int unsigned,
  i8 bigint, i8u bigint unsigned, bo boolean,
  n12 decimal(12,2), n65 decimal(65,30), f4 float, f8 double,
  c5 char(5), vc varchar(40), tx longtext, la varchar(20) character set latin1,
  bi binary(4), vb varbinary(10), bl longblob,
  d date, t0 time, t6 time(6), dt datetime, dt6 datetime(6), ts timestamp null, ts6 timestamp(6) null, y year,
  b1 bit(1), b12 bit(12), en enum('a','b,c'), se set('x','y','z'), js json,
  ge geometry, pt point, q int default 5`

const mysqlFull = `
  -128, 255, 65535, -8388608, -2147483648, 4294967295,
  -9223372036854775808, 18446744073709551615, true,
  -9999999999.99, 12345678901234567890123456789012345.123456789012345678901234567890, 1.5, 1e-300,
  'ab', 'naïve ☃ 😀', 'a\\tb"c\\\\d', 'é',
  x'00ff1000', x'00ff', x'ff',
  '2026-02-28', '-838:59:59', '123:45:06.789012', '2026-03-04 05:06:07', '2026-03-04 05:06:07.891011', '2026-03-04 05:06:07', '2026-03-04 05:06:07.891011', 2026,
  b'1', b'100000000001', 'b,c', 'x,z', '{"a": 1.10, "b": []}',
  st_geomfromtext('LINESTRING(0 0, 1 1)'), st_geomfromtext('POINT(1.5 -2)'), 7`

export const mysqlScene: Scene = {
  before: [
    `create table everything (${mysqlColumns})`,
    `insert into everything values (1, ${mysqlFull})`,
    'insert into everything (id, q) values (2, null)',
  ],
  statements: [
    `insert into everything values (3, ${mysqlFull})`,
    'insert into everything (id, q) values (4, null)',
    `update everything set tx = repeat('x', 10000), t0 = '00:00:00', en = 'a', se = '' where id = 4`,
    'update everything set id = 5 where id = 4',
    `update everything set d = '1000-01-01', dt6 = '9999-12-31 23:59:59.999999', t6 = '838:59:59' where id = 5`,
    'delete from everything where id = 3',
    'alter table everything add column later int',
    `insert into everything (id, later) values (6, 1)`,
  ],
  printed: {
    bi: 'hex(bi)',
    vb: 'hex(vb)',
    bl: 'hex(bl)',
    ge: 'hex(ge)',
    pt: 'hex(pt)',
    b1: 'bin(b1)',
    b12: 'lpad(bin(b12), 12, 0)',
    f4: 'cast(f4 as double)',
  },
}
