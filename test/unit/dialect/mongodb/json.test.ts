import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BSON, Decimal128, Double, Int32, Long } from 'mongodb'
import { jsonDocument } from '../../../../src/dialect/mongodb/json.ts'

const raw = { promoteValues: false, promoteLongs: false, promoteBuffers: false } as const

/** Through the bytes of a document and back. */
function through(text: string): string | Buffer | null | undefined {
  const value = jsonDocument.write(Buffer.from(text))
  if (value === null) return undefined
  const { v } = BSON.deserialize(BSON.serialize(new Map([['v', value]])), raw)
  return jsonDocument.read(v)
}

const kept = [
  '{}',
  '[]',
  '{"a": 1, "b": [true, false, null], "c": {"d": "e"}}',
  '{"2": 3, "10": 4, "b": 1, "a": 2, "__proto__": {"toBSON": 1, "_bsontype": "Int32"}}',
  '[0, -1, 2147483647, 2147483648, -9223372036854775808, 18446744073709551616]',
  '[0.10, -0.0, 1.000, 123456789012345678901234567890.1234, 0.000000000000001]',
  '[1e20, 1.5e-7]',
  '"a \\"quoted\\" \\\\ \\n \\u0001 é 😀"',
  'true',
  '9007199254740993',
  `${'['.repeat(60)}${']'.repeat(60)}`,
]

const refused = [
  'null',
  '{"a":1}',
  '{"a": 1, "a": 2}',
  '{"a.b": 1}',
  '{"$a": 1}',
  '{"a": 1, "10": 2}',
  '{"": 1}',
  '{"a\\u0000": 1}',
  '[1,2]',
  '-0',
  `0.${'1'.repeat(35)}`,
  '1e400',
  '1E20',
  '"\\ud800"',
  '"\\u00e9"',
  '1 2',
  '{"a": 1',
  '',
  `${'['.repeat(200)}${']'.repeat(200)}`,
]

test('G5 G6 G7 JSON as a document is printed again to the letter', () => {
  for (const text of kept) assert.equal(through(text), text)
})

test('G5 G6 what a document would print in another way is refused', () => {
  for (const text of refused) assert.equal(through(text), undefined, text)
})

test('numbers have the type that holds them', () => {
  const text = Buffer.from('[1, 2147483648, 18446744073709551616, 0.5, 1e20]')
  const values = jsonDocument.write(text)
  assert.ok(Array.isArray(values))
  const types = [Int32, Long, Decimal128, Decimal128, Double]
  for (const [i, type] of types.entries()) assert.ok(values[i] instanceof type)
})

test('what JSON has no name for is not read as if it were', () => {
  for (const value of [new Date(), new Map([['a', new Date()]]), Buffer.alloc(1), undefined]) {
    assert.equal(jsonDocument.read(value), null)
  }
})
