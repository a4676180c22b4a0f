import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Changes } from '../../../src/model/changes.ts'
import { Fault } from '../../../src/model/fault.ts'
import { asSource, Renames } from '../../../src/model/renames.ts'
import type { Table } from '../../../src/model/table.ts'

function table(name: string, ...columns: readonly string[]): Table {
  const type = { kind: 'int', bits: 32, unsigned: false } as const
  return {
    ...{ id: name, schema: 'shop', name, version: 'v', identity: { by: 'key', columns: [0] } },
    columns: columns.map((column) => ({ name: column, type, native: 'int', nullable: true })),
  }
}

function placed({ schema, name, columns }: Table): string {
  return `${schema}/${name}(${columns.map((column) => column.name).join('|')})`
}

test('names are read with dots, spaces and quotes, and given back', () => {
  const renames = new Renames([
    'shop.users -> people',
    'shop.users.street -> address.street',
    'shop."Old Users".id->"the ""id"""',
    'shop.moved  ->  other."na.me"',
  ])
  const wanted = [
    [table('users', 'id', 'street'), 'shop/people(id|address.street)'],
    [table('Old Users', 'id', 'n'), 'shop/Old Users(the "id"|n)'],
    [table('moved', 'id'), 'other/na.me(id)'],
  ] as const
  for (const [from, name] of wanted) {
    const named = renames.of(from)
    assert.equal(placed(named), name)
    assert.deepEqual(asSource(named), from)
  }
  const alone = table('alone', 'id')
  assert.equal(renames.of(alone), alone)
  assert.equal(asSource(alone), alone)
  assert.deepEqual(renames.place({ schema: 'shop', name: 'moved', value: '7' }), {
    ...{ schema: 'other', name: 'na.me', value: '7' },
  })
})

test('what cannot be read, is given twice, or has no meaning is refused', () => {
  const texts = [
    ['shop.users'],
    ['users -> people'],
    ['shop.users -> '],
    ['shop.users -> a.b.c'],
    ['shop.users -> a -> b'],
    ['shop.users.id.x -> a'],
    ['shop."users -> a'],
    ['shop.users -> a', 'shop.users -> b'],
    ['shop.users.id -> a', 'shop.users.id -> b'],
  ]
  for (const text of texts) {
    assert.throws(
      () => new Renames(text),
      (error) => error instanceof Fault && error.code === 'HF-C114',
      String(text),
    )
  }
})

test('two columns are never one, nor is one inside of the other', () => {
  for (const [to, clash] of [
    ['name', /mail and name of shop\.users would both be name/],
    ['name.first', /would both be name/],
  ] as const) {
    const renames = new Renames([`shop.users.mail -> ${to}`])
    assert.throws(() => renames.of(table('users', 'id', 'mail', 'name')), clash)
    assert.equal(renames.of(table('users', 'id', 'mail', 'names')).columns.length, 3)
  }
})

test('changes speak of other tables without being made anew', () => {
  const [from, other] = [table('users', 'id'), table('orders', 'id')]
  const row = Buffer.from([0, 1, 0])
  const changes = Changes.of([
    { kind: 'insert', table: from, row, old: null },
    { kind: 'truncate', tables: [other, from], restartSequences: true },
    { kind: 'schema', from, to: { ...from, version: 'w' } },
    { kind: 'delete', table: other, row: null, old: row },
  ])
  const renames = new Renames(['shop.users -> people'])
  const named = changes.speakingOf((one) => renames.of(one))
  const names = [...named].map((change) => {
    if (change.kind === 'truncate') return change.tables.map(({ name }) => name).join()
    if (change.kind === 'schema')
      return `${change.from.name} ${change.to.name} ${change.to.version}`
    return `${change.kind} ${change.table.name} ${change.row ?? change.old}`
  })
  const bytes = row.toString()
  const wanted = [`insert people ${bytes}`, 'orders,people', 'people people w']
  assert.deepEqual(names, [...wanted, `delete orders ${bytes}`])
  assert.equal(named.bytes, changes.bytes)
  assert.equal(named.reshapes, true)
})
