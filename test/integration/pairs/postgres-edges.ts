import type { TestDatabase } from '../../../testkit/servers/index.ts'

/** Columns of PostgreSQL, values of theirs, and what the target is to print of each. */
export const values: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
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
export function rows(of: 0 | 1): string[][] {
  const all = Object.values(values)
  const most = Math.max(...all.map((list) => list.length))
  return Array.from({ length: most }, (_, i) => all.map((list) => list[i]?.[of] ?? 'null'))
}

/** A row for each value, from this id on; `zero` is the least that the target tells from 0. */
export async function fill(source: TestDatabase, from: number, zero: string): Promise<void> {
  for (const [i, row] of rows(0).entries()) {
    const cells = row.join(', ').replace(`'-0'`, `'${zero}'`)
    await source.query(`insert into every values (${from + i}, ${cells})`)
  }
}
