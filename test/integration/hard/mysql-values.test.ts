import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cell, type Tuple, textsOf, unframe } from '../../../src/model/tuple.ts'
import { Random } from '../../../testkit/oracle/random.ts'
import { isMariadb, mysql, mysqlServers } from '../../../testkit/servers/index.ts'
import { never } from '../../contract/reading.ts'
import { refused, type Stand, stand } from './mysql.ts'

type Cells = readonly (string | null)[]

/** Rows as texts, bytes in hexadecimal, in order. */
function shown({ tables }: Stand, rows: readonly Tuple[]): readonly Cells[] {
  const kinds = tables[0]?.columns.map(({ type }) => type.kind) ?? []
  const cells = rows.map((row) => {
    return textsOf(row).map((text, i) =>
      text != null && kinds[i] === 'bytes' ? cell(row, i).bytes.toString('hex') : (text ?? null),
    )
  })
  return cells.toSorted(([a], [b]) => Number(a) - Number(b))
}

async function streamed(at: Stand): Promise<readonly Tuple[]> {
  return (await at.read()).flatMap(({ changes }) =>
    [...changes].flatMap((change) => ('row' in change && change.row !== null ? [change.row] : [])),
  )
}

async function copied({ source, tables }: Stand): Promise<readonly Tuple[]> {
  await using snapshot = await source.snapshot({ keep: true }, never)
  const rows: Tuple[] = []
  for (const table of tables) {
    for (const chunk of await snapshot.chunks(table, 8192)) {
      for await (const piece of snapshot.read(chunk, 'values', never)) {
        for (const tuple of unframe(piece)) rows.push(Buffer.from(tuple))
      }
    }
  }
  return rows
}

/** Both ways show every row alike, and as these texts. */
async function assertBoth(at: Stand, wanted: readonly Cells[]): Promise<void> {
  const sorted = wanted.toSorted(([a], [b]) => Number(a) - Number(b))
  assert.deepEqual(shown(at, await streamed(at)), sorted)
  assert.deepEqual(shown(at, await copied(at)), sorted)
}

/** What the server prints for these expressions, one row for each of the table. */
async function printed({ db }: Stand, columns: string): Promise<readonly Cells[]> {
  const session = await db.session()
  await session.query(`set time_zone = '+00:00'`)
  return (await session.query(`select id, ${columns} from t`)).map((row) => Object.values(row))
}

