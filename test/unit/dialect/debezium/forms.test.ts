import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Fault } from '../../../../src/model/fault.ts'
import { doubleText, singleText } from '../../../../src/model/floats.ts'
import { envelope, read, rowOf, type Schema } from './connect.ts'

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })

/** Unscaled digits as the big-endian two's complement that Java makes of them. */
function javaBytes(value: bigint): Buffer {
  let size = 1
  while (BigInt.asIntN(size * 8, value) !== value) size++
  const hex = BigInt.asUintN(size * 8, value)
    .toString(16)
    .padStart(size * 2, '0')
  return Buffer.from(hex, 'hex')
}

function named(type: string, name: string, parameters?: Record<string, string>): Schema {
  return { type, name, version: 1, ...(parameters === undefined ? {} : { parameters }) }
}

function scaled(unscaled: bigint, scale: number): string {
  const sign = unscaled < 0n ? '-' : ''
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  const at = digits.length - scale
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, at)}.${digits.slice(at)}`
}

test('a whole number of 64 bits keeps every digit', () => {
  fc.assert(
    fc.property(long, (value) => {
      assert.equal(read({ type: 'int64' }, String(value)), String(value))
    }),
  )
})

test('a decimal is exact at every scale, as bytes and as a number', () => {
  const unscaled = fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n })
  fc.assert(
    fc.property(unscaled, fc.integer({ min: 0, max: 30 }), (value, scale) => {
      const schema = named('bytes', 'org.apache.kafka.connect.data.Decimal', {
        scale: String(scale),
      })
      const want = scaled(value, scale)
      assert.equal(read(schema, `"${javaBytes(value).toString('base64')}"`), want)
      assert.equal(read(schema, want), want)
      const power = `${value}E-${scale}`
      assert.equal(read(schema, power), value === 0n ? scaled(0n, scale) : want)
    }),
  )
})

test('a decimal with a scale of its own is exact', () => {
  fc.assert(
    fc.property(long, fc.integer({ min: -5, max: 30 }), (value, scale) => {
      const schema = {
        type: 'struct',
        name: 'io.debezium.data.VariableScaleDecimal',
        fields: [
          { type: 'int32', optional: false, field: 'scale' },
          { type: 'bytes', optional: false, field: 'value' },
        ],
      }
      const json = `{"scale":${scale},"value":"${javaBytes(value).toString('base64')}"}`
      const want = scale >= 0 ? scaled(value, scale) : String(value * 10n ** BigInt(-scale))
      assert.equal(read(schema, json), want)
    }),
  )
})

test('a floating-point number reads back as the same one', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const json = Object.is(value, -0) ? '-0.0' : String(value).replace('e+', 'E')
      assert.equal(read({ type: 'float64' }, json), doubleText(value))
    }),
  )
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const json = Object.is(value, -0) ? '-0.0' : singleText(value)
      assert.equal(read({ type: 'float32' }, json), singleText(value))
    }),
  )
  assert.equal(read({ type: 'float64' }, '"NaN"'), 'NaN')
  assert.equal(read({ type: 'float32' }, '"-Infinity"'), '-Infinity')
})

test('a text keeps its characters, escaped or not', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).filter((s) => s.isWellFormed()),
      (value) => {
        assert.equal(read({ type: 'string' }, JSON.stringify(value)), value)
        const escaped = [...value].map((c) => (c.length === 1 ? `\\u${hex4(c)}` : c)).join('')
        assert.equal(read({ type: 'string' }, `"${escaped}"`), value)
        const padded = `${'x'.repeat(100)}${value}`
        assert.equal(read({ type: 'string' }, JSON.stringify(padded)), padded)
      },
    ),
  )
})

function hex4(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(4, '0')
}

test('half of a character is refused, not replaced', () => {
  refused('HF-K302', { type: 'string' }, '"\\ud800"')
})

test('bytes keep their bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (value) => {
      const event = rowOf(
        envelope(
          { columns: { v: { type: 'bytes' } } },
          { after: `{"v":"${Buffer.from(value).toString('base64')}"}` },
        ),
      )
      const bytes = event.buffer.subarray(event.row.from + 7, event.row.to)
      assert.deepEqual(Buffer.from(bytes), Buffer.from(value))
    }),
  )
})

/** From the year 1 to 9999, which the language prints with four digits. */
const micros = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n })

test('a moment keeps its microseconds in every precision', () => {
  fc.assert(
    fc.property(micros, (value) => {
      const want = trimmed(value)
      assert.equal(read(named('int64', 'io.debezium.time.MicroTimestamp'), String(value)), want)
      assert.equal(
        read(named('int64', 'io.debezium.time.NanoTimestamp'), String(value * 1000n)),
        want,
      )
      const iso = `${isoOf(value)}Z`
      assert.equal(
        read(named('string', 'io.debezium.time.ZonedTimestamp'), `"${iso}"`),
        `${want}+00`,
      )
      assert.equal(read(named('string', 'io.debezium.time.IsoTimestamp'), `"${iso}"`), want)
      const millis = value / 1000n
      for (const name of ['io.debezium.time.Timestamp', 'org.apache.kafka.connect.data.Timestamp'])
        assert.equal(read(named('int64', name), String(millis)), trimmed(millis * 1000n))
    }),
  )
})

function isoOf(value: bigint): string {
  const rest = ((value % 1_000_000n) + 1_000_000n) % 1_000_000n
  const seconds = Number((value - rest) / 1_000_000n)
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(rest).padStart(6, '0')}`
}
function trimmed(value: bigint): string {
  return isoOf(value)
    .replace('T', ' ')
    .replace(/\.?0+$/, '')
}

test('a moment with an offset is told in UTC, a time keeps its offset', () => {
  const moments = [
    ['2026-03-04T05:06:07.5+02:00', '2026-03-04 03:06:07.5+00'],
    ['2026-03-01T00:06:07-05:30', '2026-03-01 05:36:07+00'],
    ['2026-12-31T23:30:00-01:00', '2027-01-01 00:30:00+00'],
    ['2026-02-29T00:00:00Z', null],
    ['0000-02-29T00:00:00Z', '0001-02-29 00:00:00+00 BC'],
    ['-0043-03-15T01:02:03.000004Z', '0044-03-15 01:02:03.000004+00 BC'],
    ['infinity', 'infinity'],
  ] as const
  for (const [text, want] of moments) {
    const schema = named('string', 'io.debezium.time.ZonedTimestamp')
    if (want === null) refused('HF-K301', schema, `"${text}"`)
    else assert.equal(read(schema, `"${text}"`), want)
  }
  const time = named('string', 'io.debezium.time.ZonedTime')
  assert.equal(read(time, '"01:02:03.40Z"'), '01:02:03.4+00')
  assert.equal(read(time, '"01:02:03-05:30"'), '01:02:03-05:30')
  assert.equal(read(time, '"01:02+14:00"'), '01:02:00+14')
})

test('a moment with parts of a microsecond is refused', () => {
  refused('HF-K302', named('int64', 'io.debezium.time.NanoTimestamp'), '1001')
  refused(
    'HF-K302',
    named('string', 'io.debezium.time.ZonedTimestamp'),
    '"2026-01-01T00:00:00.1234567Z"',
  )
})

function refused(code: string, schema: Schema, json: string): void {
  assert.throws(
    () => read(schema, json),
    (error) => {
      assert.ok(error instanceof Fault)
      assert.equal(error.code, code)
      assert.match(error.message, /offset 42 of partition 0 of the topic src\.public\.t/)
      assert.match(error.message, /column v/)
      return true
    },
  )
}
