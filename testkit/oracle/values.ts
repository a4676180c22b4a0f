import type { Random } from './random.ts'

/** A value as PostgreSQL reads it. */
export type Value = (random: Random) => string

const hostile = [
  '', ' ', 'plain', "it's", 'back\\slash', '\\N', '\\.', 'tab\tnew\nline\r', 'NULL', 'null', '{}',
  '"quoted"', 'ünïcödé', '日本語', '😀', 'e\u0301', '\u0001\u007f', '$1', '%s', "'; drop table x; --",
  'unchanged-toast-datum', 'a:b[c]:1', 'trailing  ',
] // biome-ignore format: a list

const of =
  (...texts: readonly string[]): Value =>
  (random) =>
    random.pick(texts)
const anyText: Value = (random) =>
  random.chance(0.5) ? random.pick(hostile) : random.letters(random.between(1, 40))
const hex = (random: Random, bytes: number): string => {
  let text = ''
  while (text.length < bytes * 2) text += random.below(256).toString(16).padStart(2, '0')
  return text
}
const bytes: Value = (random) => `\\x${hex(random, random.pick([0, 1, 3, 40]))}`
const uuid: Value = (random) => hex(random, 16)
const digits = (random: Random, count: number): string => {
  let text = String(random.between(1, 9))
  while (text.length < count) text += random.below(10)
  return text
}
const numeric: Value = (random) =>
  random.chance(0.3)
    ? random.pick(['NaN', 'Infinity', '-Infinity', '0', '-0.00', '1e-40', '1.10', '1.1', '100'])
    : `${random.pick(['', '-'])}${digits(random, random.pick([1, 5, 20, 300]))}.${digits(random, random.pick([1, 2, 30]))}`

/** A type of a column, and values of it: the edges, and some between them. */
export const typed: Readonly<Record<string, Value>> = {
  boolean: of('t', 'f'),
  int2: of('0', '1', '-1', '32767', '-32768'),
  int4: of('0', '7', '-1', '2147483647', '-2147483648'),
  int8: of('0', '9007199254740993', '-9007199254740993', '9223372036854775807', '-9223372036854775808'),
  oid: of('0', '4294967295', '2147483648'),
  numeric,
  'numeric(20,4)': of('0', '1.5', '-1234567890123456.7891', 'NaN'),
  float4: of('0', '-0', 'NaN', 'Infinity', '-Infinity', '1e-45', '3.4028235e38', '0.1'),
  float8: of('0', '-0', 'NaN', 'Infinity', '-Infinity', '5e-324', '1.7976931348623157e308', '0.1', '0.30000000000000004'),
  money: of('0', '-1.50', '92233720368547758.07'),
  text: anyText,
  'varchar(30)': of('', 'a', 'trailing  ', 'é'.repeat(30)),
  'char(5)': of('', 'ab', 'abcde', ' a'),
  '"char"': of('a', ' ', '~'),
  name: of('x', 'a"b', 'n'.repeat(63)),
  bytea: bytes,
  date: of('infinity', '-infinity', '4713-01-01 BC', '5874897-12-31', '0001-01-01', '2024-02-29'),
  time: of('00:00:00', '24:00:00', '23:59:59.999999'),
  timetz: of('24:00:00-15:59:59', '00:00:00+15:59:59', '12:00:00.000001+00'),
  timestamp: of('infinity', '-infinity', '4713-01-01 00:00:00 BC', '294276-12-31 23:59:59.999999', '2000-01-01'),
  timestamptz: of('infinity', '-infinity', '4713-01-02 00:00:00+00 BC', '294276-12-31 23:59:59.999999+00', '2011-12-30 12:00:00 Pacific/Apia'),
  interval: of('0', '1 mon -1 day +00:00:00.000001', '-178000000 years', '1 year 2 mons 3 days 04:05:06.789'),
  uuid,
  json: of('null', '{"b":1,"a":2,"b":3}', ' [1,  2 ] ', '"\\u0000"', '1e400', '{"deep":[[[{}]]]}'),
  jsonb: of('null', '{"a":1}', '12345678901234567890.10', '1e100', '"\\"quotes\\""', '[]'),
  jsonpath: of('$.a[*] ? (@ > 1)', 'lax $'),
  inet: of('10.1.2.3/8', '::ffff:1.2.3.4/128', '0.0.0.0/0'),
  cidr: of('10.0.0.0/8', '::/0'),
  macaddr: of('08:00:2b:01:02:03'),
  macaddr8: of('08:00:2b:01:02:03:04:05'),
  'bit(5)': of('10101', '00000'),
  'bit varying': of('', '0', `1${'0'.repeat(70)}`),
  point: of('(0,-0)', '(1e300,NaN)', '(Infinity,1)'),
  box: of('((0,0),(1,1))'),
  path: of('[(0,0),(1,1)]', '((0,0),(1,1),(2,0))'),
  polygon: of('((0,0),(1,1),(2,0))'),
  circle: of('<(1,2),3>'),
  int4range: of('empty', '[1,5)', '(,)', '[5,)', '(,2147483647)'),
  numrange: of('empty', '[1.10,2.2]', '(NaN,)', '(,Infinity]'),
  tstzrange: of('empty', '[-infinity,infinity]', '["2020-01-01 00:00+00",)'),
  int4multirange: of('{}', '{[1,2),[5,8)}', '{(,)}'),
  'int4[]': of('{}', '{1,NULL,3}', '[-1:1]={1,2,3}', '{{1,2},{3,4}}'),
  'text[]': of('{}', '{"NULL",NULL,"a,b","{}","\\"",""}', '{{a,b},{c,d}}', '{é}'),
  'timestamptz[]': of('{infinity,"0044-03-15 00:00:00+00 BC"}'),
  tsvector: of('', "'it''s':1A 'b':2"),
  tsquery: of("'a' & !'b' | 'c':*"),
  pg_lsn: of('0/0', 'FFFFFFFF/FFFFFFFF'),
  'oracle.mood': of('sad', 'o"k', "h'appy", 'é'),
  'oracle.mood[]': of('{}', '{sad,NULL,"o\\"k"}'),
  'oracle.positive': of('1', '99999999999999999999.50'),
  'oracle.pair': of('(1,x)', '(,)', '(2,"a ""b"" (c), d")'),
  'oracle.pair[]': of('{"(1,x)","(,)",NULL}'),
  'oracle.float_span': of('empty', '[0.5,1.5]'),
} // biome-ignore format: a list

/** Texts and bytes that do not fit into their row, so that an update leaves them out of the log. */
export const large = {
  text: ((random) => random.letters(random.pick([10, 2500, 9000]))) satisfies Value,
  bytea: ((random) => `\\x${hex(random, random.pick([5, 2500]))}`) satisfies Value,
  jsonb: ((random) =>
    JSON.stringify({ a: random.letters(random.pick([5, 4000])) })) satisfies Value,
  array: ((random) => `{${random.letters(3000)},NULL,${random.letters(10)}}`) satisfies Value,
  numeric: ((random) => digits(random, random.pick([4, 9000]))) satisfies Value,
} as const

export function quoted(text: string): string {
  const doubled = text.replaceAll("'", "''")
  return text.includes('\\') ? `E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`
}
