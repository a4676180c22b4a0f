import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BSON } from 'mongodb'
import { Bson, elementName } from '../../../../src/dialect/mongodb/bson.ts'
import { type Codec, codecOf, keyCodecOf } from '../../../../src/dialect/mongodb/values.ts'
import type { Type } from '../../../../src/model/value.ts'

const options = { promoteValues: false, promoteLongs: false, promoteBuffers: false }

/** Through the bytes that a server stores. */
function stored(value: unknown): unknown {
  return BSON.deserialize(BSON.serialize({ value }), options)['value']
}

/** Bytes around a cell, which must not matter to whoever writes it. */
const AROUND = Buffer.from('19-.')

/** A document of one field as the codec writes it by itself. */
function put(codec: Codec, text: Buffer): Buffer | null {
  const out = new Bson(0)
  const bytes = Buffer.concat([AROUND, text, AROUND])
  const span = { bytes, from: AROUND.length, to: AROUND.length + text.length }
  out.begin()
  const held = codec.put(out, elementName('größe'), span)
  assert.equal(out.end(), out.bytes.length)
  if (!held) assert.equal(out.bytes.length, 5, 'nothing is written of what cannot be held')
  return held ? out.bytes : null
}

/** What it writes by itself is what the library makes of its value, byte by byte. */
function alike(codec: Codec, text: Buffer): void {
  const value = codec.write(text)
  const made = value === null ? null : BSON.serialize({ größe: value })
  assert.deepEqual(put(codec, text), made && Buffer.from(made), text.toString('latin1'))
}

function same(type: Type, text: string | Buffer, as?: string): void {
  const codec = codecOf(type)
  alike(codec, Buffer.from(text))
  alike(keyCodecOf(type), Buffer.from(text))
  const read = codec.read(stored(codec.write(Buffer.from(text))))
  if (typeof text === 'string') assert.equal(String(read), text)
  else assert.deepEqual(read, text)
  if (as !== undefined) assert.equal(codec.as, as)
}

const decimal = (precision: number | null, scale: number | null): Type => ({
  kind: 'decimal',
  precision,
  scale,
})
const moment = (kind: 'timestamp' | 'timestamptz', precision: number): Type => ({ kind, precision })

const cases: readonly (readonly [Type, string, readonly string[]])[] = [
  [{ kind: 'bool' }, 'bool', ['t', 'f']],
  [{ kind: 'int', bits: 8, unsigned: false }, 'int', ['-128', '0', '127']],
  [{ kind: 'int', bits: 24, unsigned: true }, 'int', ['16777215']],
  [{ kind: 'int', bits: 32, unsigned: false }, 'int', ['-2147483648', '2147483647']],
  [{ kind: 'int', bits: 32, unsigned: true }, 'long', ['4294967295', '0']],
  [
    { kind: 'int', bits: 64, unsigned: false },
    'long',
    ['9007199254740993', '-9223372036854775808', '9223372036854775807'],
  ],
  [
    { kind: 'int', bits: 64, unsigned: true },
    'decimal',
    ['18446744073709551615', '0', '10000000000000000000'],
  ],
  [
    decimal(34, 2),
    'decimal',
    ['1.50', '0.00', '-0.01', '99999999999999999999999999999999.99', 'NaN', 'Infinity'],
  ],
  [decimal(34, 34), 'decimal', ['0.0000000000000000000000000000000001', `0.${'0'.repeat(34)}`]],
  [decimal(10, 0), 'decimal', ['0', '1000000000', '-1']],
  [decimal(35, 0), 'string', ['99999999999999999999999999999999999']],
  [decimal(null, null), 'string', ['1.0', '1.00', '-Infinity']],
  [decimal(5, -2), 'string', ['1000', '0']],
  [
    { kind: 'float', bits: 64 },
    'double',
    ['-0', '0', '1', '0.1', '1e+15', '1e-05', '5e-324', '1.7976931348623157e+308', 'NaN'],
  ],
  [
    { kind: 'float', bits: 32 },
    'double',
    ['-0', '0.1', '1e+06', '3.4028235e+38', '1e-45', '1.1754942e-38', 'Infinity', '-Infinity'],
  ],
  [{ kind: 'text' }, 'string', ['', 'é\u0000\u{1f600}', '{}']],
  [{ kind: 'enum', labels: ['a'] }, 'string', ['a']],
  [{ kind: 'uuid' }, 'uuid', ['9c5b94b1-35ad-49bb-b118-8e8fc24abf80']],
  [{ kind: 'json', binary: true }, 'string', ['{"b": 1.0, "a": 1e400}']],
  [{ kind: 'date' }, 'string', ['2024-02-29', '0044-03-15 BC', 'infinity']],
  [{ kind: 'time', precision: 0 }, 'string', ['24:00:00']],
  [moment('timestamp', 6), 'string', ['2024-02-29 12:00:00.000001', '-infinity']],
  [
    moment('timestamp', 3),
    'date',
    [
      '2024-02-29 12:34:56',
      '2024-02-29 12:34:56.7',
      '0001-01-01 00:00:00',
      '9999-12-31 23:59:59.999',
    ],
  ],
  [moment('timestamp', 0), 'date', ['0044-03-15 01:02:03 BC', '12024-01-01 00:00:00']],
  [moment('timestamptz', 3), 'date', ['1969-12-31 23:59:59.99+00', '0001-01-01 00:00:00+00 BC']],
  [{ kind: 'array', of: { kind: 'text' } }, 'string', ['[0:1]={a,NULL}']],
  [{ kind: 'bit', length: 3, varying: false }, 'string', ['010']],
  [{ kind: 'opaque', dialect: 'other', name: 'inet' }, 'string', ['::1/128']],
]

