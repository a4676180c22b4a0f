import type { MysqlDatabase } from '../../../../testkit/servers/index.ts'

/** A value in SQL and the canonical text of its cell; `hex` for bytes that are no text. */
type Edge = readonly [sql: string, cell: string | null]

export interface EdgeColumn {
  readonly type: string
  readonly edges: readonly Edge[]
  /** Servers that have the type; all when absent. */
  readonly on?: RegExp
}

const min = (bits: bigint): string => `-${1n << (bits - 1n)}`
const max = (bits: bigint): string => `${(1n << (bits - 1n)) - 1n}`
const top = (bits: bigint): string => `${(1n << bits) - 1n}`
const same = (...texts: readonly string[]): readonly Edge[] => texts.map((text) => [text, text])
const quoted = (...texts: readonly string[]): readonly Edge[] =>
  texts.map((text) => [`'${text.replaceAll("'", "''")}'`, text])

const integers: readonly EdgeColumn[] = [
  ['tinyint', 8n],
  ['smallint', 16n],
  ['mediumint', 24n],
  ['int', 32n],
  ['bigint', 64n],
].flatMap(([name, bits]): EdgeColumn[] => {
  const width = BigInt(bits ?? 0)
  return [
    { type: `${name}`, edges: same(min(width), max(width), '0', '-1') },
    { type: `${name} unsigned`, edges: same('0', top(width), '1') },
  ]
})

const numbers: readonly EdgeColumn[] = [
  ...integers,
  {
    type: 'bigint',
    edges: same('9007199254740991', '9007199254740993', '-9007199254740993', '4294967296'),
  },
  { type: 'int(5) unsigned zerofill', edges: [['7', '7']] },
  { type: 'tinyint(1)', edges: same('1', '0', '-5') },
  {
    type: 'decimal(65,30)',
    edges: [
      ...same(
        '-12345678901234567890123456789012345.123456789012345678901234567890',
        '99999999999999999999999999999999999.999999999999999999999999999999',
        '0.000000000000000000000000000001',
        '-0.000000001000000000000000000000',
      ),
      ['0', '0.000000000000000000000000000000'],
    ],
  },
  { type: 'decimal(65,0)', edges: same(`-${'9'.repeat(65)}`, '0', '1000000000', '999999999') },
  { type: 'decimal(5,5)', edges: same('0.00001', '-0.50000', '0.99999') },
  { type: 'decimal(10,3) unsigned', edges: same('1234567.890', '0.000') },
  {
    type: 'float',
    edges: [
      ['0.1', '0.1'],
      ['1.5e-7', '1.5e-07'],
      ['16777216', '1.6777216e+07'],
      ['-3.4028234e38', '-3.4028235e+38'],
      ['1.17549435e-38', '1.1754944e-38'],
      ['100000', '100000'],
      ['1000000', '1e+06'],
      ['0.0001', '0.0001'],
      ['0.00001', '1e-05'],
      ['0', '0'],
    ],
  },
  {
    type: 'double',
    edges: [
      ['0.1', '0.1'],
      ['1e300', '1e+300'],
      ['-2.2250738585072014e-308', '-2.2250738585072014e-308'],
      ['123456789012345', '123456789012345'],
      ['1e15', '1e+15'],
      ['1234567890.125', '1234567890.125'],
      ['0.00012', '0.00012'],
      ['0.000012', '1.2e-05'],
      ['9007199254740993', '9.007199254740992e+15'],
    ],
  },
  {
    type: 'bit(1)',
    edges: [
      ["b'1'", '1'],
      ["b'0'", '0'],
    ],
  },
  { type: 'bit(5)', edges: [["b'10110'", '10110']] },
  { type: 'bit(9)', edges: [["b'100000001'", '100000001']] },
  { type: 'bit(64)', edges: [['0xf0000000000000a5', `1111${'0'.repeat(52)}10100101`]] },
  {
    type: 'year',
    edges: [
      ['2155', '2155'],
      ['1901', '1901'],
      ['0', '0'],
    ],
  },
]

const moments: readonly EdgeColumn[] = [
  { type: 'date', edges: quoted('9999-12-31', '1000-01-01', '2024-02-29') },
  { type: 'time', edges: quoted('838:59:59', '-838:59:59', '00:00:00', '-00:00:01') },
  {
    type: 'time(6)',
    edges: [
      ...quoted('-00:00:00.000001', '837:59:59.999999', '-837:59:59.999999'),
      ["'01:02:03.1'", '01:02:03.1'],
    ],
  },
  {
    type: 'time(1)',
    edges: [
      ["'-00:00:00.5'", '-00:00:00.5'],
      ["'-01:00:00'", '-01:00:00'],
    ],
  },
  { type: 'time(3)', edges: quoted('-12:34:56.789', '00:00:00.001') },
  { type: 'datetime', edges: quoted('9999-12-31 23:59:59', '1000-01-01 00:00:00') },
  {
    type: 'datetime(3)',
    edges: [
      ...quoted('2024-02-29 23:59:59.123'),
      ["'2024-02-29 01:02:03.120'", '2024-02-29 01:02:03.12'],
    ],
  },
  {
    type: 'datetime(6)',
    edges: quoted('9999-12-31 23:59:59.999999', '1000-01-01 00:00:00.000001'),
  },
  {
    type: 'timestamp null',
    edges: [
      ["'1970-01-01 00:00:01'", '1970-01-01 00:00:01+00'],
      ["'2038-01-19 03:14:07'", '2038-01-19 03:14:07+00'],
      ["'2000-02-29 12:00:00'", '2000-02-29 12:00:00+00'],
    ],
  },
  {
    type: 'timestamp(6) null',
    edges: [["'2001-09-09 01:46:40.654321'", '2001-09-09 01:46:40.654321+00']],
  },
  { type: 'timestamp(2) null', edges: [["'2001-09-09 01:46:40.5'", '2001-09-09 01:46:40.5+00']] },
]

