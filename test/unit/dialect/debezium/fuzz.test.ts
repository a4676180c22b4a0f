import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Decoder } from '../../../../src/dialect/debezium/decoder.ts'
import type { DebeziumRecord } from '../../../../src/dialect/debezium/event.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { readTrace } from '../../../../testkit/debezium-traces/trace.ts'
import { decoderOf } from './replay.ts'

const CODES = new Set(['HF-K301', 'HF-K302', 'HF-K303', 'HF-K307'])

/** What becomes of a record: its event, or the fault that names where it stands. */
function outcome(decoder: Decoder, record: DebeziumRecord): 'event' | 'fault' {
  try {
    decoder.decode(record)
    return 'event'
  } catch (error) {
    assert.ok(error instanceof Fault, `${String(error)} ${(error as Error).stack}`)
    assert.ok(CODES.has(error.code), error.code)
    const { offset, partition, topic } = record
    const where = `offset ${offset} of partition ${partition} of the topic ${topic}`
    assert.ok(error.message.includes(where), error.message)
    return 'fault'
  }
}

for (const name of ['postgres-precise', 'postgres-avro', 'mysql-precise', 'mysql-avro']) {
  test(`${name}: a record with broken bytes is an event or a fault that says where`, async () => {
    const trace = await readTrace(name)
    const { decoder, close } = await decoderOf(trace)
    try {
      await decoder.prepare(trace.records, AbortSignal.timeout(10_000))
      const whole = trace.records.filter(({ value }) => value !== null)
      for (const record of trace.records) outcome(decoder, record)
      const pick = fc.constantFrom(...whole)
      const spot = fc.double({ min: 0, max: 0.999, noNaN: true })
      fc.assert(
        fc.property(pick, spot, fc.nat(255), (record, at, byte) => {
          const value = Buffer.from(record.value ?? '')
          value[Math.floor(at * value.length)] = byte
          outcome(decoder, { ...record, value })
        }),
        { numRuns: 300 },
      )
      fc.assert(
        fc.property(pick, spot, (record, at) => {
          const value = Buffer.from(record.value ?? '')
          const cut = value.subarray(0, Math.floor(at * value.length))
          assert.equal(outcome(decoder, { ...record, value: cut }), 'fault')
        }),
        { numRuns: 200 },
      )
      fc.assert(
        fc.property(pick, fc.uint8Array({ minLength: 1 }), (record, more) => {
          const value = Buffer.concat([record.value ?? Buffer.alloc(0), Buffer.from(more)])
          const blank = more.every((byte) => [0x20, 0x09, 0x0a, 0x0d].includes(byte))
          if (!blank) assert.equal(outcome(decoder, { ...record, value }), 'fault')
        }),
        { numRuns: 100 },
      )
    } finally {
      close()
    }
  })
}

test('a record that is nothing at all is a fault', () => {
  const decoder = new Decoder({ registry: null })
  for (const text of [
    '',
    'x',
    '{}',
    '[]',
    'null',
    '{"schema":{}}',
    '{"schema":{},"payload":1}',
    '\0',
    '\0\0\0\0\u0001',
  ]) {
    const place = { topic: 't', partition: 3, offset: 7n, key: null, headers: [] }
    assert.equal(outcome(decoder, { ...place, value: Buffer.from(text) }), 'fault')
  }
})
