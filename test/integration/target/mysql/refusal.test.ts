import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { connect } from '../../../../src/dialect/mysql/connect.ts'
import type { Step } from '../../../../src/model/batch.ts'
import type { Table } from '../../../../src/model/table.ts'
import type { Type } from '../../../../src/model/value.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { startProxy } from '../../../../testkit/proxy.ts'
import { mysql, mysqlDatabase } from '../../../../testkit/servers/index.ts'
import { batch, orderOf, rows, table, types } from '../postgres/support.ts'
import { faultOf, kinds, stand } from './support.ts'

const things = table('things', { id: types.int, name: types.text })

function insert(into: Table, ...cells: readonly (readonly (string | null)[])[]): Step {
  return { kind: 'insert', table: into, rows: rows(...cells), existing: 'refuse' }
}

const timestamp: Type = { kind: 'timestamp', precision: 6 }
const float: Type = { kind: 'float', bits: 64 }
const decimal: Type = { kind: 'decimal', precision: 5, scale: 2 }

/** Values that no column of their own type can hold there. */
const unfit: readonly (readonly [Type, string])[] = [
  [{ kind: 'date' }, 'infinity'],
  [{ kind: 'date' }, '0044-03-15 BC'],
  [{ kind: 'date' }, '10000-01-01'],
  [timestamp, '-infinity'],
  [timestamp, '294276-12-31 23:59:59'],
  [{ kind: 'timestamptz', precision: 6 }, 'infinity'],
  [float, 'NaN'],
  [float, '-Infinity'],
  [decimal, 'NaN'],
]

