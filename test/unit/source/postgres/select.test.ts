import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Fault } from '../../../../src/model/fault.ts'
import { naming } from '../../../../src/source/postgres/schema/select.ts'
import * as selection from '../../../../src/source/select.ts'

type Table = selection.Named
const { matches } = selection
const parsePattern = (text: string) => selection.parsePattern(text, naming)
const patternOf = (one: Table) => selection.patternOf(one, naming)
const nearTo = (text: string, from: readonly Table[]) => selection.nearTo(text, from, naming)
const select = (from: readonly Table[], wish: selection.Wish) =>
  selection.select(from, wish, naming)

const table = (schema: string, name: string) => ({ schema, name })

const cases: readonly [string, readonly [string, string], boolean][] = [
  ['public.orders', ['public', 'orders'], true],
  ['orders', ['public', 'orders'], true],
  ['orders', ['shop', 'orders'], false],
  ['PUBLIC.Orders', ['public', 'orders'], true],
  ['public.orders', ['public', 'Orders'], false],
  ['public."Orders"', ['public', 'Orders'], true],
  ['public."orders"', ['public', 'Orders'], false],
  ['public.*', ['public', 'Any "thing"\n'], true],
  ['*.orders', ['shop', 'orders'], true],
  ['*.*', ['shop', 'orders'], true],
  ['shop.o*s', ['shop', 'orders'], true],
  ['shop.o*x', ['shop', 'orders'], false],
  ['shop."o*s"', ['shop', 'orders'], false],
  ['shop."o*s"', ['shop', 'o*s'], true],
  ['"a.b"."c""d"', ['a.b', 'c"d'], true],
  ['shop.a+b', ['shop', 'aab'], false],
  ['shop.a+b', ['shop', 'a+b'], true],
  ['shop.order', ['shop', 'orders'], false],
  ['schöp.örders', ['schöp', 'örders'], true],
]

for (const [pattern, [schema, name], expected] of cases) {
  test(`${pattern} ${expected ? 'means' : 'does not mean'} ${JSON.stringify([schema, name])}`, () => {
    assert.equal(matches(parsePattern(pattern), table(schema, name)), expected)
  })
}

for (const text of ['', '.', 'a.', '.b', 'a.b.c', '"a', 'a".b', '"a"b.c', 'a b', '""', 'a..b']) {
  test(`${JSON.stringify(text)} is refused by name`, () => {
    assert.throws(
      () => parsePattern(text),
      (error) => error instanceof Fault && error.code === 'HF-C104',
    )
  })
}

test('a table is always meant by its own pattern, and no other one is', () => {
  const name = fc.string({ minLength: 1 }).filter((text) => !text.includes('\0'))
  fc.assert(
    fc.property(name, name, name, (schema, one, other) => {
      const pattern = parsePattern(patternOf(table(schema, one)))
      assert.ok(matches(pattern, table(schema, one)))
      assert.equal(matches(pattern, table(schema, other)), one === other)
    }),
  )
})

const candidates = [
  table('_holdfast', 'mirrors'),
  table('information_schema', 'tables'),
  table('pg_toast', 'chunk'),
  table('public', 'customers'),
  table('public', 'orders'),
  table('shop', 'orders'),
]

test('everything of the user is selected by default', () => {
  const { chosen } = select(candidates, { include: [], exclude: [] })
  assert.deepEqual(chosen, candidates.slice(3))
})

test('include and exclude are followed, and what matches nothing is said', () => {
  const { chosen, unmatched } = select(candidates, {
    include: ['*.orders', 'public.orderz', '*.mirrors'],
    exclude: ['shop.*', 'nothing.*'],
  })
  assert.deepEqual(chosen, [table('public', 'orders')])
  assert.deepEqual(unmatched, ['public.orderz', '*.mirrors'])
})

test('what may have been meant is offered', () => {
  assert.deepEqual(nearTo('public.orderz', candidates), ['public.orders', 'shop.orders'])
  assert.deepEqual(nearTo('Customer', candidates), ['public.customers'])
  assert.deepEqual(nearTo('nothing.like.it', candidates), [])
  assert.deepEqual(nearTo('public.orders', [table('public', 'Orders')]), ['public."Orders"'])
})
