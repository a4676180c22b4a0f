import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createRecordsBatch, UnsupportedFormatError } from '@platformatic/kafka'
import type { Aborted } from '../../../../src/dialect/kafka/answer.ts'
import { type KafkaMessage, type Portion, Unread } from '../../../../src/dialect/kafka/records.ts'

const NOBODY = -1n
const [FIRST_OFFSET, CONTROL, TRANSACTIONAL] = [0, 0x20, 0x10]

interface Sent {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: bigint
  readonly headers?: Readonly<Record<string, string>>
}

interface How {
  readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly producerId?: bigint
  readonly attributes?: number
}

/** A batch as a client's own producer writes it, with the offset that a broker gives it. */
function batch(offset: bigint, sent: readonly Sent[], how: How = {}): Buffer {
  const { compression = 'none', producerId = NOBODY, attributes = 0 } = how
  const messages = sent.map(({ key, value, timestamp, headers = {} }) => ({
    topic: 't',
    ...(key === null ? {} : { key: Buffer.from(key) }),
    value: value === null ? (null as unknown as Buffer) : Buffer.from(value),
    timestamp,
    headers: new Map(
      Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)]),
    ),
  }))
  const bytes = Buffer.from(createRecordsBatch(messages, { compression, producerId }).buffer)
  bytes.writeBigInt64BE(offset, FIRST_OFFSET)
  bytes.writeInt16BE(bytes.readInt16BE(21) | attributes, 21)
  return bytes
}

/** The end of a transaction, as a broker writes it. */
function marker(offset: bigint, producerId: bigint, kind: 'abort' | 'commit'): Buffer {
  const key = Buffer.from([0, 0, 0, kind === 'abort' ? 0 : 1]).toString('latin1')
  const attributes = CONTROL | TRANSACTIONAL
  return batch(offset, [{ key, value: '', timestamp: 0n }], { producerId, attributes })
}

function unread(bytes: Buffer, from: bigint, aborted: readonly Aborted[] = []): Unread {
  const answer = { topicId: 'id', partition: 3, end: 1_000n, begin: 0n }
  return new Unread('t', from, { ...answer, aborted, records: bytes })
}

function takeAll(from: Unread, bytes: number): readonly Portion[] {
  const portions: Portion[] = []
  while (!from.isEmpty) portions.push(from.take(bytes))
  return portions
}

function told({ offset, key, value, timestamp, headers }: KafkaMessage): unknown {
  const texts = headers.map(([name, text]) => [String(name), String(text)])
  return [offset, key && String(key), value && String(value), timestamp, texts]
}

const many = (count: number, from = 0): readonly Sent[] =>
  Array.from({ length: count }, (_, i) => ({
    key: (from + i) % 3 === 0 ? null : `key ${from + i}`,
    value: (from + i) % 7 === 0 ? null : `${from + i} `.repeat(1 + ((from + i) % 300)),
    timestamp: 1_767_225_600_000n + BigInt(((from + i) * 7919) % 100_000),
    headers: (from + i) % 5 === 0 ? { a: 'ä', b: '' } : {},
  }))

const values = (portions: readonly Portion[]): (string | null)[] =>
  portions.flatMap(({ messages }) => messages.map(({ value }) => value && String(value)))

suite('records of a broker', () => {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    test(`are what was sent, compressed as ${compression}, in pieces of any size`, () => {
      const sizes = [1, 40, 700, 3]
      const sent = many(744)
      const batches: Buffer[] = []
      let at = 0
      for (const size of sizes) {
        batches.push(batch(BigInt(100 + at), sent.slice(at, at + size), { compression }))
        at += size
      }
      const wanted = sent.map(({ key, value, timestamp, headers = {} }, i) => {
        return [BigInt(100 + i), key, value, timestamp, Object.entries(headers)]
      })
      for (const bytes of [1, 20_000, 1 << 30]) {
        const from = unread(Buffer.concat(batches), 100n)
        const portions = takeAll(from, bytes)
        assert.deepEqual(
          portions.flatMap(({ messages }) => messages.map(told)),
          wanted,
        )
        assert.equal(portions.length, bytes === 1 ? 4 : bytes === 20_000 ? 2 : 1)
        assert.equal(portions.at(-1)?.next, 844n)
        assert.deepEqual(
          portions.map(({ asked }) => asked),
          portions.map((_, i) => i === 0),
        )
      }
    })
  }

  test('begin where it was asked for, inside a batch, and end before one that was cut off', () => {
    const first = batch(10n, many(5))
    const second = batch(20n, many(5))
    const from = unread(Buffer.concat([first, second.subarray(0, -1)]), 12n)
    assert.equal(from.next, 12n)
    const [portion, ...rest] = takeAll(from, 1)
    assert.deepEqual(rest, [])
    assert.deepEqual(
      portion?.messages.map(({ offset }) => offset),
      [12n, 13n, 14n],
    )
    assert.equal(portion?.next, 15n)
    assert.ok(unread(second.subarray(0, 11), 20n).isEmpty)
  })

  test('of aborted transactions are not shown, in whatever pieces they are taken', () => {
    const sent = (value: string): readonly Sent[] => [{ key: null, value, timestamp: 0n }]
    const of = (producerId: bigint): How => ({ producerId, attributes: TRANSACTIONAL })
    const bytes = Buffer.concat([
      batch(0n, sent('kept 1'), of(1n)),
      batch(1n, sent('given up'), of(2n)),
      batch(2n, sent('alone')),
      marker(3n, 1n, 'commit'),
      batch(4n, sent('given up, too'), of(2n)),
      marker(5n, 2n, 'abort'),
      batch(6n, sent('kept 2'), of(2n)),
      marker(7n, 2n, 'commit'),
    ])
    const aborted = [{ producerId: 2n, firstOffset: 1n }]
    for (const size of [1, 1 << 20]) {
      const portions = takeAll(unread(bytes, 0n, aborted), size)
      assert.deepEqual(values(portions), ['kept 1', 'alone', 'kept 2'])
      assert.equal(portions.at(-1)?.next, 8n)
    }
  })

  test('in a format that is not known, or that end too early, are refused', () => {
    const old = batch(0n, many(2))
    old[16] = 1
    assert.throws(() => unread(old, 0n), UnsupportedFormatError)
    // The lengths of the first record, of its key, and one that is none.
    for (const [at, byte] of [
      [61, 0x06],
      [65, 0x7e],
      [65, 0x7f],
    ] as const) {
      const broken = batch(0n, many(2, 1))
      broken[at] = byte
      assert.throws(() => takeAll(unread(broken, 0n), 1), UnsupportedFormatError)
    }
    const unknown = batch(0n, many(2), { attributes: 7 })
    assert.throws(() => takeAll(unread(unknown, 0n), 1), UnsupportedFormatError)
  })
})