for (const kind of kinds) {
  test(`${kind}: a value that the type has not is refused by table, column and key`, async (t) => {
    for (const [i, [type, value]] of unfit.entries()) {
      const one = table(`t${i}`, { id: types.int, x: type })
      await using made = await stand(t, kind, [one])
      const fault = await faultOf(
        made.target.apply(batch(1, 2, [insert(one, ['7', null], ['8', value])]), 'values'),
        value,
      )
      assert.equal(fault.code, 'HF-D411')
      assert.equal(fault.detail.table, `public.t${i}`)
      assert.deepEqual(fault.detail.evidence, { column: 'x', key: 'id' })
      assert.equal(await orderOf(made.target), 1n)
      assert.deepEqual(await made.db.query(`select * from t${i}`), [])
    }
  })

  test(`${kind}: whoever makes a column of text beforehand has every value of it`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    const one = table('ages', { id: types.int, x: { kind: 'date' } })
    await db.query('create table ages (id int primary key, x text)')
    await using made = await stand(t, db, [one])
    const cells = [...unfit.slice(0, 3).map(([, value], i) => [String(i), value])]
    await made.target.apply(batch(1, 2, [insert(one, ...cells)]), 'values')
    assert.deepEqual(
      (await db.query('select x from ages order by id')).map(({ x }) => x),
      ['infinity', '0044-03-15 BC', '10000-01-01'],
    )
  })

  test(`${kind}: what a constraint of the target refuses is named without its value`, async (t) => {
    await using made = await stand(t, kind, [things])
    const { target, db } = made
    await target.apply(batch(1, 2, [insert(things, ['1', 'secret'])]), 'values')
    const cases: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
      [
        'alter table things add unique index by_name (name(50))',
        'secret',
        { constraint: kind === 'mysql-9' ? 'things.by_name' : 'by_name' },
      ],
      [
        `alter table things drop index by_name, add constraint short check (name <> 'refuse me')`,
        'refuse me',
        { constraint: 'short' },
      ],
      ['alter table things modify name varchar(20) not null', 'x'.repeat(30), { column: 'name' }],
    ]
    for (const [sql, name, evidence] of cases) {
      await db.query(sql)
      const fault = await faultOf(
        target.apply(batch(2, 3, [insert(things, ['2', name])]), 'values'),
        name,
      )
      assert.equal(fault.code, 'HF-T205', fault.message)
      assert.equal(fault.detail.table, 'public.things')
      for (const [key, value] of Object.entries(evidence)) {
        assert.ok(fault.detail.evidence?.[key]?.endsWith(value), JSON.stringify(fault.detail))
      }
      assert.equal(fault.detail.evidence?.['key'], 'id')
      assert.equal(await orderOf(target), 2n)
    }
  })

  test(`${kind}: what a full disk or a cluster says of a write passes by itself`, async (t) => {
    await using made = await stand(t, kind, [things])
    const { target, db } = made
    const said: readonly (readonly [string, number, string, string])[] = [
      ['HY000', 1030, 'Got error 28 "No space left on device" from storage engine', 'HF-T203'],
      ['HY000', 1026, 'Error writing file (errno: 28 - No space left on device)', 'HF-T203'],
      ['HY000', 1206, 'The total number of locks exceeds the lock table size', 'HF-T217'],
      ['08S01', 1047, 'WSREP has not yet prepared node for application use', 'HF-T201'],
      ['08S01', 1047, 'Unknown command', 'HF-T216'],
      ['40000', 3101, 'Plugin instructed the server to rollback', 'HF-T217'],
      ['HY000', 1030, 'Got error 139 "Too big row" from storage engine', 'HF-T205'],
    ]
    for (const [state, number, words, code] of said) {
      await db.query(`drop trigger if exists says; create trigger says before insert on things
        for each row signal sqlstate '${state}' set mysql_errno = ${number}, message_text = '${words}'`)
      const fault = await faultOf(target.apply(batch(1, 2, [insert(things, ['1', 'a'])]), 'values'))
      assert.equal(fault.code, code, fault.message)
      assert.equal(fault.transient, code !== 'HF-T205' && code !== 'HF-T216')
    }
    await db.query('drop trigger says')
    await target.apply(batch(1, 2, [insert(things, ['1', 'a'])]), 'values')
  })

  test(`${kind}: a table, a column or a right that is taken away is waited for`, async (t) => {
    await using made = await stand(t, kind, [things])
    const { target, db } = made
    const step = insert(things, ['1', 'a'])
    await db.query('alter table things rename column name to other')
    const column = await faultOf(target.apply(batch(1, 2, [step]), 'values'))
    assert.equal(column.code, 'HF-T218')
    assert.ok(column.transient)
    await db.query('alter table things rename column other to name')
    await db.query('rename table things to gone')
    const gone = await faultOf(target.apply(batch(1, 2, [step]), 'values'))
    assert.equal(gone.code, 'HF-T218')
    await db.query('rename table gone to things')
    await target.apply(batch(1, 2, [step]), 'values')
    assert.deepEqual(await db.query('select * from things'), [{ id: '1', name: 'a' }])
  })

  test(`${kind}: a key that is equal but for case or a blank is another row`, async (t) => {
    const keyed = table('keyed', { id: types.text, n: types.int })
    const loose = table('loose', { id: types.text, x: float }, { by: 'row' })
    await using made = await stand(t, kind, [keyed, loose])
    const { target, db } = made
    const ids = ['a', 'A', 'a ', 'á', 'ａ', '']
    const cells = ids.map((id, i) => [id, String(i)])
    await target.apply(batch(1, 2, [insert(keyed, ...cells), insert(loose, ...cells)]), 'values')
    const steps: readonly Step[] = [
      { kind: 'delete', table: keyed, old: rows(['a', null]) },
      { kind: 'update', table: keyed, set: [0, 1], rows: rows(['a ', '9']), old: null },
      { kind: 'delete', table: loose, old: rows(['a ', '2'], ['A', '1']) },
    ]
    await target.apply(batch(2, 3, steps), 'values')
    const left = await db.query('select id, n from keyed order by n')
    assert.deepEqual(
      left.map(({ id, n }) => [id, n]),
      [
        ['A', '1'],
        ['á', '3'],
        ['ａ', '4'],
        ['', '5'],
        ['a ', '9'],
      ],
    )
    const others = await db.query('select id from loose order by x')
    assert.deepEqual(
      others.map(({ id }) => id),
      ['a', 'á', 'ａ', ''],
    )
  })

  test(`${kind}: rows that a foreign unique index would catch are overwritten by key alone`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    await db.query(
      'create table things (id int primary key, name varchar(20), unique by_name (name))',
    )
    await using made = await stand(t, db, [things])
    const { target } = made
    await target.apply(batch(1, 2, [insert(things, ['1', 'a'], ['2', 'b'])]), 'values')
    const over: Step = { ...insert(things, ['3', 'a']), existing: 'overwrite' } as Step
    const fault = await faultOf(target.apply(batch(2, 3, [over]), 'values'))
    assert.equal(fault.code, 'HF-T205')
    const fine: Step = { ...insert(things, ['1', 'c'], ['4', 'd']), existing: 'overwrite' } as Step
    await target.apply(batch(2, 3, [fine]), 'values')
    assert.deepEqual(await db.query('select * from things order by id'), [
      { id: '1', name: 'c' },
      { id: '2', name: 'b' },
      { id: '4', name: 'd' },
    ])
  })

  test(`${kind}: a row larger than a packet is sent in several, or named with what to set`, async (t) => {
    await using server = await mysql(kind, { settings: { 'max-allowed-packet': '48M' } })
    const wide = table('wide', { id: types.int, name: types.text, b: types.bytes })
    await using made = await stand(t, server, [wide])
    const { target, db } = made
    const text = `it's ${'ż'.repeat(9 << 20)}`
    const whole: Step = {
      kind: 'insert',
      table: wide,
      rows: rows(['1', text, Buffer.alloc(4 << 20, 0x27)]),
      existing: 'refuse',
    }
    await target.apply(batch(1, 2, [whole]), 'values')
    assert.deepEqual(
      await db.query(
        `select length(name) as n, crc32(name) = crc32(?) as same, length(b) as b,
           b = repeat(x'27', 4 << 20) as bytes from wide`,
        [text],
      ),
      [{ n: String(Buffer.byteLength(text)), same: '1', b: String(4 << 20), bytes: '1' }],
    )
    const larger = insert(wide, ['2', 'y'.repeat(50 << 20), null])
    const fault = await faultOf(target.apply(batch(2, 3, [larger]), 'values'))
    assert.equal(fault.code, 'HF-T205')
    assert.match(fault.message, /max_allowed_packet/)
    assert.match(fault.todo[0]?.sql ?? '', /SET GLOBAL max_allowed_packet = \d+/)
    await target.apply(batch(2, 3, [insert(wide, ['2', 'y', null])]), 'values')
  })
}

test('a server that goes away while TLS is agreed on may come back', async (t) => {
  const server = await mysql('mysql-9')
  await using proxy = await startProxy({ port: server.port })
  const endpoint = parseUrl(`${proxy.url(server.url())}?sslmode=require`, 'the test')
  const options = { side: 'target', mirror: 'test', purpose: 'apply' } as const
  // The request for TLS is whole after 36 bytes; the hello that follows is longer.
  for (const bytes of [60, 36]) {
    proxy.freezeAll()
    const connecting = connect(endpoint, options)
    const [way] = await eventually('it connects', () => proxy.open.length > 0 && proxy.open)
    way?.cutAfter(bytes, 'client')
    proxy.thawAll()
    const fault = await faultOf(connecting)
    assert.equal(fault.code, 'HF-T201', fault.message)
  }
  const session = await connect(endpoint, options)
  t.after(() => session[Symbol.asyncDispose]())
  assert.equal((await session.query(`show status like 'Ssl_cipher'`)).length, 1)
})
