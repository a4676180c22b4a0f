import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalTuples } from '../../../../src/dialect/postgres/values.ts'
import type { Table } from '../../../../src/model/table.ts'
import { cell, TEXT, tupleOf } from '../../../../src/model/tuple.ts'
import { valuesRecode } from '../../../../src/target/postgres/apply/values.ts'
import { textTable } from '../../../../testkit/memory/tables.ts'

const table: Table = {
  ...textTable({ id: '1', columns: ['b'], identity: { by: 'row' } }),
  columns: [{ name: 'b', type: { kind: 'bytes' }, native: 'bytea', nullable: true }],
}

function hexOf(bytes: Buffer): Buffer {
  const recode = valuesRecode(table)?.[0]
  assert.ok(recode != null)
  return recode(bytes, TEXT)
}

test('bytes become hexadecimal text and that becomes the bytes again', () => {
  const convert = canonicalTuples()
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = hexOf(Buffer.from(bytes)).toString('latin1')
      assert.equal(text, `\\x${Buffer.from(bytes).toString('hex')}`)
      assert.deepEqual([...cell(convert(tupleOf([text]), table), 0).bytes], [...bytes])
    }),
  )
})

test('long bytes are turned stretch by stretch', () => {
  for (const size of [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, (2 << 20) + 3]) {
    const bytes = Buffer.alloc(size, 'seven b')
    const text = hexOf(bytes)
    assert.equal(text.length, 2 * size + 2)
    const head = Buffer.from([0, 1, TEXT, 0, 0, 0, 0])
    head.writeInt32BE(text.length, 3)
    const tuple = canonicalTuples()(Buffer.concat([head, text]), table)
    assert.ok(cell(tuple, 0).bytes.equals(bytes))
  }
})
