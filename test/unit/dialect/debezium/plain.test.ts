import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decoder } from '../../../../src/dialect/debezium/decoder.ts'
import { Fault } from '../../../../src/model/fault.ts'
import type { Table } from '../../../../src/model/table.ts'
import { cellsOf, record } from './connect.ts'

const table: Table = {
  id: 'src.public.t',
  schema: 'public',
  name: 't',
  columns: [
    { name: 'id', type: { kind: 'int', bits: 64, unsigned: false }, native: '', nullable: false },
    { name: 'n', type: { kind: 'decimal', precision: 12, scale: 2 }, native: '', nullable: true },
    { name: 'at', type: { kind: 'timestamp', precision: 6 }, native: '', nullable: true },
  ],
  identity: { by: 'key', columns: [0] },
  version: '1',
}
const SOURCE =
  '{"version":"3","connector":"postgresql","name":"src","ts_ms":1,"snapshot":"false","db":"shop","sequence":"[null,\\"5\\"]","schema":"public","table":"t","txId":7,"lsn":5}'

function decoder(): Decoder {
  const declared = { table, defaulted: [], since: new Map([['n', 6]]) }
  const modes = { decimal: 'string', time: 'isostring' } as const
  return new Decoder({ registry: null, declared: () => declared, modes })
}

test('what is no row needs no table', () => {
  const plain = new Decoder({ registry: null })
  const kinds = [
    ['heartbeat', '{"ts_ms":1795247157411}'],
    [
      'transaction',
      '{"status":"BEGIN","id":"7:5","event_count":null,"data_collections":null,"ts_ms":1}',
    ],
    [
      'transaction',
      '{"status":"END","id":"7:5","event_count":1,"data_collections":[{"data_collection":"public.t","event_count":1}],"ts_ms":1}',
    ],
    [
      'message',
      `{"op":"m","ts_ms":1,"source":${SOURCE},"message":{"prefix":"p","content":"YQ=="}}`,
    ],
  ] as const
  for (const [kind, value] of kinds) assert.equal(plain.decode(record(value)).kind, kind)
})

test('a row is read in any order of its fields and with blanks', () => {
  const values = [
    `{"before":null,"after":{"id":1,"n":"12.50","at":"2026-03-04T05:06:07.891011Z"},"source":${SOURCE},"op":"c","ts_ms":1}`,
    ` { "op" : "c" , "source" : ${SOURCE} ,\n"after" : { "at":"2026-03-04T05:06:07.891011Z", "id":1, "n":"12.50" } , "before":null } `,
    '{"n":"12.50","__txId":7,"at":"2026-03-04T05:06:07.891011Z","id":1}',
  ]
  for (const value of values) {
    const event = decoder().decode(record(value, { key: Buffer.from('{"id":1}') }))
    assert.ok(event.kind === 'row')
    assert.deepEqual(event.table.identity, table.identity)
    assert.deepEqual(cellsOf(event), ['1', '12.50', '2026-03-04 05:06:07.891011'])
  }
})

test('a truncate and a tombstone are of the table that is known', () => {
  const from = decoder()
  const row = `{"before":null,"after":{"id":1,"n":null,"at":null},"source":${SOURCE},"op":"c"}`
  from.decode(record(row, { key: Buffer.from('{"id":1}') }))
  const gone = from.decode(record(`{"before":null,"after":null,"source":${SOURCE},"op":"t"}`))
  assert.ok(gone.kind === 'truncate')
  assert.deepEqual(columnsOf(gone.table), columnsOf(table))
  const tombstone = from.decode(record(null, { key: Buffer.from('{"id":9}') }))
  assert.ok(tombstone.kind === 'tombstone')
  assert.equal(tombstone.key?.toString('latin1', 7, 8), '9')
})

function columnsOf({ columns }: Table): readonly (readonly [string, string])[] {
  return columns.map(({ name, type }) => [name, JSON.stringify(type)])
}

/** A row that this transaction wrote. */
function written(after: string, by: string): string {
  const source = SOURCE.replace('"txId":7', `"txId":${by}`)
  return `{"before":null,"after":${after},"source":${source},"op":"c"}`
}

test('a row without a column is one of before the column, and has no other columns', () => {
  const from = decoder()
  const older = from.decode(record(written('{"id":1,"n":"1.00"}', '7')))
  assert.ok(older.kind === 'row')
  assert.deepEqual(columnsOf(older.table), columnsOf(table).slice(0, 2))
  const newer = from.decode(record(written('{"id":1,"n":"1.00","at":null}', '7')))
  assert.ok(newer.kind === 'row')
  assert.deepEqual(columnsOf(newer.table), columnsOf(table))
})

test('K13 a column that was declared after the row was written is refused, and read where it is left out', () => {
  const refused = [
    written('{"id":1,"n":"1.00","at":null}', '6'),
    written('{"id":1,"n":"1.00","at":null}', '5'),
    written('{"id":1,"n":"1.00","at":null}', 'null'),
    written('{"id":1,"n":"1.00","at":null}', String(7 + 2 ** 31)),
    '{"id":1,"n":"1.00","at":null}',
  ]
  for (const value of refused) {
    assert.throws(
      () => decoder().decode(record(value)),
      (error) =>
        error instanceof Fault && error.code === 'HF-K307' && /column n /.test(error.message),
      value,
    )
  }
  const taken = [written('{"id":1,"at":null}', '5'), written('{"id":1,"n":"1.00","at":null}', '7')]
  for (const value of taken) assert.equal(decoder().decode(record(value)).kind, 'row')
})

test('a column more, another table and a value of another kind are refused', () => {
  const other = SOURCE.replace('"table":"t"', '"table":"u"')
  assert.throws(
    () => decoder().decode(record(`{"before":null,"after":{"id":1},"source":${other},"op":"c"}`)),
    (error) => error instanceof Fault && error.code === 'HF-K307',
  )
  const rows = [
    ['HF-K307', '{"id":1,"n":"1.00","at":null,"more":1}'],
    ['HF-K307', '{"id":1,"n":"1.00","at":null,"__more":1}'],
    ['HF-K301', '{"id":"1","n":"1.00","at":null}'],
    ['HF-K301', '{"id":1.5,"n":"1.00","at":null}'],
    ['HF-K301', '{"id":null,"n":"1.00","at":null}'],
    ['HF-K301', '{"id":1,"n":"one","at":null}'],
    ['HF-K301', '{"id":1,"n":"1.00","at":1772600767891011}'],
    ['HF-K301', '{"id":1,"n":"1.00","at":"2026-02-30T00:00:00Z"}'],
    ['HF-K302', '{"id":1,"n":"1.00","at":"2026-02-03T00:00:00.0000001Z"}'],
    ['HF-K301', '{"id":1,"n":"1.00","at":null,"id":2}'],
    ['HF-K301', '{"id":1,"n":"1.00","at":null'],
  ] as const
  for (const [code, after] of rows) {
    const flat = after.replace('{', '{"__txId":7,')
    const values = [flat, `{"before":null,"after":${after},"source":${SOURCE},"op":"c"}`]
    for (const value of values) {
      assert.throws(
        () => decoder().decode(record(value)),
        (error) => error instanceof Fault && error.code === code,
        value,
      )
    }
  }
})
