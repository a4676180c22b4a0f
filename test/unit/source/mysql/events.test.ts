import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, zstdCompressSync } from 'node:zlib'
import { Fault } from '../../../../src/model/fault.ts'
import { RawEvent, TYPE } from '../../../../src/source/mysql/log/event.ts'
import { type LogEvent, LogReader } from '../../../../src/source/mysql/log/events.ts'
import { commandPacket, Packets } from '../../../../src/source/mysql/log/packets.ts'
import { eventsPiecemeal } from '../../../../src/source/mysql/log/payload.ts'
import { readTrace } from '../../../../testkit/binlog-traces/trace.ts'

function faultOf(code: string, words?: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof Fault &&
    error.code === code &&
    (words === undefined || words.test(error.message))
}

/** An event as a server without checksums sends it. */
function event(type: number, body: Buffer, end = 0): Buffer {
  const head = Buffer.alloc(19)
  head.writeUInt32LE(1, 0)
  head[4] = type
  head.writeUInt32LE(19 + body.length, 9)
  head.writeUInt32LE(end, 13)
  return Buffer.concat([head, body])
}

function format(version = '8.4.0', sums = 0): Buffer {
  const body = Buffer.alloc(2 + 50 + 4 + 1 + 42 + 1 + 4)
  body.writeUInt16LE(4, 0)
  body.write(version, 2)
  body[56] = 19
  body[99] = sums
  const whole = event(TYPE.format, body)
  whole.writeUInt32LE(crc32(whole.subarray(0, -4)), whole.length - 4)
  return whole
}

function read(...all: readonly Buffer[]): LogEvent[] {
  const reader = new LogReader()
  const events: LogEvent[] = []
  for (const bytes of [format(), ...all]) assert.equal(reader.take(bytes, events), null)
  return events.slice(1)
}

test('M33 a flipped bit is found by the checksum, wherever it is', async () => {
  const { events } = await readTrace('mysql-9')
  const rows = events.find((bytes) => bytes[4] === TYPE.writeRows)
  assert.ok(rows !== undefined)
  const raw = new RawEvent()
  raw.checksum = 'crc32'
  assert.equal(raw.read(rows, 0, rows.length).type, TYPE.writeRows)
  for (let at = 0; at < rows.length; at++) {
    for (const bit of [1, 128]) {
      const flipped = Buffer.from(rows)
      flipped[at] = (flipped[at] ?? 0) ^ bit
      assert.throws(() => raw.read(flipped, 0, flipped.length), faultOf('HF-L107'))
    }
  }
})

test('M12 an event of an unknown type stops the reading by its number', () => {
  for (const type of [43, 90, 159, 172, 255, 0, 1]) {
    assert.throws(
      () => read(event(type, Buffer.alloc(8))),
      faultOf('HF-L107', new RegExp(`${type}`)),
    )
  }
})

test('M32 an incident is a hole in the log, in the server’s words', () => {
  const words = 'error writing to the binary log'
  const body = Buffer.concat([Buffer.from([1, 0, words.length]), Buffer.from(words)])
  assert.throws(() => read(event(TYPE.incident, body)), faultOf('HF-L112', new RegExp(words)))
})

test('what is logged for statements is told apart from what says nothing', () => {
  const said = read(
    event(TYPE.intvar, Buffer.alloc(9)),
    event(9, Buffer.alloc(20)),
    event(TYPE.stop, Buffer.alloc(0)),
    event(TYPE.viewChange, Buffer.alloc(52)),
    event(TYPE.anonymousGtid, Buffer.alloc(42)),
    event(TYPE.heartbeatV2, Buffer.alloc(30)),
  )
  assert.deepEqual(
    said.map(({ kind }) => kind),
    ['statement', 'load', 'stop', 'anonymous', 'heartbeat'],
  )
})

test('M35 places beyond 4 GiB are told from their low halves', () => {
  const xid = (end: number): Buffer => event(TYPE.xid, Buffer.alloc(8), end)
  const said = read(xid(0xfffffff0), xid(0x10), xid(0xffffff00), xid(0x20))
  assert.deepEqual(
    said.map(({ end }) => end),
    [0xfffffff0, 0x100000010, 0x1ffffff00, 0x200000020],
  )
})