for (const kind of mysqlServers) {
  const mariadb = isMariadb(kind)

  test(`M36 keys beyond 2^63 are exact, and cut into chunks without a gap, on ${kind}`, async (t) => {
    const at = await stand(
      t,
      kind,
      'create table t (id bigint unsigned primary key, v varchar(200))',
    )
    const top = 2n ** 64n - 1n
    const near = [0n, 1n, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 63n + 1n, top]
    const many = Array.from({ length: 900 }, (_, i) => (top / 1000n) * BigInt(i + 1))
    const ids = [...near, ...many].map(String)
    await at.db.query(`insert into t values ${ids.map((id) => `(${id}, '${'v'.repeat(100)}')`)}`)
    await at.db.query('analyze table t')
    const byText = (rows: readonly Cells[]): readonly unknown[] =>
      rows.map(([id]) => id ?? '').toSorted()
    assert.deepEqual(byText(shown(at, await streamed(at))), ids.toSorted())
    assert.deepEqual(byText(shown(at, await copied(at))), ids.toSorted())
    await using snapshot = await at.source.snapshot({ keep: true }, never)
    const [table] = at.tables
    assert.ok(table !== undefined && (await snapshot.chunks(table, 8192)).length > 2)
    await at.db.query(`delete from t where id = ${top}`)
    const [last] = (await at.told()).slice(-1)
    assert.deepEqual(last?.[0]?.slice(0, 3), ['delete', 't', null])
    assert.deepEqual(last?.[0]?.[3], [String(top), 'v'.repeat(100)])
  })

  test(`M37 decimals of every size keep each digit, on ${kind}`, async (t) => {
    const sizes = [
      [65, 30],
      [65, 0],
      [30, 30],
      [10, 2],
      [19, 9],
      [1, 0],
    ] as const
    const columns = sizes.map(([p, s], i) => `c${i} decimal(${p},${s})`)
    const at = await stand(t, kind, `create table t (id int primary key, ${columns})`)
    const random = new Random(37)
    const digits = (count: number): string =>
      Array.from({ length: count }, () => random.below(10)).join('')
    const row = (id: number): string => {
      const cells = sizes.map(([p, s]) => {
        const whole = digits(random.below(p - s + 1))
        const part = digits(random.below(s + 1))
        return `${random.below(2) === 0 ? '-' : ''}${whole === '' ? '0' : whole}.${part}0`
      })
      return `(${id}, ${cells.map((one) => one.replace(/\.0$/, '')).join(', ')})`
    }
    const edge = (sign: string): string =>
      sizes
        .map(([p, s]) => `${sign}${'9'.repeat(p - s) || '0'}${s > 0 ? `.${'9'.repeat(s)}` : ''}`)
        .join(', ')
    await at.db.query(
      `insert into t values (0, ${edge('')}), (1, ${edge('-')}), (2, 0, 0, 0, 0, 0, 0), (3, null, null, null, null, null, null)`,
    )
    const session = await at.db.session()
    await session.query(`set sql_mode = ''`)
    await session.query(`insert into t values ${Array.from({ length: 300 }, (_, i) => row(i + 4))}`)
    await assertBoth(at, await printed(at, sizes.map((_, i) => `c${i}`).join(', ')))
  })

  test(`M38 bits of every width are as many bits, on ${kind}`, async (t) => {
    const widths = Array.from({ length: 64 }, (_, i) => i + 1)
    const columns = widths.map((n) => `c${n} bit(${n})`)
    const at = await stand(t, kind, `create table t (id int primary key, ${columns}, d bit)`)
    const row = (id: number, bit: (n: number, i: number) => string): string => {
      const bits = (n: number): string =>
        `b'${Array.from({ length: n }, (_, i) => bit(n, i)).join('')}'`
      return `(${id}, ${widths.map(bits)}, ${bits(1)})`
    }
    const random = new Random(38)
    const rows = [
      row(0, () => '0'),
      row(1, () => '1'),
      row(2, (_, i) => String(i % 2)),
      row(3, (n, i) => (i === n - 1 ? '1' : '0')),
      row(4, () => String(random.below(2))),
    ]
    await at.db.query(`insert into t values ${rows}`)
    const printing = [...widths.map((n) => `lpad(bin(c${n} + 0), ${n}, '0')`), 'bin(d + 0)']
    await assertBoth(
      at,
      await printed(at, printing.map((expression, i) => `${expression} as x${i}`).join(', ')),
    )
  })

  test(`M40 a date that is none is refused in the copy as it is in the stream, on ${kind}`, async (t) => {
    const at = await stand(t, kind, 'create table t (id int primary key, d date, e datetime)')
    await at.db.query(`set sql_mode = ''; insert into t values (1, '0000-00-00', '2024-01-01')`)
    await refused(streamed(at), 'HF-D411', /t\.d holds a date that is none/)
    await refused(copied(at), 'HF-D411', /t\.d holds a date that is none/)
  })

  test(`M41 an instant is the same in copy and stream, whatever the clock of the server, on ${kind}`, async (t) => {
    if (kind === 'given') return
    await using server = await mysql(kind, { settings: { 'default-time-zone': '+09:00' } })
    const at = await stand(
      t,
      server,
      'create table t (id int primary key, s timestamp(6) null, d datetime(6), z timestamp null)',
    )
    await at.db.query(`set time_zone = '+09:00'; insert into t values
      (1, '2024-06-30 23:59:59.999999', '2024-06-30 23:59:59.999999', '1970-01-01 09:00:01'),
      (2, '2038-01-19 12:14:07.5', '9999-12-31 23:59:59.999999', null)`)
    const session = await at.db.session()
    await session.query(`set time_zone = '-11:00'`)
    await session.query(`insert into t values (3, '2024-01-01 00:00:00', '2024-01-01', null)`)
    await assertBoth(at, [
      [
        '1',
        '2024-06-30 14:59:59.999999+00',
        '2024-06-30 23:59:59.999999',
        '1970-01-01 00:00:01+00',
      ],
      ['2', '2038-01-19 03:14:07.5+00', '9999-12-31 23:59:59.999999', null],
      ['3', '2024-01-01 11:00:00+00', '2024-01-01 00:00:00', null],
    ])
  })

  test(`M42 lengths of time of either sign and of every precision, on ${kind}`, async (t) => {
    const precisions = [0, 1, 2, 3, 4, 5, 6]
    const columns = precisions.map((p) => `c${p} time(${p})`)
    const at = await stand(t, kind, `create table t (id int primary key, ${columns})`)
    const values = [
      '838:59:59',
      '-838:59:59',
      '00:00:00',
      '-00:00:00.999999',
      '-00:00:01.000001',
      '100:00:00.5',
      '-12:34:56.123456',
    ]
    const row = (value: string, i: number): string =>
      `(${i}, ${precisions.map(() => `'${value}'`)})`
    await at.db.query(`insert into t values ${values.map(row)}`)
    const rows = await printed(at, precisions.map((p) => `c${p}`).join(', '))
    // Zeros at the end of a fraction say nothing.
    const short = rows.map(([id = null, ...cells]) => [
      id,
      ...cells.map((text) => text?.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '') ?? null),
    ])
    await assertBoth(at, short)
  })

  test(`M43 texts of many character sets in one table are the characters that they are, on ${kind}`, async (t) => {
    const at = await stand(
      t,
      kind,
      `create table t (id int primary key, a varchar(40), b varchar(40) character set latin1,
         c text character set gbk, d varchar(40) character set utf8 collate utf8_bin,
         e char(20) character set utf8mb4 collate utf8mb4_bin, f varchar(40) character set utf16,
         g varchar(40) character set ucs2, h varchar(40) character set cp1251,
         i varchar(40) character set sjis, j enum('ä','ö') character set latin1,
         k set('é','ü') character set utf8mb4) default charset latin2`,
    )
    await at.db.query(`insert into t values
      (1, 'Łódź', 'Ünï €', '中文', 'ﬁ猫', '🐈 end  ', '🐈x', 'Ωmega', 'Привет', 'カタカナ', 'ö', 'é,ü'),
      (2, '', '', '', '', '', '', '', '', '', 'ä', '')`)
    await assertBoth(at, await printed(at, 'a, b, c, d, e, f, g, h, i, j, k'))
  })

  test(`M44 bytes keep the zeros that they end in, on ${kind}`, async (t) => {
    const at = await stand(
      t,
      kind,
      'create table t (id int primary key, a binary(6), b varbinary(6), c blob, d binary(1), e longblob)',
    )
    await at.db.query(`insert into t values
      (1, x'616200', x'616200', x'616200', x'00', x'00'), (2, '', '', '', '', ''),
      (3, x'000000000000', x'0000', x'0000000000', x'20', x'ff00ff'), (4, x'2020', x'20', x'20', null, null)`)
    const hex = ['a', 'b', 'c', 'd', 'e'].map((name) => `lower(hex(${name})) as ${name}`)
    await assertBoth(at, await printed(at, hex.join(', ')))
  })

  test(`M45 a document has the same text in copy and stream, on ${kind}`, async (t) => {
    if (kind === 'mysql-5.6') return
    const at = await stand(t, kind, 'create table t (id int primary key, j json)')
    const random = new Random(45)
    const leaves = [
      'null',
      'true',
      '0',
      '-1',
      '18446744073709551615',
      '-9223372036854775808',
      '1e300',
    ]
    const texts = [
      '""',
      '"a\\\\"b"',
      '"\\\\u0000"',
      '"🐈"',
      `"${'x'.repeat(300)}"`,
      '0.1',
      '-0.0',
      '2.50',
    ]
    const some = (depth: number): string => {
      const pick = random.below(depth > 3 ? 2 : 4)
      const count = random.below(5)
      if (pick === 2) return `[${Array.from({ length: count }, () => some(depth + 1))}]`
      if (pick === 3)
        return `{${Array.from({ length: count }, (_, i) => `"k${i}":${some(depth + 1)}`)}}`
      const of = pick === 0 ? leaves : texts
      return of[random.below(of.length)] ?? 'null'
    }
    const rows = Array.from({ length: 150 }, (_, i) => `(${i}, '${some(0)}')`)
    await at.db.query(`insert into t values ${rows}`)
    await at.db.query(
      `insert into t values (1000, null), (1001, 'null'), (1002, '[]'), (1003, '{}')`,
    )
    if (!mariadb) {
      await at.db.query(`insert into t values
        (2000, json_object('d', cast('2024-02-29' as date), 't', cast('12:00:01.5' as time(6)))),
        (2001, json_array(cast(1.10 as decimal(9,2)), cast('x' as binary), 1e0, now(6))),
        (2002, cast(cast(-12345678901234567890.123 as decimal(30,3)) as json))`)
    }
    await assertBoth(at, await printed(at, 'j'))
  })
}
