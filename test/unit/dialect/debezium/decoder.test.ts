import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decoder } from '../../../../src/dialect/debezium/decoder.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { cellsOf, envelope, keyOf, record, rowOf } from './connect.ts'

const UNKNOWN = '"__debezium_unavailable_value"'
const columns = { k: { type: 'string' }, v: { type: 'string', optional: true } }
const key = Buffer.from(keyOf('k', { type: 'string' }, '"a"'))

test('a value that the connector did not know is unchanged, but not in the key', () => {
  const update = envelope({ columns }, { op: 'u', after: `{"k":"a","v":${UNKNOWN}}` })
  const event = rowOf(update, { key })
  assert.ok(event.partial)
  assert.deepEqual(cellsOf(event), ['a', undefined])
  const lost = envelope({ columns }, { op: 'u', after: `{"k":${UNKNOWN},"v":"x"}` })
  assert.throws(
    () => rowOf(lost, { key }),
    (error) =>
      error instanceof Fault && error.code === 'HF-K302' && /of the key/.test(error.message),
  )
})

test('a new schema in a topic is another table, an old one that comes again is the same', () => {
  const decoder = new Decoder({ registry: null })
  const table = (of: typeof columns, after: string): unknown => {
    const event = decoder.decode(record(envelope({ columns: of }, { after }), { key }))
    return event.kind === 'row' ? event.table : null
  }
  const more = { ...columns, w: { type: 'int32', optional: true, default: 3 } }
  const [first, second] = [
    table(columns, '{"k":"a","v":null}'),
    table(more, '{"k":"a","v":null,"w":1}'),
  ]
  assert.notEqual(first, second)
  assert.equal(table(columns, '{"k":"b","v":"x"}'), first)
  assert.equal(table(more, '{"k":"b","v":"x","w":null}'), second)
  assert.deepEqual((second as { mark: string }).mark, '["w"]')
})

test('an op that is not known stops', () => {
  for (const op of ['x', '', 'C']) {
    const value = envelope({ columns }, { op, after: '{"k":"a","v":null}' })
    assert.throws(
      () => rowOf(value, { key }),
      (error) => error instanceof Fault && error.code === 'HF-K301',
    )
  }
})

test('a placeholder of its own is known, and the usual one is a text then', () => {
  const decoder = new Decoder({ registry: null, placeholder: 'hex:3f3f' })
  const read = (v: string): unknown => {
    const event = decoder.decode(
      record(envelope({ columns }, { after: `{"k":"a","v":${v}}` }), { key }),
    )
    return event.kind === 'row' ? cellsOf(event)[1] : null
  }
  assert.equal(read('"??"'), undefined)
  assert.equal(read(UNKNOWN), '__debezium_unavailable_value')
})
