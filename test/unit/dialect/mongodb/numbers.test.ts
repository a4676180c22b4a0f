import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Decimal128, Long } from 'mongodb'
import { spanOf } from '../../../../src/dialect/mongodb/bson.ts'
import { millisOf, momentText } from '../../../../src/dialect/mongodb/moments.ts'
import { codecOf } from '../../../../src/dialect/mongodb/values.ts'

const long = codecOf({ kind: 'int', bits: 64, unsigned: false })
const decimal = codecOf({ kind: 'decimal', precision: 34, scale: 10 })

test('whole numbers of any length are what the library reads from their text', () => {
  const numbers = fc.oneof(
    fc.bigInt(-(1n << 63n), (1n << 63n) - 1n),
    fc.bigInt(-(10n ** 16n), 10n ** 16n),
    fc.bigInt(-5_000_000_000n, 5_000_000_000n),
  )
  const property = fc.property(numbers, (number) => {
    assert.deepEqual(long.write(Buffer.from(`${number}`)), Long.fromBigInt(number))
  })
  fc.assert(property, { numRuns: 2000 })
})

test('decimals of any length are what the library reads from their text, zeros and all', () => {
  const digits = fc.stringMatching(/^(?:0|[1-9]\d{0,20})$/)
  const text = fc
    .tuple(fc.constantFrom('', '-'), digits, fc.stringMatching(/^\d{0,13}$/))
    .map(([sign, whole, rest]) => `${sign}${whole}${rest === '' ? '' : `.${rest}`}`)
  const property = fc.property(text, (written) => {
    const made = decimal.write(Buffer.from(written))
    assert.ok(made instanceof Decimal128)
    const wanted = Decimal128.fromString(written)
    assert.equal(Buffer.from(made.bytes).toString('hex'), Buffer.from(wanted.bytes).toString('hex'))
    assert.equal(decimal.read(made), decimal.read(wanted))
  })
  fc.assert(property, { numRuns: 3000 })
})

test('moments of any year read back as they were written', () => {
  const property = fc.property(
    fc.integer({ min: -60_000_000_000_000, max: 260_000_000_000_000 }),
    fc.constantFrom('', '+00'),
    (millis, zone) => {
      const text = momentText(new Date(millis), zone)
      assert.equal(millisOf(spanOf(Buffer.from(text ?? ''))), millis, text ?? '')
    },
  )
  fc.assert(property, { numRuns: 3000 })
})

test('what is written in another way is no usual moment', () => {
  for (const text of [
    '2026-01-02T03:04:05',
    '2026-01-02 03:04',
    '2026-01-02 03:04:05.',
    '2026-01-02 03:04:05+01',
    '+00',
  ]) {
    assert.equal(millisOf(spanOf(Buffer.from(text))), Number.NaN)
  }
})
