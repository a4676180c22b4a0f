/** A type that a column can have, and values of it that somebody gets wrong. */
export interface Edges {
  /** Names tables and types that are made of it. */
  readonly label: string
  /** As in CREATE TABLE. */
  readonly type: string
  readonly values: readonly string[]
  /** Travels as text only. */
  readonly textOnly: boolean
}

const digits = '1234567890'.repeat(13_108).slice(0, 131_072)

const texts = [
  '',
  ' ',
  'it\'s "quoted" \\ back\\n {a,b} (c) $1 %s',
  'tab\t line\n return\r bell\u0007 one\u0001 del\u007f',
  '\\N',
  '\\.',
  'NULL',
  'é ü 漢字 🦣 \u00a0 e\u0301',
  'long '.repeat(3000),
]

const instants = [
  'infinity',
  '-infinity',
  '4713-01-01 00:00:00 BC',
  '0044-03-15 12:34:56.000001 BC',
  '0001-01-01 00:00:00',
  '1969-12-31 23:59:59.999999',
  '2000-01-01 00:00:00',
  '294276-12-31 23:59:59.999999',
]

const wholes = ['0', '-1', '42']

/** By the name that pg_type has. */
const built: Readonly<Record<string, readonly string[]>> = {
  bool: ['t', 'f'],
  int2: [...wholes, '-32768', '32767'],
  int4: [...wholes, '-2147483648', '2147483647'],
  int8: [
    ...wholes,
    '9007199254740991',
    '9007199254740992',
    '9007199254740993',
    '-9007199254740993',
    '-9223372036854775808',
    '9223372036854775807',
  ],
  oid: ['0', '26', '2147483648', '4294967295'],
  xid: ['0', '3', '4294967295'],
  cid: ['0', '4294967295'],
  xid8: ['0', '9007199254740993', '18446744073709551615'],
  tid: ['(0,1)', '(4294967295,65535)'],
  pg_lsn: ['0/0', '1/ABC', 'FFFFFFFF/FFFFFFFF'],
  float4: ['0', '-0', 'NaN', 'Infinity', '-Infinity', '1e-45', '3.4028235e38', '1.1', '16777217'],
  float8: [
    '0',
    '-0',
    'NaN',
    'Infinity',
    '-Infinity',
    '5e-324',
    '2.2250738585072014e-308',
    '1.7976931348623157e308',
    '0.30000000000000004',
    '9007199254740993',
  ],
  numeric: [
    '0',
    '0.00',
    '1.10',
    '1.1',
    'NaN',
    'Infinity',
    '-Infinity',
    '-12345678901234567890.10',
    '9007199254740993',
    `0.${'0'.repeat(16_382)}1`,
    digits,
    `-${digits}.${'9'.repeat(16_383)}`,
    '1e131071',
  ],
  money: ['0', '-92233720368547758.08', '92233720368547758.07', '0.01', '-1234.56'],
  text: texts,
  varchar: texts,
  bpchar: [...texts, 'ab   '],
  name: ['', 'a', 'é'.repeat(31), '"; drop table x; --', 'x'.repeat(63)],
  char: ['', 'x', "'", '\\', ' '],
  refcursor: ['', 'cursor', '<unnamed portal 1>'],
  bytea: [
    '\\x',
    '\\x00',
    '\\x0001ff5c5c000a0d09',
    `\\x${Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0')).join('')}`,
    `\\x${'00'.repeat(9000)}ff`,
  ],
  uuid: ['00000000-0000-0000-0000-000000000000', 'FFFFFFFF-ffff-4fff-bfff-ffffffffffff'],
  date: ['infinity', '-infinity', '4713-01-01 BC', '0001-01-01', '1970-01-01', '5874897-12-31'],
  time: ['00:00:00', '23:59:59.999999', '24:00:00', '12:00:00.000001'],
  timetz: ['00:00:00+15:59:59', '24:00:00-15:59:59', '23:59:59.999999+00', '12:34:56+05:45'],
  timestamp: instants,
  timestamptz: [
    ...instants.map((instant) => instant.replace(/(\d)(?= BC|$)/, '$1+00')),
    '2011-12-30 12:00:00-10',
    '2024-03-31 02:30:00+01',
  ],
  interval: [
    '0',
    '1 mon -2 days +00:00:00.000001',
    '-1 years -2 mons +3 days -04:05:06.789',
    '-178000000 years',
    '178000000 years 11 mons',
    '-2147483647:59:59.999999',
    '-2147483648 days',
    '30 days',
    '1 mon',
    '720:00:00',
  ],
  bit: ['0', '1'],
  varbit: ['', '0', '00000001', '1'.repeat(65), '01'.repeat(2048)],
  json: [
    '{"b":1,"a":2,"b":3}',
    ' { "a" :\t[ 1.0, 1e400 , null ] } ',
    '"\\u0000 \\ud83e\\udda3"',
    'null',
    '12345678901234567890.10',
    `[${'[1,"x"],'.repeat(900)}0]`,
  ],
  jsonb: [
    '{"b": 1, "a": 2, "b": 3}',
    '1e400',
    '12345678901234567890.10',
    '1.10',
    'null',
    '"\\ud83e\\udda3 \\\\ \\" \\n"',
    '{}',
    '[]',
    `${'['.repeat(500)}${']'.repeat(500)}`,
    `{"${'k'.repeat(5000)}": "${'v'.repeat(9000)}"}`,
  ],
  jsonpath: ['$', '$.a[*] ? (@ > 1 && @.b like_regex "^x" flag "i")', 'strict $."it\'s \\"q\\""'],
  xml: ['<a b="c">&lt;é</a>', 'text', '<a/><b/>', '<?p i?><a xmlns:x="y"><x:b/></a>', ' \n<a/>'],
  tsvector: ['', `'a':1A,2B 'it''s':3 'b\\\\c' 'é':16383`, "'x'"],
  point: ['(0,-0)', '(1.1,5e-324)', '(Infinity,NaN)', '(-1e308,1e-308)'],
  line: ['{1,-1,0}', '{0,-1,0.1}', '{1e300,-0.3,NaN}'],
  lseg: ['[(0,0),(-0,1)]', '[(1.1,2.2),(Infinity,4)]'],
  box: ['(1,1),(0,0)', '(Infinity,0.1),(-Infinity,-0)'],
  path: ['((0,0))', '[(1,2),(3.3,-0),(5,6)]', '((1,2),(3,4),(NaN,0))'],
  polygon: ['((0,0))', '((0,0),(1.1,0),(1,-0))'],
  circle: ['<(0,0),0>', '<(1.1,-0),Infinity>'],
  inet: ['0.0.0.0', '10.0.0.1/8', '255.255.255.255/32', '::', '::ffff:1.2.3.4/96', 'fe80::1/64'],
  cidr: ['0.0.0.0/0', '10.0.0.0/8', '10.1.2.3/32', '::/0', '2001:db8::/32'],
  macaddr: ['00:00:00:00:00:00', 'ff:fe:fd:fc:fb:fa'],
  macaddr8: ['00:00:00:00:00:00:00:00', 'ff:fe:fd:fc:fb:fa:f9:f8'],
  pg_snapshot: ['10:20:10,14,15', '1:1:', '9007199254740993:9223372036854775807:'],
  txid_snapshot: ['10:20:10,14,15', '1:1:'],
  int4range: ['empty', '(,)', '[1,2)', '(,-2147483648]'.replace('-2147483648]', '5)')],
  int8range: ['empty', '[9007199254740993,)', '(,9223372036854775807)'],
  numrange: ['empty', '[1.10,NaN)', '(-Infinity,Infinity]', '(,)', '(1.0,1.00]'],
  tsrange: ['empty', '[-infinity,infinity]', '["0044-03-15 12:00:00 BC",)', '(,2000-01-01)'],
  tstzrange: ['empty', '[-infinity,infinity)', '["0044-03-15 12:00:00+00 BC",)', '(,)'],
  daterange: ['empty', '[-infinity,infinity)', '(,2000-01-01)', '[0044-03-15 BC,5874897-12-31)'],
  int4multirange: ['{}', '{[1,3),[5,9)}', '{(,)}'],
  int8multirange: ['{}', '{(,0),[9007199254740993,)}'],
  nummultirange: ['{}', '{[1.10,2.0),(3,NaN]}', '{(,)}'],
  tsmultirange: ['{}', '{[-infinity,"2000-01-01 00:00:00")}'],
  tstzmultirange: ['{}', '{["0044-03-15 12:00:00+00 BC",infinity]}'],
  datemultirange: ['{}', '{[-infinity,2000-01-01),[2001-01-01,)}'],
}

