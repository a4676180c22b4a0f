import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { planOf, refuseSamePlace, streamEncoding } from '../../../src/mirror/plan.ts'
import type { Table } from '../../../src/model/table.ts'
import { MemoryDatabase } from '../../../testkit/memory/database.ts'
import { mirrorOptions } from '../../../testkit/memory/pair.ts'
import { MemorySource } from '../../../testkit/memory/source.ts'
import { MemoryStore } from '../../../testkit/memory/store.ts'
import { textTable } from '../../../testkit/memory/tables.ts'
import { MemoryTarget } from '../../../testkit/memory/target.ts'

const tables = ['1', '2'].map((id) =>
  textTable({ id, columns: ['id'], identity: { by: 'key', columns: [0] } }),
)

type Streams = Readonly<Record<string, readonly string[]>>

/** Ends that know these encodings by table id. */
function chosen(source: Streams, target: Streams): string {
  const position = (): never => assert.fail('nothing is read')
  const from = new MemorySource({ database: new MemoryDatabase(), mirror: 'm' })
  const to = new MemoryTarget({ store: new MemoryStore(), mirror: 'm', position })
  const known =
    (streams: Streams) =>
    ({ id }: Table) => ({ stream: streams[id] ?? ['values'], copy: ['values'] })
  const [a, b] = [Object.create(from), Object.create(to)]
  a.encodings = known(source)
  b.encodings = known(target)
  return streamEncoding(a, b, tables)
}

suite('the encoding of a stream', () => {
  test('is the best that both ends have for every table', () => {
    const all = ['binary', 'text', 'values']
    assert.equal(chosen({ 1: all, 2: all }, { 1: all, 2: all }), 'binary')
    assert.equal(chosen({ 1: all, 2: all }, { 1: all, 2: ['text', 'values'] }), 'text')
    assert.equal(chosen({ 1: all, 2: ['text', 'values'] }, { 1: all, 2: all }), 'text')
    assert.equal(chosen({ 1: ['text', 'values'], 2: all }, { 1: all, 2: all }), 'text')
    assert.equal(chosen({ 1: all, 2: all }, {}), 'values')
  })
})

suite('the plan', () => {
  test('gives each table its mode', () => {
    const added = textTable({ id: '3', columns: ['a'], identity: { by: 'none' } })
    const blueprint = { dialect: 'memory', tables: [...tables, added], native: null }
    const modes = (onExisting: 'refuse' | 'merge'): readonly string[] =>
      planOf(blueprint, mirrorOptions({ onExisting })).tables.map(({ mode }) => mode)
    assert.deepEqual(modes('refuse'), ['exact', 'exact', 'append'])
    assert.deepEqual(modes('merge'), ['merge', 'merge', 'append'])
  })

  test('of a database onto itself is refused', () => {
    const source = new MemorySource({ database: new MemoryDatabase(), mirror: 'm' })
    const position = source.position.bind(source)
    const target = new MemoryTarget({ store: new MemoryStore(), mirror: 'm', position })
    refuseSamePlace(source, target)
    assert.throws(
      () => refuseSamePlace(source, Object.create(target, { place: { value: source.place } })),
      {
        code: 'HF-C110',
      },
    )
  })
})