test('rows of a table that was not described stop the reading', () => {
  const body = Buffer.alloc(12)
  body[0] = 7
  body.writeUInt16LE(2, 8)
  assert.throws(() => read(event(TYPE.writeRows, body)), faultOf('HF-L107', /did not describe/))
})

function payload(fields: readonly (readonly [number, number])[], content: Buffer): Buffer {
  const long = (value: number): Buffer => {
    const bytes = Buffer.alloc(9, 0xfe)
    bytes.writeBigUInt64LE(BigInt(value), 1)
    return bytes
  }
  const tlv = fields.flatMap(([field, value]) => [Buffer.from([field, 9]), long(value)])
  return event(TYPE.transactionPayload, Buffer.concat([...tlv, Buffer.from([0]), content]))
}

test('M14 a payload that claims what it does not hold is refused', () => {
  const inner = event(TYPE.xid, Buffer.alloc(8))
  const packed = zstdCompressSync(inner)
  const whole = (size: number, length = packed.length): Buffer =>
    payload(
      [
        [1, length],
        [2, 0],
        [3, size],
      ],
      packed,
    )
  assert.deepEqual(
    read(whole(inner.length)).map(({ kind }) => kind),
    ['xid'],
  )
  assert.throws(() => read(whole(inner.length - 1)), faultOf('HF-L107'))
  assert.throws(() => read(whole(inner.length + 1)), faultOf('HF-L107'))
  assert.throws(() => read(whole(inner.length, 3)), faultOf('HF-L107'))
  const bomb = zstdCompressSync(Buffer.alloc(1 << 20))
  const claim = [
    [1, bomb.length],
    [2, 0],
    [3, 100],
  ] as const
  assert.throws(() => read(payload(claim, bomb)), faultOf('HF-L107'))
  const nested = payload([[1, packed.length]], packed)
  assert.throws(() => read(payload([[1, nested.length]], nested)), faultOf('HF-L107'))
})

test('M14 a payload that is unpacked piece by piece is never larger than it claims', async () => {
  const inner = event(TYPE.xid, Buffer.alloc(8))
  const many = Buffer.concat(Array.from({ length: 50_000 }, () => inner))
  const content = zstdCompressSync(many)
  const count = async (size: number): Promise<number> => {
    let found = 0
    const pieces = eventsPiecemeal({ compression: 'zstd', content, size })
    for await (const events of pieces) found += events.length
    return found
  }
  assert.equal(await count(many.length), 50_000)
  await assert.rejects(count(many.length - 27), faultOf('HF-L107'))
  await assert.rejects(count(many.length + 1), faultOf('HF-L107'))
  const first = eventsPiecemeal({ compression: 'zstd', content, size: 27 })[Symbol.asyncIterator]()
  await assert.rejects(first.next(), faultOf('HF-L107', /longer than it claims/))
})

test('packets are cut alike however their bytes arrive', () => {
  const payloads = [
    Buffer.from('a'),
    Buffer.alloc(0),
    Buffer.alloc(300, 1),
    Buffer.alloc(0xffffff, 2),
  ]
  const stream: Buffer[] = []
  let sequence = 1
  const packet = (body: Buffer): void => {
    const head = Buffer.alloc(4)
    head.writeUIntLE(body.length, 0, 3)
    head[3] = sequence++ & 0xff
    stream.push(head, body)
  }
  for (const body of payloads) {
    packet(body)
    if (body.length === 0xffffff) packet(Buffer.from('rest'))
  }
  const bytes = Buffer.concat(stream)
  for (const size of [1, 7, 4096, 1 << 20, bytes.length]) {
    const packets = new Packets(1)
    const taken: number[] = []
    // Small pieces only around the borders: the large one in one piece.
    const from = size < 4096 ? bytes.length - 40 : 0
    const take = (_: Buffer, start: number, end: number): number => taken.push(end - start)
    if (from > 0) packets.push(bytes.subarray(0, from), take)
    for (let at = from; at < bytes.length; at += size) {
      packets.push(bytes.subarray(at, at + size), take)
    }
    assert.deepEqual(taken, [1, 0, 300, 0xffffff + 4], `in pieces of ${size}`)
  }
  const wrong = new Packets(1)
  assert.throws(() => wrong.push(commandPacket(1), () => {}), faultOf('HF-L107', /out of order/))
})
