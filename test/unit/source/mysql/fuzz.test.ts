import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { Charsets } from '../../../../src/dialect/mysql/charset-wide.ts'
import { neutralType } from '../../../../src/dialect/mysql/types.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { Out } from '../../../../src/model/out.ts'
import { Bytes } from '../../../../src/source/mysql/log/bytes.ts'
import * as control from '../../../../src/source/mysql/log/control.ts'
import { DomainPosition } from '../../../../src/source/mysql/log/domains.ts'
import { RawEvent, TYPE } from '../../../../src/source/mysql/log/event.ts'
import { type LogEvent, LogReader } from '../../../../src/source/mysql/log/events.ts'
import { GtidSet } from '../../../../src/source/mysql/log/gtid.ts'
import { Packets } from '../../../../src/source/mysql/log/packets.ts'
import { decodePayload } from '../../../../src/source/mysql/log/payload.ts'
import { decodeQuery } from '../../../../src/source/mysql/log/query.ts'
import { decodeTaggedGtid } from '../../../../src/source/mysql/log/tagged-gtid.ts'
import { applyDiffs, decodeDiffs, parsePath } from '../../../../src/source/mysql/rows/json-diff.ts'
import { decodeJson, printJson } from '../../../../src/source/mysql/rows/json-value.ts'
import { cellPlan } from '../../../../src/source/mysql/rows/plan.ts'
import { decodeRowEvent } from '../../../../src/source/mysql/rows/rows.ts'
import { decodeTableMap } from '../../../../src/source/mysql/rows/table-map.ts'
import { readTrace, retold, type Trace, traced } from '../../../../testkit/binlog-traces/trace.ts'

const named = new Set(['HF-L107', 'HF-L112', 'HF-L114', 'HF-D405', 'HF-D411'])

/** Damaged bytes may be read as something; what they may not is end in anything but a Fault. */
function onlyFaults(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof Fault) || !named.has(error.code)) throw error
  }
}

const bytes = fc
  .uint8Array({ maxLength: 120 })
  .map((array) => Buffer.from(array.buffer, array.byteOffset, array.length))

/** Bytes in which lengths are small, or as large as they get. */
const tricky = fc
  .array(fc.oneof(fc.nat(12), fc.constantFrom(0xfb, 0xfc, 0xfd, 0xfe, 0xff), fc.nat(255)), {
    maxLength: 200,
  })
  .map((array) => Buffer.from(array))

const any = fc.oneof(bytes, tricky)

const parsers: Readonly<Record<string, (body: Buffer) => void>> = {
  format: (body) => control.decodeFormat(body),
  rotate: (body) => control.decodeRotate(body),
  gtid: (body) => control.decodeGtid(new Bytes(body, 'a GTID'), new control.Origins()),
  'tagged GTID': (body) => decodeTaggedGtid(body),
  'domain GTID': (body) => control.decodeDomainGtid(new Bytes(body, 'a GTID'), 1),
  'domain list': (body) => control.decodeDomainList(body),
  query: (body) => decodeQuery(TYPE.query, body),
  'compressed query': (body) => decodeQuery(TYPE.queryCompressed, body),
  XA: (body) => control.decodeXaPrepare(body),
  incident: (body) => control.decodeIncident(body),
  'table map': (body) => decodeTableMap(body, { short: false, mariadb: false }),
  'GTID set': (body) => GtidSet.decode(body),
  payload: (body) => decodePayload(body),
  'row event': (body) => decodeRowEvent(TYPE.updateRows, new Bytes(body, 'a row event'), false),
  'compressed rows': (body) =>
    decodeRowEvent(TYPE.writeRowsCompressedV1, new Bytes(body, 'a row event'), false),
  JSON: (body) => printJson(decodeJson(body)),
  'JSON steps': (body) => applyDiffs({ kind: 'array', elements: [] }, decodeDiffs(body)),
  packets: (body) => new Packets(0).push(body, () => {}),
  event: (body) => new RawEvent().read(body, 0, body.length),
  'event with a checksum': (body) =>
    Object.assign(new RawEvent(), { checksum: 'crc32' as const }).read(body, 0, body.length),
}

for (const [name, parse] of Object.entries(parsers)) {
  test(`arbitrary bytes as ${name} end in a fault or a value`, () => {
    fc.assert(
      fc.property(any, (body) => onlyFaults(() => parse(body))),
      { numRuns: 600 },
    )
  })
}

test('arbitrary text as a GTID set, a position or a path ends in a fault or a value', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (text) => {
      onlyFaults(() => GtidSet.parse(text))
      onlyFaults(() => DomainPosition.parse(text))
      onlyFaults(() => parsePath(`$${text}`))
      onlyFaults(() => neutralType(text))
    }),
    { numRuns: 1000 },
  )
})

