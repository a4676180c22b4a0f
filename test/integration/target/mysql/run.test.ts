import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Child, holdfast } from '../../../../testkit/child.ts'
import {
  database,
  type MysqlDatabase,
  mysqlDatabase,
  type TestDatabase,
} from '../../../../testkit/servers/index.ts'

const kinds = ['mariadb-10.11', 'mysql-9'] as const

interface Stage {
  readonly source: TestDatabase
  readonly target: MysqlDatabase
  readonly ends: readonly string[]
  start(...words: string[]): Child
}

async function stage(t: TestContext, kind: (typeof kinds)[number]): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-run-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const source = await database(t, 18)
  const target = await mysqlDatabase(t, kind)
  const scheme = kind.startsWith('maria') ? 'mariadb' : 'mysql'
  const ends = ['--source', source.url, '--target', target.url.replace('mysql:', `${scheme}:`)]
  const start = (...words: string[]): Child => holdfast(words, { cwd: directory })
  return { source, target, ends, start }
}

async function succeeds(child: Child): Promise<void> {
  assert.equal((await child.end()).code, 0, child.lines.join('\n'))
}

/** Columns of PostgreSQL, values of theirs, and what the target is to print of each. */
const values: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  boolean: [
    ['true', '1'],
    ['false', '0'],
  ],
  smallint: [['-32768', '-32768']],
  integer: [['2147483647', '2147483647']],
  bigint: [
    ['-9223372036854775808', '-9223372036854775808'],
    ['9223372036854775807', '9223372036854775807'],
  ],
  'numeric(65,30)': [
    [`'-${'9'.repeat(35)}.${'1'.repeat(30)}'`, `-${'9'.repeat(35)}.${'1'.repeat(30)}`],
    ['0', `0.${'0'.repeat(30)}`],
  ],
  numeric: [
    ['1.50', '1.50'],
    [`'NaN'`, 'NaN'],
    [`'-Infinity'`, '-Infinity'],
    [`1e-40`, `0.${'0'.repeat(39)}1`],
  ],
  'double precision': [
    ['0.1', '0.1'],
    [`'-0'`, '-0'],
    ['5e-324', '5e-324'],
    ['1.7976931348623157e308', '1.7976931348623157e308'],
  ],
  text: [
    [`''`, ''],
    [`'it''s \\ "quoted" \` %'`, `it's \\ "quoted" \` %`],
    [`E'line\\nbreak\\ttab\\x01'`, 'line\nbreak\ttab\x01'],
    [`'żółw 🐢 '`, 'żółw 🐢 '],
  ],
  'varchar(20)': [[`'x  '`, 'x  ']],
  uuid: [[`'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'`, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']],
  json: [[`'{"b" : 1, "a":1.0, "a":2}'`, '{"b" : 1, "a":1.0, "a":2}']],
  jsonb: [[`'{"b":1,"a":1.00}'`, '{"a": 1.00, "b": 1}']],
  date: [
    [`'0001-01-01'`, '0001-01-01'],
    [`'9999-12-31'`, '9999-12-31'],
  ],
  time: [
    [`'24:00'`, '24:00:00.000000'],
    [`'01:02:03.5'`, '01:02:03.500000'],
  ],
  'timestamp(3)': [[`'2024-02-29 23:59:59.999'`, '2024-02-29 23:59:59.999']],
  timestamptz: [[`'1901-01-01 00:00:00.000001+00'`, '1901-01-01 00:00:00.000001']],
  interval: [[`'1 year -3 days 04:05:06.7'`, '1 year -3 days +04:05:06.7']],
  'bit varying': [[`B'0101'`, '0101']],
  'integer[]': [[`'[0:1]={1,NULL}'`, '[0:1]={1,NULL}']],
  'text[]': [[`array['a"b', null, '']`, `{"a\\"b",NULL,""}`]],
  inet: [[`'10.0.0.1/8'`, '10.0.0.1/8']],
  int4range: [[`'[1,5)'`, '[1,5)']],
}

/** A column for each type, a row for the first value of each, and so on. */
function rows(of: 0 | 1): string[][] {
  const all = Object.values(values)
  const most = Math.max(...all.map((list) => list.length))
  return Array.from({ length: most }, (_, i) => all.map((list) => list[i]?.[of] ?? 'null'))
}

async function fill(source: TestDatabase, from: number, zero: string): Promise<void> {
  for (const [i, row] of rows(0).entries()) {
    const cells = row.join(', ').replace(`'-0'`, `'${zero}'`)
    await source.query(`insert into every values (${from + i}, ${cells})`)
  }
}

for (const kind of kinds) {
  test(`every type of PostgreSQL, copied and streamed, is held exactly by ${kind}`, async (t) => {
    const { source, target, ends, start } = await stage(t, kind)
    const columns = Object.keys(values).map((type, i) => `c${i} ${type}`)
    await source.query(`create table every (id int primary key, ${columns.join(', ')})`)
    await source.query(`create table small (x real, b bytea, bits bit(11), primary key (b))`)
    // MariaDB has no zero with a sign.
    const zero = kind === 'mysql-9' ? '-0' : '0'
    await fill(source, 0, zero)
    await source.query(`insert into small values (0.1, '\\x00ff27', B'00000000001'),
      ('${zero}', '\\x', B'11111111111'), (3.4028235e38, '\\x27', B'10000000000')`)
    await using first = start('run', '--name', 'types', ...ends, '--until', 'caught-up')
    await succeeds(first)
    await fill(source, 100, zero)
    await source.query(`update small set x = 1.17549435e-38, bits = B'01010101010' where b = '\\x'`)
    await using again = start('run', '--name', 'types', ...ends, '--until', 'caught-up')
    await succeeds(again)
    const count = rows(0).length
    const stored = await target.query('select * from every order by id')
    const wanted = rows(1).map((row) =>
      row.map((cell) => (cell === 'null' ? null : cell === '-0' ? zero : cell)),
    )
    assert.deepEqual(
      stored.map((row) => Object.values(row).slice(1)),
      [...wanted, ...wanted],
    )
    assert.equal(stored.length, 2 * count)
    const small = await target.query(
      `select hex(b) as b, concat(x - 0e0) as x, bin(bits) as bits from small order by 1`,
    )
    assert.deepEqual(small, [
      { b: '', x: '1.1754943508222875e-38', bits: '1010101010' },
      { b: '00FF27', x: '0.10000000149011612', bits: '1' },
      { b: '27', x: '3.4028234663852886e38', bits: '10000000000' },
    ])
    await using verified = start('verify', '--name', 'types', ...ends)
    await succeeds(verified)
    await target.query(`update every set c8 = concat(c8, ' ') where id = 100`)
    await target.query(`delete from small where b = x'27'`)
    await using found = start('verify', '--name', 'types', ...ends)
    assert.equal((await found.end()).code, 4, found.lines.join('\n'))
    const said = found.lines.join('\n')
    assert.match(said, /public\.every .*1 changed, 0 missing in the target, 0 extra/)
    assert.match(said, /public\.small .*0 changed, 1 missing in the target, 0 extra/)
  })
}
