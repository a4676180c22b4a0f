import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BSON } from 'mongodb'
import { parseUrl } from '../../../../src/config/url.ts'
import { Bson } from '../../../../src/dialect/mongodb/bson.ts'
import { connect } from '../../../../src/dialect/mongodb/connect.ts'
import { Fault } from '../../../../src/model/fault.ts'
import type { Table } from '../../../../src/model/table.ts'
import { tupleOf } from '../../../../src/model/tuple.ts'
import type { Type } from '../../../../src/model/value.ts'
import { write } from '../../../../src/target/mongodb/commands.ts'
import { documentHead, Layout } from '../../../../src/target/mongodb/layout.ts'
import { opmsgPeer } from '../../../../testkit/opmsg.ts'

const STAMP = '0000000000000abc.00000001'

const types: readonly Type[] = [
  { kind: 'int', bits: 64, unsigned: false },
  { kind: 'text' },
  { kind: 'decimal', precision: 12, scale: 2 },
  { kind: 'float', bits: 64 },
  { kind: 'timestamp', precision: 3 },
]

function tableOf(key: readonly number[]): Table {
  const columns = types.map((type, i) => ({
    name: ['id', '__proto__', 'amount', 'größe', '10'][i] ?? '',
    type,
    native: type.kind,
    nullable: !key.includes(i),
    generated: false,
  }))
  const identity = { by: 'key', columns: key } as const
  return { id: '1', schema: 'shop', name: 'rows', columns, identity, version: 'v' }
}

const rows = fc.tuple(
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.option(fc.integer().map((n) => `${n < 0 ? '-' : ''}${Math.abs(n)}.50`)),
  fc.constantFrom('-0', '0.1', 'NaN', '1e+15'),
  fc.constantFrom(null, '2026-01-02 03:04:05.678', '0044-03-15 01:02:03 BC'),
)

for (const key of [[0], [3], [1, 0, 3]]) {
  test(`documents with ${key.length} columns in their key are as the library writes them`, () => {
    const layout = new Layout(tableOf(key), 'text')
    const out = new Bson(0)
    const made: Uint8Array[] = []
    const property = fc.property(rows, (cells) => {
      const row = tupleOf(cells)
      layout.put(out, { row, stamp: STAMP })
      const document = documentHead(layout.id(row), { at: STAMP })
      for (const [name, value] of layout.fields(row)) document.set(name, value)
      made.push(BSON.serialize(document))
    })
    fc.assert(property, { numRuns: 500 })
    assert.equal(out.count, made.length)
    assert.ok(Buffer.concat(made).equals(out.bytes))
  })
}

test('a row that is larger than a document can be is refused by name', () => {
  const layout = new Layout(tableOf([0]), 'text')
  const row = tupleOf(['1', 'x'.repeat(16 << 20), null, '0', null])
  assert.throws(
    () => layout.put(new Bson(0), { row, stamp: STAMP }),
    (error) => error instanceof Fault && error.code === 'HF-T251',
  )
})

test('documents that are written already go to the server as they are, in order', async () => {
  const layout = new Layout(tableOf([0]), 'text')
  const what = new Bson(0)
  for (let n = 1; n <= 3; n++) {
    layout.put(what, { row: tupleOf([`${n}`, 'é', '1.50', '0', null]), stamp: STAMP })
  }
  await using peer = await opmsgPeer([
    { ok: 1, version: '8.0.0' },
    { ok: 1, n: 3 },
  ])
  const url = peer.url.replace('/?', '/shop?')
  await using on = await connect(parseUrl(url, 'the target'), { mirror: 'm', purpose: 'apply' })
  const writing = { ...on, session: null, send: <T>(command: () => Promise<T>) => command() }
  const { matched } = await write(writing, 'rows', { kind: 'insert', what })
  assert.equal(matched, 3)
  const sent = peer.commands.at(-1)
  assert.deepEqual(sent?.['writeConcern'], { w: 'majority', j: true })
  assert.equal(sent?.['ordered'], false)
  const documents: readonly { readonly _id: unknown; readonly größe: unknown }[] =
    sent?.['documents']
  assert.deepEqual(
    documents.map(({ _id, größe }) => [_id, größe]),
    [1, 2, 3].map((n) => [n, 0]),
  )
})