test('arbitrary JSON containers write no more than their bytes could mean', () => {
  const container = fc
    .tuple(fc.constantFrom(0, 1, 2, 3), fc.array(fc.nat(30), { minLength: 4, maxLength: 300 }))
    .map(([type, body]) => Buffer.from([type, ...body]))
  fc.assert(
    fc.property(container, (body) =>
      onlyFaults(() => {
        assert.ok(printJson(decodeJson(body)).length <= 64 * body.length + 64)
      }),
    ),
    { numRuns: 3000 },
  )
})

const home = { table: 's.t', charsets: Charsets.common }

const natives = [
  'bigint unsigned',
  'decimal(20,5)',
  'double',
  'bit(10)',
  'date',
  'time(6)',
  'datetime(3)',
  'timestamp(6)',
  'year',
  'varchar(300) character set latin1',
  'text character set utf8mb4',
  'char(9) character set ucs2',
  'binary(4)',
  'blob',
  `enum('a','b')`,
  `set('p','q')`,
  'json',
  'geometry',
  'uuid',
  'inet6',
  'varchar(10) character set utf8mb4',
]

test('arbitrary bytes as a cell of any type end in a fault or a cell', () => {
  const logged = fc.record({
    type: fc.constantFrom(
      ...Array.from({ length: 20 }, (_, i) => i),
      140,
      141,
      242,
      245,
      246,
      247,
      248,
      252,
      254,
      255,
    ),
    meta: fc.oneof(fc.nat(8), fc.nat(70), fc.nat(0xffff)),
  })
  fc.assert(
    fc.property(logged, fc.constantFrom(...natives), any, (column, native, body) =>
      onlyFaults(() => {
        const declared = { name: 'c', native, type: neutralType(native) }
        const plan = cellPlan({ ...column, nullable: true, notes: {} }, declared, home)
        const out = new Out()
        out.begin(1)
        out.open()
        plan.decode(new Bytes(body, 'a row event'), out)
        out.close()
        // Only what is compressed, and padding, can be longer than its bytes.
        const short = ![140, 141].includes(column.type) && !native.startsWith('binary')
        if (short) assert.ok(out.size <= 64 * body.length + 200)
      }),
    ),
    { numRuns: 6000 },
  )
})

/** The event with its size and checksum put right, so that what is inside of it is read. */
function sealed(event: Buffer): Buffer<ArrayBuffer> {
  const whole = Buffer.from(event)
  if (whole.length < 23) return whole
  whole.writeUInt32LE(whole.length, 9)
  whole.writeUInt32LE(crc32(whole.subarray(0, -4)), whole.length - 4)
  return whole
}

const damage = fc.array(
  fc.record({
    event: fc.nat(10_000),
    how: fc.constantFrom('flip', 'set', 'cut', 'grow', 'swap', 'drop'),
    at: fc.nat(10_000),
    to: fc.constantFrom(0, 1, 0x7f, 0x80, 0xfb, 0xfc, 0xfd, 0xfe, 0xff),
  }),
  { minLength: 1, maxLength: 4 },
)

function damaged(
  events: readonly Buffer[],
  all: typeof damage extends fc.Arbitrary<infer T> ? T : never,
): Buffer[] {
  const copy = events.map((event) => Buffer.from(event))
  for (const { event, how, at, to } of all) {
    const index = event % copy.length
    const one = copy[index]
    if (one === undefined) continue
    const place = 19 + (at % Math.max(1, one.length - 23))
    if (how === 'drop') copy.splice(index, 1)
    else if (how === 'swap') copy.splice(index, 0, ...copy.splice((index + 1) % copy.length, 1))
    else if (how === 'cut') copy[index] = sealed(one.subarray(0, Math.max(23, place)))
    else if (how === 'grow') copy[index] = sealed(Buffer.concat([one, Buffer.alloc(at % 40, to)]))
    else {
      one[place] = how === 'set' ? to : (one[place] ?? 0) ^ (1 << (to & 7))
      copy[index] = sealed(one)
    }
    if (copy.length === 0) break
  }
  return copy
}

for (const kind of traced) {
  test(`the recorded log of ${kind}, damaged anywhere, ends in a fault or is read`, async () => {
    const trace = await readTrace(kind)
    const property = fc.asyncProperty(damage, async (all) => {
      const broken: Trace = { ...trace, events: damaged(trace.events, all) }
      try {
        await retold(broken)
      } catch (error) {
        const unknown = error instanceof Error && /trace does not describe/.test(error.message)
        if (!unknown && (!(error instanceof Fault) || !named.has(error.code))) throw error
      }
    })
    await fc.assert(property, { numRuns: 120 })
  })
}

test('an undamaged log is read whole by the same means', async () => {
  for (const kind of traced) {
    const { events } = await readTrace(kind)
    const reader = new LogReader()
    const into: LogEvent[] = []
    for (const event of events) assert.equal(reader.take(sealed(event), into), null)
    assert.ok(into.length > 50)
  }
})
