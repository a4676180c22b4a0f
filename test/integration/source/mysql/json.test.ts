import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { logged } from '../../../../testkit/binlog.ts'
import { mysqlDatabase } from '../../../../testkit/servers/index.ts'

const edges = [
  'null',
  '{}',
  '[]',
  '""',
  '[1, 0, -1, 32767, 32768, 65535, 65536, -32768, -32769, 2147483647, 2147483648, 4294967295]',
  '[4294967296, -2147483649, 18446744073709551615, -9223372036854775808, 9223372036854775808]',
  '[1e14, 1e15, 1e16, 1e-14, 1e-15, 1e-16, 1.5e300, 5e-324, -0.0, 0.0, 100.0, 0.1, 1234567890123456.7]',
  '[12345678901234567.8, 1.7976931348623157e308, 123456789.125, 3.14e-10, 1e22, 2.5e25]',
  '{"": {"": []}, "b": 1, "aa": 2, "ab": 3, "é": 4, "😀": 5, "\\u0000": 6}',
  '"\\u0001\\b\\f\\n\\r\\t\\"\\\\/\\u007f\\u0080é😀"',
  `{"${'k'.repeat(300)}": "${'v'.repeat(70_000)}", "n": [${Array.from({ length: 30_000 }, (_, i) => i * 3).join(',')}]}`,
]

const opaque = [
  `json_object('d', cast('2024-01-02' as date), 't', cast('-12:34:56.789' as time(6)))`,
  `json_array(cast('9999-12-31 23:59:59.999999' as datetime(6)), timestamp'2024-01-02 03:04:05')`,
  `json_array(cast(-12345.678900 as decimal(20,6)), cast(0.5 as decimal(5,2)), cast(1 as decimal(65,0)))`,
  `json_array(cast('abc' as binary), b'1010', cast(1.5 as float), year('2024-01-01'), time'838:59:59')`,
]

const documents = fc.jsonValue({ maxDepth: 5, stringUnit: 'grapheme' })

test('M45 a document of the log has the text that the server prints', async (t) => {
  const db = await mysqlDatabase(t, 'mysql-9')
  await db.query('create table j (id int auto_increment primary key, j json)')
  const random = fc
    .sample(documents, { numRuns: 200, seed: 7 })
    .map((value) => JSON.stringify(value))
  const doubles = fc.sample(fc.double({ noNaN: true, noDefaultInfinity: true }), {
    numRuns: 300,
    seed: 7,
  })
  const texts = [...edges, ...random, JSON.stringify(doubles)]
  const { changes } = await logged(db.server, async () => {
    for (const text of texts) await db.query('insert into j (j) values (?)', [text])
    for (const sql of opaque) await db.query(`insert into j (j) values (${sql})`)
  })
  const printed = await db.query('select j from j order by id')
  assert.equal(printed.length, texts.length + opaque.length)
  assert.deepEqual(
    changes.map(({ after }) => after?.[1]),
    printed.map(({ j }) => j),
  )
})

const steps = [
  `json_set(j, '$.a', 'changed')`,
  `json_replace(j, '$.list[1]', json_object('x', 1, 'y', json_array(1, 2)))`,
  `json_remove(j, '$.list[0]')`,
  `json_set(j, '$."a key".deep', 1.5)`,
  `json_set(j, '$."quo\\\\"ted"', true)`,
  `json_remove(j, '$.a')`,
  `json_set(j, '$.b', 'new', '$.zz', 'longer key later', '$.c', null)`,
  `json_replace(j, '$.number', 18446744073709551615)`,
  `json_set(j, '$.list[9]', 'at the end')`,
  `json_replace(j, '$.blob', repeat('y', 900))`,
  `json_array_insert(j, '$.list[0]', 0)`,
]

test('M15 an update of a part of a document gives the whole of it', async (t) => {
  const db = await mysqlDatabase(t, 'mysql-9')
  await db.query('create table j (id int primary key, x varchar(9), k json, j json)')
  const document = JSON.stringify({
    a: 'one',
    list: [1, 2, { three: 3 }],
    'a key': { deep: 0 },
    'quo"ted': false,
    number: 1,
    blob: 'x'.repeat(1000),
  })
  await db.query('insert into j values (1, ?, ?, ?), (2, ?, null, ?)', [
    'x',
    '[1,2]',
    document,
    'y',
    document,
  ])
  const wanted: (string | null | undefined)[] = []
  const { changes, events } = await logged(db.server, async () => {
    await db.query(`set binlog_row_value_options = 'PARTIAL_JSON'`)
    for (const step of steps) {
      await db.query(`update j set j = ${step}, x = 'z' where id > 0`)
      for (const { j } of await db.query('select j from j order by id')) wanted.push(j)
    }
    await db.query(`set binlog_row_value_options = ''`)
  })
  const partial = events.filter((event) => event.kind === 'rows' && event.rows.partial)
  assert.equal(partial.length, steps.length)
  // Both documents before and only what became of them: less than all four documents.
  const short = partial.filter(
    (event) => event.kind === 'rows' && event.rows.to - event.rows.from < 3_500,
  )
  assert.ok(short.length >= steps.length - 2, `${short.length} of them hold steps`)
  assert.deepEqual(
    changes.map(({ after }) => after?.[3]),
    wanted,
  )
  assert.deepEqual(changes.at(-2)?.after?.slice(0, 3), ['1', 'z', '[1, 2]'])
  assert.deepEqual(changes.at(-1)?.after?.slice(0, 3), ['2', 'z', null])
})