const long = 'ü'.repeat(255)
const texts: readonly EdgeColumn[] = [
  {
    type: 'char(5)',
    edges: [
      ["'ab '", 'ab'],
      ["''", ''],
    ],
  },
  { type: 'char(255)', edges: quoted(long) },
  { type: 'varchar(300)', edges: quoted('x'.repeat(300), '😀', "it's \\ \n") },
  { type: 'varchar(20) character set latin1', edges: quoted('é€ü', 'abc') },
  { type: 'char(10) character set cp850', edges: quoted('Ñü') },
  { type: 'text character set koi8r', edges: quoted('Привет') },
  { type: 'varchar(9) character set swe7', edges: quoted('ÅÄÖ') },
  { type: 'varchar(20) character set ucs2', edges: quoted('жx') },
  { type: 'varchar(20) character set utf16', edges: quoted('ж😀') },
  { type: 'varchar(20) character set utf32', edges: quoted('ж😀') },
  { type: 'varchar(20) character set utf16le', edges: quoted('ж😀') },
  { type: 'char(10) character set gbk', edges: quoted('中文') },
  { type: 'varchar(10) character set sjis', edges: quoted('日本 A') },
  { type: 'varchar(10) character set ujis', edges: quoted('日本 A') },
  { type: 'varchar(10) character set euckr', edges: quoted('한국') },
  { type: 'varchar(10) character set big5', edges: quoted('中文') },
  { type: 'tinytext', edges: quoted('', 'a') },
  { type: 'longtext', edges: quoted('y'.repeat(70_000)) },
  { type: "enum('a','b,c','it''s','ü')", edges: quoted('a', 'b,c', "it's", 'ü') },
  { type: "enum('é','z') character set latin1", edges: quoted('é') },
  { type: "set('x','y','z')", edges: [...quoted('x,z', 'y'), ["''", '']] },
  {
    type: `set(${Array.from({ length: 64 }, (_, i) => `'s${i}'`).join(',')})`,
    edges: quoted('s0,s63'),
  },
]

const bytes: readonly EdgeColumn[] = [
  {
    type: 'binary(6)',
    edges: [
      ['0x610000', '610000000000'],
      ["''", '000000000000'],
    ],
  },
  {
    type: 'varbinary(6)',
    edges: [
      ['0x6100', '6100'],
      ["''", ''],
    ],
  },
  { type: 'binary(255)', edges: [['0xff', `ff${'00'.repeat(254)}`]] },
  { type: 'blob', edges: [['0x00ff00', '00ff00']] },
  { type: 'longblob', edges: [['repeat(0x00ff, 40000)', '00ff'.repeat(40_000)]] },
  {
    type: 'geometry',
    edges: [
      ["st_geomfromtext('POINT(1 2)', 0)", '000000000101000000000000000000f03f0000000000000040'],
    ],
  },
  {
    type: 'vector(3)',
    edges: [["string_to_vector('[1,2,3]')", '0000803f0000004000004040']],
    on: /mysql-9/,
  },
]

const others: readonly EdgeColumn[] = [
  {
    type: 'uuid',
    edges: quoted(
      '123e4567-e89b-12d3-a456-426655440000',
      '00000000-0000-0000-0000-000000000000',
      'ffffffff-ffff-ffff-ffff-ffffffffffff',
      '0188a2c0-7f00-7abc-8def-0123456789ab',
    ),
    on: /mariadb/,
  },
  {
    type: 'inet6',
    edges: quoted(
      '2001:db8::ff00:42:8329',
      '::',
      '::1',
      '::ffff:1.2.3.4',
      '1:2:3:4:5:6:7:8',
      'fe80::',
      '1:0:0:2::',
    ),
    on: /mariadb/,
  },
  { type: 'inet4', edges: quoted('1.2.3.4', '0.0.0.0', '255.255.255.0'), on: /mariadb/ },
  { type: 'varchar(400) compressed', edges: quoted('ü'.repeat(90), '', 'a'), on: /mariadb/ },
  {
    type: 'text character set latin1 compressed',
    edges: quoted('é'.repeat(900), 'é'),
    on: /mariadb/,
  },
  { type: 'json', edges: quoted('{"a":  [1]}'), on: /mariadb/ },
]

export const isBytes = (type: string): boolean => /binary|blob|geometry|vector/.test(type)

/** A table `t` whose rows hold the edges of each column; returns their number. */
export async function fill(db: MysqlDatabase, columns: readonly EdgeColumn[]): Promise<number> {
  const declarations = columns.map(({ type }, i) => `c${i} ${type}`).join(', ')
  await db.query(`set sql_mode = 'NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'`)
  await db.query(`create table t (${declarations}) character set utf8mb4`)
  const rows = Math.max(...columns.map(({ edges }) => edges.length))
  for (let row = 0; row < rows; row++) {
    const values = columns.map(({ edges }) => edges[row]?.[0] ?? 'null')
    await db.query(`insert into t values (${values.join(', ')})`)
  }
  return rows
}

/** Types and the edges of their values. */
export const edges = { numbers, moments, texts, bytes, others }
