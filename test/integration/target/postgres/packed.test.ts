import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Session } from '../../../../src/dialect/postgres/connect.ts'
import { ExchangeError, exchange } from '../../../../src/dialect/postgres/exchange.ts'
import { literal } from '../../../../src/dialect/postgres/quote.ts'
import { tupleOf } from '../../../../src/model/tuple.ts'
import { Tuples } from '../../../../src/model/tuples.ts'
import { packsOf } from '../../../../src/target/postgres/apply/pack/pack.ts'
import { copyRows } from '../../../../src/target/postgres/apply/stage.ts'
import { database } from '../../../../testkit/servers/index.ts'
import { openSession } from './support.ts'

/** Canonical texts of each type: what is packed, and what must find its way as text. */
const values: Readonly<Record<string, readonly string[]>> = {
  bool: ['t', 'f'],
  int2: ['0', '-1', '32767', '-32768', '000000000000000000000007'],
  int4: ['0', '12', '2147483647', '-2147483648'],
  int8: ['0', '-5', '999999999999999', '9223372036854775807', '-9223372036854775808'],
  text: ['', 'a\tb\\c\nd', 'grüße 🐘', 'x'.repeat(5000)],
  'varchar(20)': ['', 'übermäßig'],
  'char(4)': ['a', 'abcd'],
  json: ['{"a": [1, 2.50, "\\u00e4"], "a": null}', ' 1 '],
  jsonb: ['{"b": 1, "a": [1e5]}', '"x"'],
  uuid: ['00112233-4455-6677-8899-aabbccddeeff', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'],
  float8: ['0', '-0', '1.5', '1e-320', '1.7976931348623157e+308', 'NaN', '-Infinity', '0.1'],
  float4: ['0', '-0', '0.1', '16777217', '1e-40', '3.4028235e+38', 'Infinity', '8388608.5'],
  date: ['2000-01-01', '1999-12-31', '0001-01-01', '9999-12-31', '2024-02-29', '1900-02-28'],
  time: ['00:00:00', '23:59:59.999999', '12:30:00.5', '24:00:00'],
  timestamp: [
    '2000-01-01 00:00:00',
    '1999-12-31 23:59:59.999999',
    '0001-01-01 00:00:00.000001',
    '9999-12-31 23:59:59.999999',
    '2026-01-02 03:04:05.678',
    '0044-03-15 12:00:00 BC',
    'infinity',
    '10000-01-01 00:00:00',
  ],
  timestamptz: ['2000-01-01 00:00:00+00', '2026-07-08 09:10:11.121314+00', '-infinity'],
  'timestamp(3)': ['2026-01-02 03:04:05.678901'],
  numeric: [
    '0',
    '-0',
    '0.00',
    '1',
    '-12345.678',
    '10000',
    '100000000',
    '0.0001',
    '0.00001',
    '-0.000000000000000000000000000001',
    '99999999999999999999999999999999999.999999999999999999999999999999',
    'NaN',
    '9'.repeat(600),
    '120000.0012',
  ],
  'numeric(12,2)': ['1234567890.12', '0.005', '-7'],
}

for (const major of [14, 18] as const) {
  test(`packed values are those that the server reads from their texts, ${major}`, async (t) => {
    const db = await database(t, major)
    const session = await openSession(t, db)
    for (const [type, texts] of Object.entries(values)) {
      await session.query(`drop table if exists a, b;
        create table a (n int primary key, v ${type}); create table b (like a)`)
      const list = texts.map((text, n) => `(${n}, ${literal(text)})`).join(', ')
      await session.query(`insert into a values ${list}, (${texts.length}, null)`)
      await packed(session, [...texts, null])
      assert.deepEqual(await rowsOf(session, 'b'), await rowsOf(session, 'a'), type)
    }
  })
}

/** Made by the server itself, which prints a date and a time as the canonical forms have them. */
const made: Readonly<Record<string, string>> = {
  int8: '((random() - 0.5) * 10 ^ (random() * 19))::int8',
  float8: '((random() - 0.5) * 10 ^ ((random() - 0.5) * 600))::float8',
  float4: '((random() - 0.5) * 10 ^ ((random() - 0.5) * 70))::float4',
  numeric: `round((random()::numeric - 0.5) * 10::numeric ^ (random() * 40)::int
    + random()::numeric, (random() * 30)::int)`,
  date: `date '0001-01-01' + (random() * 3652058)::int`,
  timestamp: `timestamp '0001-01-01' + random() * 3652058 * interval '1 day'`,
  time: `time '00:00' + random() * interval '1 day'`,
}

test('packed values of every size are those of their texts', async (t) => {
  const session = await openSession(t, await database(t, 17))
  for (const [type, value] of Object.entries(made)) {
    await session.query(`drop table if exists a, b; create table a (n int, v ${type});
      create table b (like a);
      insert into a select n, ${value} from generate_series(0, 999) n`)
    const rows = await session.query('select v::text as text from a order by n')
    await packed(
      session,
      rows.map(({ text }) => String(text)),
    )
    assert.deepEqual(await rowsOf(session, 'b'), await rowsOf(session, 'a'), type)
  }
})

test('what the server refuses as text it refuses, whatever else could be packed', async (t) => {
  const session = await openSession(t, await database(t, 17))
  const refused = {
    int2: '40000',
    int8: '9223372036854775808',
    date: '2023-02-29',
    numeric: '1..2',
    bool: 'x',
    uuid: '0',
    timestamp: '2026-01-01 25:00:00',
    'varchar(2)': 'abc',
    text: 'a\0',
    float4: '1e40',
  }
  for (const [type, text] of Object.entries(refused)) {
    await session.query(`drop table if exists b; create table b (n int, v ${type})`)
    await assert.rejects(packed(session, [null, text]), ExchangeError, type)
    assert.deepEqual(await rowsOf(session, 'b'), [])
  }
})

async function packed(session: Session, cells: readonly (string | null)[]): Promise<void> {
  const columns = await session.query(`select atttypid as type from pg_attribute
    where attrelid = 'b'::regclass and attnum > 0 order by attnum`)
  const packs = packsOf(columns.map(({ type }) => ({ type: Number(type) })))
  assert.ok(packs !== null)
  const tuples = Tuples.of(cells.map((cell, n) => tupleOf([String(n), cell])))
  await exchange(session, async (pipe) => {
    const rows = { tuples, columns: null, recode: null, packs }
    const into = { name: 'b', columns: 'n, v', label: null }
    await copyRows(pipe, into, { rows, form: 'packed' })
  })
}

test('bytes travel as they are', async (t) => {
  const session = await openSession(t, await database(t, 17))
  await session.query('create table b (n int, v bytea)')
  await packed(session, ['', '\0\t\\ü'])
  const rows = await session.query(`select encode(v, 'hex') as v from b order by n`)
  assert.deepEqual(
    rows.map(({ v }) => v),
    ['', '00095cc3bc'],
  )
})

async function rowsOf(session: Session, table: string): Promise<readonly unknown[]> {
  return await session.query(`select n, v::text as text from ${table} order by n`)
}