for (const [type, as, texts] of cases) {
  test(`${JSON.stringify(type)} is kept as ${as} and reads back the same`, () => {
    for (const text of texts) same(type, text, as)
  })
}

test('bytes of any kind stay as they are', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => same({ kind: 'bytes' }, Buffer.from(bytes), 'binary')),
  )
})

test('numbers of any size read back the same', () => {
  const long: Type = { kind: 'int', bits: 64, unsigned: false }
  fc.assert(fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (n) => same(long, String(n))))
  const scaled = fc.tuple(fc.bigInt(0n, 10n ** 34n - 1n), fc.nat(34), fc.boolean())
  fc.assert(
    fc.property(scaled, ([digits, scale, negative]) => {
      const padded = String(digits).padStart(scale + 1, '0')
      const point = scale === 0 ? padded : `${padded.slice(0, -scale)}.${padded.slice(-scale)}`
      same(decimal(34, scale), digits === 0n || !negative ? point : `-${point}`)
    }),
  )
})

test('a moment that no date holds is refused, not bent', () => {
  const codec = codecOf(moment('timestamp', 3))
  for (const text of [
    'infinity',
    '-infinity',
    '294276-12-31 00:00:00',
    '2024-01-01 00:00:00.0001',
  ]) {
    assert.equal(codec.write(Buffer.from(text)), null, text)
    assert.equal(put(codec, Buffer.from(text)), null, text)
  }
})

test('text of any length is kept, bytes that are none are refused, not bent', () => {
  const text = codecOf({ kind: 'text' })
  const property = fc.property(fc.string({ unit: 'binary', maxLength: 120 }), (one) => {
    same({ kind: 'text' }, one, 'string')
    const broken = Buffer.concat([Buffer.from(one), Buffer.from([0xc3])])
    assert.equal(text.write(broken), null)
    assert.equal(put(text, broken), null)
  })
  fc.assert(property, { numRuns: 200 })
})

test('documents of JSON are written as the library writes them', () => {
  const codec = codecOf({ kind: 'json', binary: true }, 'document')
  for (const text of ['{}', '[1, 2.50, "é", null]', '{"a": {"b": [true]}}', '7', '{"a":1}']) {
    alike(codec, Buffer.from(text))
  }
})

test('values of another form are not taken for one', () => {
  const wrong: readonly (readonly [Type, unknown])[] = [
    [{ kind: 'int', bits: 32, unsigned: false }, 1.5],
    [{ kind: 'int', bits: 64, unsigned: false }, '1'],
    [{ kind: 'text' }, 1],
    [{ kind: 'bytes' }, 'a'],
    [{ kind: 'uuid' }, Buffer.from('a')],
    [decimal(5, 2), 1.5],
    [moment('timestamp', 3), '2024-01-01 00:00:00'],
  ]
  for (const [type, value] of wrong) assert.equal(codecOf(type).read(stored(value)), null)
})

test('keys that a server would take for equal are told apart', () => {
  const { write } = keyCodecOf({ kind: 'float', bits: 64 })
  assert.notDeepEqual(write(Buffer.from('-0')), write(Buffer.from('0')))
})
