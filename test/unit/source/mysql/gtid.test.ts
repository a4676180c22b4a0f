import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Fault } from '../../../../src/model/fault.ts'
import { DomainPosition } from '../../../../src/source/mysql/log/domains.ts'
import { GtidSet } from '../../../../src/source/mysql/log/gtid.ts'

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562'
const B = '7f983ac8-e5b1-11f1-b72c-02fc00000001'

const parsed = (text: string): string => GtidSet.parse(text).toString()
const misread = (error: unknown): boolean => error instanceof Fault && error.code === 'HF-L107'

test('M8 a set is printed as the server prints it', () => {
  assert.equal(parsed(''), '')
  assert.equal(parsed(`${A}:1`), `${A}:1`)
  assert.equal(parsed(`${A}:1-3:5:4`), `${A}:1-5`)
  assert.equal(parsed(`${B}:1,\n${A.toUpperCase()}:7-9`), `${A}:7-9,${B}:1`)
  assert.equal(parsed(`${B}:tag_b:2:tag_a:1-3,${B}:9`), `${B}:9:tag_a:1-3:tag_b:2`)
  assert.equal(parsed(`${A}:1-9223372036854775806`), `${A}:1-9223372036854775806`)
})

test('what is no set is refused', () => {
  const wrong = [
    'x',
    A,
    `${A}:`,
    `${A}:0`,
    `${A}:5-3`,
    `${A}:1-`,
    `${A}:9tag:1`,
    `${A}:-1`,
    `${A}:1;2`,
  ]
  for (const text of [...wrong, `${A}:9223372036854775807`, `${A}:${'9'.repeat(40)}`]) {
    assert.throws(() => GtidSet.parse(text), misread, text)
  }
})

test('a set grows by one, by many and in any order', () => {
  const set = GtidSet.empty()
  for (const number of [1n, 2n, 3n, 7n, 6n, 5n, 4n, 10n]) set.add(A, number)
  set.add(`${A}:t`, 1n)
  assert.equal(set.toString(), `${A}:1-7:10:t:1`)
  assert.equal(set.size, 9n)
  set.addAll(GtidSet.parse(`${A}:8-9:20,${B}:1`))
  assert.equal(set.toString(), `${A}:1-10:20:t:1,${B}:1`)
  assert.equal(set.has(A, 10n), true)
  assert.equal(set.has(A, 11n), false)
  assert.equal(set.has(`${A}:t`, 1n), true)
  assert.equal(set.has(B, 2n), false)
})

const numbers = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 40 })
const members = fc.record({ [A]: numbers, [B]: numbers, [`${A}:t`]: numbers })
type Members = Record<string, number[]>

function setOf(all: Members): GtidSet {
  const set = GtidSet.empty()
  for (const [origin, some] of Object.entries(all)) for (const n of some) set.add(origin, BigInt(n))
  return set
}

function plain(all: Members): Set<string> {
  return new Set(Object.entries(all).flatMap(([origin, some]) => some.map((n) => `${origin}/${n}`)))
}

test('sets add, subtract and contain as sets of numbers do', () => {
  fc.assert(
    fc.property(members, members, (one, other) => {
      const [a, b] = [setOf(one), setOf(other)]
      const [x, y] = [plain(one), plain(other)]
      assert.equal(a.size, BigInt(x.size))
      assert.equal(a.minus(b).size, BigInt(x.difference(y).size))
      assert.equal(a.contains(b), y.isSubsetOf(x))
      for (const key of y) {
        const [origin = '', n = ''] = key.split('/')
        assert.equal(a.minus(b).has(origin, BigInt(n)), false)
        assert.equal(a.has(origin, BigInt(n)), x.has(key))
      }
      const sum = a.clone()
      sum.addAll(b)
      assert.equal(sum.size, BigInt(x.union(y).size))
      assert.ok(sum.minus(b).equals(a.minus(b)))
      assert.ok(a.equals(setOf(one)), 'a clone is another set')
    }),
  )
})

test('text and bytes read back as the same set', () => {
  fc.assert(
    fc.property(members, (one) => {
      const set = setOf(one)
      assert.ok(GtidSet.parse(set.toString()).equals(set))
      assert.ok(GtidSet.decode(set.encode()).equals(set))
    }),
  )
})

test('M10 positions of domains advance, contain and subtract by domain', () => {
  const place = DomainPosition.parse('0-1-100,5-2-7')
  assert.equal(DomainPosition.parse(' 5-2-7 , 0-1-100').toString(), '0-1-100,5-2-7')
  place.advance({ domain: 0, server: 3, sequence: 101n })
  assert.equal(place.toString(), '0-3-101,5-2-7')
  assert.ok(place.contains(DomainPosition.parse('0-1-101')))
  assert.ok(!place.contains(DomainPosition.parse('0-1-101,5-2-8')))
  assert.ok(!place.contains(DomainPosition.parse('6-1-1')))
  assert.equal(place.minus(DomainPosition.parse('0-1-50')).toString(), '0-3-101,5-2-7')
  assert.equal(place.minus(DomainPosition.parse('0-1-200,5-9-7')).toString(), '')
  assert.ok(DomainPosition.parse('').isEmpty)
  for (const wrong of [
    '0-1',
    '0-1-2-3',
    'a-b-c',
    '0-1-2,0-1-3',
    '4294967296-1-1',
    '0-1-99999999999999999999',
  ]) {
    assert.throws(() => DomainPosition.parse(wrong), misread, wrong)
  }
})