/** Without a binary form that every value can be read from. */
const texted: Readonly<Record<string, readonly string[]>> = {
  tsquery: ['', "'a' & !( 'b' | 'it''s':*AB ) <-> 'c'", "'x' <16384> 'y'"],
  int2vector: ['', '1', '-32768 0 32767'],
  oidvector: ['', '0', '1 4294967295'],
  aclitem: ['postgres=r/postgres', '=UC*/postgres'],
  regclass: ['-', 'pg_class', 'information_schema.tables', '4294967295'],
  regcollation: ['-', '"C"', '"default"'],
  regconfig: ['simple', '-'],
  regdictionary: ['simple', '-'],
  regnamespace: ['-', 'pg_catalog'],
  regoper: ['0', '|/'],
  regoperator: ['0', '+(integer,integer)'],
  regproc: ['-', 'now'],
  regprocedure: ['-', 'sum(integer)', 'int4range(integer,integer,text)'],
  regrole: ['-', 'postgres'],
  regtype: ['-', 'integer', '"char"', 'timestamp with time zone'],
}

/** Types that no client can write: a table can hold them, a mirror cannot. */
export const closed: readonly string[] = [
  'gtsvector',
  'pg_brin_bloom_summary',
  'pg_brin_minmax_multi_summary',
  'pg_dependencies',
  'pg_mcv_list',
  'pg_ndistinct',
  'pg_node_tree',
]

