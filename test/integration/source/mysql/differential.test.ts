import assert from 'node:assert/strict'
import { test } from 'node:test'
import ZongJi from '@vlasky/zongji'
import fc from 'fast-check'
import { type LoggedChange, logEnd, logged } from '../../../../testkit/binlog.ts'
import { type MysqlServer, mysqlDatabase, mysqlServers } from '../../../../testkit/servers/index.ts'

interface Column {
  readonly type: string
  /** A literal in SQL. */
  readonly value: fc.Arbitrary<string>
  /** How the other reader's value compares with the text of our cell. */
  readonly as?: 'number' | 'single' | 'json'
  readonly on?: RegExp
}

const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`
const big = (bits: bigint): fc.Arbitrary<string> =>
  fc.bigInt({ min: -(1n << (bits - 1n)), max: (1n << (bits - 1n)) - 1n }).map(String)
const unsigned = (bits: bigint): fc.Arbitrary<string> =>
  fc.bigInt({ min: 0n, max: (1n << bits) - 1n }).map(String)
const digits = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n })
const clock = fc.date({
  min: new Date('1000-01-01T00:00:00Z'),
  max: new Date('9999-12-31T00:00:00Z'),
  noInvalidDate: true,
})
const iso = clock.map((at) => at.toISOString().replace('T', ' ').replace('Z', ''))
const latin = fc.string({ unit: fc.constantFrom(...'abcé€üÿ¥ \\\'"'), maxLength: 40 })
const unicode = fc.string({ unit: 'grapheme', maxLength: 60 })
const hex = fc
  .uint8Array({ maxLength: 40 })
  .map((bytes) => `x'${Buffer.from(bytes).toString('hex')}'`)

// No comma in a label: the other reader cuts there where the log does not name the labels.
const columns: readonly Column[] = [
  { type: 'tinyint', value: big(8n) },
  { type: 'smallint unsigned', value: unsigned(16n) },
  { type: 'mediumint', value: big(24n) },
  { type: 'int unsigned', value: unsigned(32n) },
  { type: 'bigint', value: big(64n) },
  { type: 'bigint unsigned', value: unsigned(64n) },
  { type: 'decimal(40,9)', value: digits.map((n) => `${n}.${(n < 0n ? -n : n) % 10n ** 9n}`) },
  {
    type: 'double',
    value: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    as: 'number',
  },
  {
    type: 'float',
    value: fc.integer({ min: -(1 << 23), max: 1 << 23 }).map((n) => String(n / 64)),
    as: 'single',
  },
  { type: 'year', value: fc.integer({ min: 1901, max: 2155 }).map(String) },
  { type: 'date', value: iso.map((text) => quote(text.slice(0, 10))) },
  { type: 'datetime', value: iso.map((text) => quote(text.slice(0, 19))) },
  { type: 'varchar(200)', value: unicode.map(quote) },
  { type: 'varchar(200) character set latin1', value: latin.map(quote) },
  { type: 'mediumtext', value: unicode.map(quote) },
  {
    type: `enum('one','two three','drei')`,
    value: fc.constantFrom(`'one'`, `'two three'`, `'drei'`),
  },
  { type: 'varbinary(60)', value: hex },
  { type: 'blob', value: hex },
  {
    type: 'json',
    value: fc.jsonValue({ noUnicodeString: false }).map((v) => quote(JSON.stringify({ v }))),
    as: 'json',
    on: /mysql-9/,
  },
]

const seeds = { numRuns: 40, seed: 20 } as const

/** The same changes as another reader sees them, each with its cells by name. */
async function otherReader(
  server: MysqlServer,
  schema: string,
  from: { readonly file: string; readonly position: number },
): Promise<{ kind: string; before: unknown; after: unknown }[]> {
  const reader = new ZongJi({
    host: server.host,
    port: server.port,
    user: 'root',
    dateStrings: true,
  })
  const found: { kind: string; before: unknown; after: unknown }[] = []
  const done = Promise.withResolvers<void>()
  reader.on('error', (error: Error) => done.reject(error))
  reader.on('binlog', (event) => {
    const kind = event.getEventName()
    if (!('rows' in event)) return
    const map = event.tableMap[event.tableId]
    if (map?.tableName === 'marker') return done.resolve()
    if (map?.parentSchema !== schema) return
    for (const row of event.rows as readonly Record<string, unknown>[]) {
      if (kind === 'updaterows')
        found.push({ kind: 'update', before: row['before'], after: row['after'] })
      else if (kind === 'writerows') found.push({ kind: 'insert', before: null, after: row })
      else found.push({ kind: 'delete', before: row, after: null })
    }
  })
  reader.start({
    serverId: 4_000_000 + process.pid,
    filename: from.file,
    position: from.position,
    includeEvents: ['tablemap', 'writerows', 'updaterows', 'deleterows', 'rotate'],
  })
  await done.promise
  reader.stop()
  return found
}

function same(
  kind: string,
  mine: readonly Column[],
  change: LoggedChange,
  side: 'before' | 'after',
) {
  const cells = change[side]
  if (cells === null) return null
  return Object.fromEntries([
    ['id', cells[0]],
    ...mine.map((column, i): [string, unknown] => {
      const text = cells[i + 1]
      if (text == null) return [`c${i}`, text]
      if (column.as === 'number') return [`c${i}`, Number(text)]
      if (column.as === 'single') return [`c${i}`, Math.fround(Number(text))]
      if (column.as === 'json') return [`c${i}`, JSON.parse(text)]
      return [`c${i}`, text]
    }),
    ['kind', kind],
  ])
}

function theirs(kind: string, mine: readonly Column[], row: unknown) {
  if (row === null) return null
  const cells = row as Readonly<Record<string, unknown>>
  return Object.fromEntries([
    ['id', String(cells['id'])],
    ...mine.map((column, i): [string, unknown] => {
      const value = cells[`c${i}`]
      if (value === null) return [`c${i}`, null]
      if (column.as === 'number' || column.as === 'single') return [`c${i}`, Number(value)]
      if (column.as === 'json')
        return [`c${i}`, typeof value === 'string' ? JSON.parse(value) : value]
      return [`c${i}`, Buffer.isBuffer(value) ? value.toString('utf8') : String(value)]
    }),
    ['kind', kind],
  ])
}

for (const kind of mysqlServers) {
  test(`another reader of the log of ${kind} finds the same rows in the same order`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    const mine = columns.filter(({ on }) => on === undefined || on.test(kind))
    await db.query(`set sql_mode = 'NO_BACKSLASH_ESCAPES'`)
    const declared = mine.map(({ type }, i) => `c${i} ${type}`).join(', ')
    await db.query(`create table r (id int primary key, ${declared}) character set utf8mb4`)
    await db.query('create table marker (id int)')
    const rows = fc.sample(
      fc.tuple(...mine.map(({ value }) => fc.option(value, { nil: 'null', freq: 8 }))),
      seeds,
    )
    const from = await logEnd(db.server)
    const { changes } = await logged(db.server, async () => {
      await db.query('begin')
      for (const [id, values] of rows.entries()) {
        await db.query(`insert into r values (${[id, ...values].join(', ')})`)
      }
      await db.query('commit')
      await db.query('update r set c0 = 1, c5 = c5 div 2, c14 = repeat(c14, 3) where id % 3 = 0')
      await db.query('delete from r where id % 2 = 0')
      await db.query('insert into marker values (1)')
    })
    const own = changes.filter(({ schema, table }) => schema === db.name && table === 'r')
    const other = await otherReader(db.server, db.name, from)
    assert.ok(own.length > seeds.numRuns + 20)
    assert.equal(own.length, other.length)
    for (const [index, change] of own.entries()) {
      const that = other[index]
      for (const side of ['before', 'after'] as const) {
        assert.deepEqual(
          same(change.kind, mine, change, side),
          theirs(that?.kind ?? '', mine, that?.[side] ?? null),
          `change ${index}`,
        )
      }
    }
  })
}
