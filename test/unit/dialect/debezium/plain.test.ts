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
  return new Decoder({ registry: null, declared: () => table, modes: { decimal: 'string' } })
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
    '{"n":"12.50","at":"2026-03-04T05:06:07.891011Z","id":1}',
  ]
  for (const value of values) {
    const event = decoder().decode(record(value, { key: Buffer.from('{"id":1}') }))
    assert.ok(event.kind === 'row')
    assert.equal(event.table, table)
    assert.deepEqual(cellsOf(event), ['1', '12.50', '2026-03-04 05:06:07.891011'])
  }
})

test('a truncate and a tombstone are of the table that is known', () => {
  const from = decoder()
  const gone = from.decode(record(`{"before":null,"after":null,"source":${SOURCE},"op":"t"}`))
  assert.ok(gone.kind === 'truncate')
  assert.equal(gone.table, table)
  const tombstone = from.decode(record(null, { key: Buffer.from('{"id":9}') }))
  assert.ok(tombstone.kind === 'tombstone')
  assert.equal(tombstone.key?.toString('latin1', 7, 8), '9')
})

test('a column more or less, and a value of another kind, are refused', () => {
  const rows = [
    ['HF-K307', '{"id":1,"n":"1.00"}'],
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
    const values = [after, `{"before":null,"after":${after},"source":${SOURCE},"op":"c"}`]
    for (const value of values) {
      assert.throws(
        () => decoder().decode(record(value)),
        (error) => error instanceof Fault && error.code === code,
        value,
      )
    }
  }
})