/** Made by `ownTypes`, or built-in ones with a modifier. */
const others: Readonly<Record<string, readonly [type: string, values: readonly string[]]>> = {
  char_5: ['char(5)', ['', 'ab', 'ab  ', 'é漢🦣']],
  varchar_5: ['varchar(5)', ['', 'ab  ', 'é漢🦣']],
  numeric_12_3: ['numeric(12,3)', ['0', 'NaN', '-123456789.100']],
  timestamp_3: ['timestamp(3)', ['infinity', '2000-01-01 00:00:00.123']],
  timestamptz_0: ['timestamptz(0)', ['-infinity', '2000-01-01 00:00:00+00']],
  time_2: ['time(2)', ['24:00:00', '00:00:00.01']],
  interval_hm: ['interval hour to minute', ['1 mon 2 days 03:04', '-00:01']],
  interval_3: ['interval second(3)', ['00:00:00.123']],
  bit_70: ['bit(70)', ['0'.repeat(70), `${'0'.repeat(69)}1`, '1'.repeat(70)]],
  varbit_9: ['bit varying(9)', ['', '000000001']],
  enum: ['public.mood', ['sad', "o'k", 'a,b', 'with "quote" \\ {x}', 'é', 'x'.repeat(63)]],
  deep: ['public.outer_text', ['', 'ab', 'é,"\\{}']],
}

/** What `others` needs, for the source alone. */
export const ownTypes = `
create type public.mood as enum ('sad', 'o''k', 'a,b', 'with "quote" \\ {x}', 'é', '${'x'.repeat(63)}');
create domain public.inner_text as varchar(20) collate "C" check (value <> 'never');
create domain public.outer_text as public.inner_text;
`

function quotedType(name: string): string {
  return name === 'char' ? '"char"' : name
}

export const edges: readonly Edges[] = [
  ...Object.entries(built).map(([name, values]) => ({
    label: name,
    type: quotedType(name),
    values,
    textOnly: false,
  })),
  ...Object.entries(texted).map(([name, values]) => ({
    label: name,
    type: name,
    values,
    textOnly: true,
  })),
  ...Object.entries(others).map(([label, [type, values]]) => ({
    label,
    type,
    values,
    textOnly: false,
  })),
]

/** The names in pg_type that have values here. */
export const coveredTypes: readonly string[] = [...Object.keys(built), ...Object.keys(texted)]
