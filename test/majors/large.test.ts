import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalTuples } from '../../src/dialect/postgres/values.ts'
import type { Table } from '../../src/model/table.ts'
import { cell, TEXT } from '../../src/model/tuple.ts'
import { valuesRecode } from '../../src/target/postgres/apply/values.ts'
import { textTable } from '../../testkit/memory/tables.ts'
import { largeValue } from '../integration/hard/large.ts'

for (const [from, to] of [
  [14, 18],
  [18, 14],
] as const) {
  test(`P11 a value that no string of the runtime could hold is mirrored, ${from} to ${to}`, (t) =>
    largeValue(t, { from, to, megabytes: 560 }))
}

for (const [from, to, form] of [
  [14, 18, 'pg-text'],
  [18, 14, 'values'],
] as const) {
  test(`P10 values of more than 100 MB go every way as ${form}, ${from} to ${to}`, (t) =>
    largeValue(t, { from, to, megabytes: 101, form }))
}

test('P11 bytes that are longer as text than a string of the runtime go to text and back', () => {
  const table: Table = {
    ...textTable({ id: '1', columns: ['b'], identity: { by: 'row' } }),
    columns: [{ name: 'b', type: { kind: 'bytes' }, native: 'bytea', nullable: true }],
  }
  const bytes = Buffer.alloc(270_000_000, 'seven b')
  const text = valuesRecode(table)?.[0]?.(bytes, TEXT)
  assert.ok(text !== undefined && text.length === 2 * bytes.length + 2)
  const head = Buffer.from([0, 1, TEXT, 0, 0, 0, 0])
  head.writeInt32BE(text.length, 3)
  const tuple = canonicalTuples()(Buffer.concat([head, text]), table)
  assert.ok(cell(tuple, 0).bytes.equals(bytes))
})
