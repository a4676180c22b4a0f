import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { shapeOfAvro } from '../../../../src/dialect/debezium/avro-shape.ts'
import { AvroWire } from '../../../../src/dialect/debezium/avro-wire.ts'
import { Misread } from '../../../../src/dialect/debezium/misread.ts'
import { RowReader } from '../../../../src/dialect/debezium/rows.ts'
import { Out } from '../../../../src/model/out.ts'
import { textsOf } from '../../../../src/model/tuple.ts'

/** A whole number as the specification of Avro says: zigzag, seven bits in each byte. */
function long(value: bigint): Buffer {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  const bytes: number[] = []
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  return Buffer.from([...bytes, Number(rest)])
}
function bytes(value: Buffer | string): Buffer {
  const content = Buffer.from(value)
  return Buffer.concat([long(BigInt(content.length)), content])
}

/** The cells of a record of these fields, written as these bytes. */
function read(
  types: readonly unknown[],
  ...values: readonly Buffer[]
): (string | null | undefined)[] {
  const fields = types.map((type, i) => ({ name: `f${i}`, type }))
  const shape = shapeOfAvro({ type: 'record', name: 'R', fields })
  const rows = new RowReader(shape, { connector: 'postgresql', placeholder: Buffer.from('?none?') })
  const wire = new AvroWire()
  const out = new Out(64)
  const all = Buffer.concat(values)
  wire.begin(all, 0, all.length)
  out.start()
  rows.read(wire, out)
  wire.finish()
  return textsOf(out.buffer.subarray(out.base, out.at))
}

test('a whole number of 64 bits keeps every digit', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      assert.deepEqual(read(['long'], long(value)), [String(value)])
    }),
    { numRuns: 500 },
  )
  for (let bits = 0n; bits < 64n; bits++) {
    for (const value of [2n ** bits - 1n, -(2n ** bits)]) {
      if (value < 2n ** 63n) assert.deepEqual(read(['long'], long(value)), [String(value)])
    }
  }
})

test('arrays come in blocks, of a known size or not', () => {
  const items = [1n, -2n, 3n].map(long)
  const type = { type: 'array', items: 'long' }
  assert.deepEqual(read([type], long(3n), ...items, long(0n)), ['{1,-2,3}'])
  const [a, b, c] = items
  assert.ok(a !== undefined && b !== undefined && c !== undefined)
  const sized = [long(-2n), long(2n), a, b, long(1n), c, long(0n)]
  assert.deepEqual(read([type], ...sized), ['{1,-2,3}'])
})

test('logical types of Avro are known without the names of Connect', () => {
  const types = [
    { type: 'bytes', logicalType: 'decimal', precision: 6, scale: 2 },
    { type: 'fixed', name: 'F', size: 2, logicalType: 'decimal', precision: 4, scale: 1 },
    { type: 'int', logicalType: 'date' },
    { type: 'long', logicalType: 'time-micros' },
    { type: 'long', logicalType: 'timestamp-micros' },
    { type: 'string', logicalType: 'uuid' },
    { type: 'enum', name: 'E', symbols: ['a', 'b'] },
  ]
  const uuid = '0188e4e6-5b3c-4d6e-8f00-aabbccddeeff'
  const values = [
    bytes(Buffer.from([0xff, 0x38])),
    Buffer.from([0x00, 0x0f]),
    long(1n),
    long(3_600_000_001n),
    long(-1n),
    bytes(uuid),
    long(1n),
  ]
  assert.deepEqual(read(types, ...values), [
    '-2.00',
    '1.5',
    '1970-01-02',
    '01:00:00.000001',
    '1969-12-31 23:59:59.999999',
    uuid,
    'b',
  ])
})

test('null is a branch of a union, on either side', () => {
  const values = [long(0n), long(1n), bytes('x'), long(1n), long(0n), bytes('y')]
  const [left, right] = [
    ['null', 'string'],
    ['string', 'null'],
  ]
  assert.deepEqual(read([left, left, right, right], ...values), [null, 'x', null, 'y'])
})

test('bytes that end early, or go on, are none of a record', () => {
  assert.throws(() => read(['string'], long(5n), Buffer.from('abc')), Misread)
  assert.throws(() => read(['long'], long(5n), Buffer.from([0])), Misread)
  assert.throws(() => read(['long'], Buffer.alloc(11, 0xff)), Misread)
  assert.throws(() => read(['double'], Buffer.alloc(7)), Misread)
  assert.throws(() => read(['boolean'], Buffer.from([2])), Misread)
  assert.throws(() => read([['null', 'long']], long(2n), long(1n)), Misread)
  assert.throws(() => read(['string'], long(-1n)), Misread)
  assert.throws(() => read(['string'], bytes(Buffer.from([0xff]))), Misread)
  const huge = { type: 'array', items: 'long' }
  assert.throws(() => read([huge], long(2n ** 62n)), Misread)
  const nothing = shapeOfAvro({
    type: 'array',
    items: { type: 'record', name: 'N', fields: [] },
  })
  const wire = new AvroWire()
  wire.begin(long(2n ** 40n), 0, 6)
  assert.throws(() => wire.skip(nothing), Misread)
})
