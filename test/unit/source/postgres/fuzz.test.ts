import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Session } from '../../../../src/dialect/postgres/connect.ts'
import { canonicalTuples, framedValues } from '../../../../src/dialect/postgres/values.ts'
import type { StreamItem } from '../../../../src/model/change.ts'
import { Fault } from '../../../../src/model/fault.ts'
import type { Table } from '../../../../src/model/table.ts'
import { locate, tupleOf, unframe } from '../../../../src/model/tuple.ts'
import { Decoder } from '../../../../src/source/postgres/log/pgoutput.ts'
import { Transactions } from '../../../../src/source/postgres/log/transactions.ts'
import { Walsender, XLOG_HEAD } from '../../../../src/source/postgres/log/walsender.ts'
import { errorOf, Framer, fieldsOf } from '../../../../src/source/postgres/log/wire.ts'
import { formatLsn, parseLsn, positionsAt } from '../../../../src/source/postgres/position.ts'
import { readMark } from '../../../../src/source/postgres/schema/shape.ts'
import { copyOut } from '../../../../src/source/postgres/snapshot/copy-out.ts'
import { apart } from '../../../../testkit/memory/runs.ts'
import { textTable } from '../../../../testkit/memory/tables.ts'
import { keepalive, loadTrace, recordings, tableOf } from '../../../../testkit/pgoutput/trace.ts'
import { Line } from './line.ts'

// Whatever comes instead of what a server writes ends in a named fault, at once and in little
// memory, or is something that a server could have written.

const never = new AbortController().signal

function named(error: unknown, ...codes: readonly string[]): void {
  assert.ok(error instanceof Fault && codes.includes(error.code), String(error))
}

/** Runs work that may fail with these codes alone. */
function faultOnly(work: () => void, ...codes: readonly string[]): void {
  try {
    work()
  } catch (error) {
    named(error, ...codes)
  }
}

const traces = recordings.map((recording) =>
  loadTrace(recording)
    .filter(({ body }) => keepalive(body) === null)
    .map(({ body }) => body.subarray(XLOG_HEAD)),
)

/** One change of bytes: a bit, a byte, a length made huge, a cut, something in between. */
const bend = fc.oneof(
  fc.tuple(fc.nat(), fc.nat(7)).map(
    ([at, bit]) =>
      (bytes: Buffer) =>
        put(bytes, at, (old) => old ^ (1 << bit)),
  ),
  fc.tuple(fc.nat(), fc.nat(255)).map(
    ([at, to]) =>
      (bytes: Buffer) =>
        put(bytes, at, () => to),
  ),
  fc
    .tuple(fc.nat(), fc.constantFrom(0x7fffffff, 0xffffffff, 0x80000000, 0x3fffffff, 65_536))
    .map(([at, length]) => (bytes: Buffer) => {
      const out = Buffer.from(bytes)
      if (out.length >= 4) out.writeUInt32BE(length, at % (out.length - 3))
      return out
    }),
  fc.nat().map((end) => (bytes: Buffer) => bytes.subarray(0, end % (bytes.length + 1))),
  fc.tuple(fc.nat(), fc.uint8Array({ maxLength: 9 })).map(([at, more]) => (bytes: Buffer) => {
    const from = at % (bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, from), more, bytes.subarray(from)])
  }),
)

function put(bytes: Buffer, at: number, to: (old: number) => number): Buffer {
  const out = Buffer.from(bytes)
  const place = at % Math.max(1, out.length)
  if (out.length > 0) out[place] = to(out[place] ?? 0)
  return out
}

/** A recording in which some messages are bent, lost, repeated or swapped. */
const bent = fc
  .tuple(
    fc.constantFrom(...traces),
    fc.array(fc.tuple(fc.nat(), fc.oneof(bend, fc.constantFrom('lost', 'twice', 'swapped'))), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([trace, changes]) => {
    const messages = [...trace]
    for (const [at, change] of changes) {
      const i = at % messages.length
      const message = messages[i] ?? Buffer.alloc(0)
      if (typeof change === 'function') messages[i] = change(message)
      else if (change === 'lost') messages.splice(i, 1)
      else if (change === 'twice') messages.splice(i, 0, message)
      else messages.splice(i, 0, ...messages.splice(i + 1, 1))
    }
    return messages
  })

describe('the stream', () => {
  test('a bent recording ends in a fault or in whole messages', () => {
    fc.assert(
      fc.property(bent, (messages) => {
        const decoder = new Decoder()
        faultOnly(() => {
          for (const message of messages) {
            const decoded = decoder.decode(message)
            // What was let through can be walked to its end.
            if (!('oldFrom' in decoded)) continue
            const { buffer, from, to, oldFrom, oldTo } = decoded
            const offsets: number[] = []
            if (from >= 0) assert.equal(offsets[locate(buffer, offsets, from)], to)
            if (oldFrom >= 0) assert.equal(offsets[locate(buffer, offsets, oldFrom)], oldTo)
          }
        }, 'HF-L107')
      }),
      { numRuns: 3_000 },
    )
  })

  test('a bent recording never makes a transaction out of messages that belong to none', () => {
    let whole = false
    fc.assert(
      fc.property(bent, (messages) => {
        const decoder = new Decoder()
        const relations = new Map<number, Table>()
        const transactions = new Transactions({
          tables: {
            of(relation) {
              const known = relations.get(relation)
              if (known === undefined) throw new Fault('HF-L107', { what: 'not described' })
              return known
            },
            committed: () => undefined,
            aborted: () => undefined,
          },
          after: 0n,
          positions: (lsn) => positionsAt('1', lsn),
          convert: canonicalTuples(),
        })
        const items: StreamItem[] = []
        faultOnly(() => {
          for (const bytes of messages) {
            const message = decoder.decode(bytes)
            if (message.kind === 'relation') relations.set(message.id, tableOf(message))
            else transactions.take(message, items)
          }
        }, 'HF-L107')
        transactions.handOn(items)
        const ends = items
          .flatMap(apart)
          .flatMap((item) => ('positions' in item ? [...item.positions.values()] : []))
          .map(({ order }) => order)
        whole ||= ends.length > 0
        for (const [i, end] of ends.entries()) assert.ok(i === 0 || end > (ends[i - 1] ?? end))
      }),
      { numRuns: 1_000 },
    )
    assert.ok(whole, 'some recording had a transaction')
  })
})

describe('the connection', () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 })

  test('no length makes the framer keep more than has come', () => {
    const before = process.memoryUsage().arrayBuffers
    const framers: Framer[] = []
    for (let i = 0; i < 200; i++) {
      const head = Buffer.from([0x64, 0x3f, 0xff, 0xff, 0xff])
      const framer = new Framer()
      framer.push(head, () => assert.fail('no message'))
      framer.push(Buffer.alloc(100), () => assert.fail('no message'))
      framers.push(framer)
    }
    assert.equal(framers.length, 200)
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 << 20)
  })

  test('random chunks are messages or a fault', () => {
    fc.assert(
      fc.property(chunks, (pieces) => {
        const framer = new Framer()
        let bytes = 0
        faultOnly(() => {
          for (const piece of pieces) {
            framer.push(Buffer.from(piece), ({ body }) => {
              bytes += 5 + body.length
            })
          }
        }, 'HF-L107')
        assert.ok(bytes <= pieces.reduce((sum, { length }) => sum + length, 0))
      }),
      { numRuns: 3_000 },
    )
  })

  test('the fields of an error or a notice are texts, whatever stands there', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const body = Buffer.from(bytes)
        for (const [letter, text] of fieldsOf(body)) {
          assert.equal(letter.length, 1)
          assert.equal(typeof text, 'string')
        }
        const { code, message, severity } = errorOf(body)
        assert.ok([code, message, severity].every((text) => typeof text === 'string'))
      }),
      { numRuns: 2_000 },
    )
  })

  /** The messages of a server that may come on a stream or in a copy, with random bodies. */
  const frame = fc
    .tuple(
      fc.constantFrom(...Buffer.from('WdcECNSZAHKRTx')),
      fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(...traces.flat().slice(0, 50))),
    )
    .map(([tag, body]) => {
      const head = Buffer.alloc(5)
      head[0] = tag
      head.writeUInt32BE(body.length + 4, 1)
      return Buffer.concat([head, body])
    })
  const said = fc
    .tuple(fc.array(frame, { maxLength: 12 }), fc.option(bend))
    .map(([frames, change]) => {
      const bytes = Buffer.concat(frames)
      return change === null ? bytes : change(bytes)
    })

  test('whatever a server says to a copy, it ends with all rows or in a fault', async () => {
    await fc.assert(
      fc.asyncProperty(said, async (bytes) => {
        const line = new Line()
        const copied = Array.fromAsync(copyOut(line.session, 'copy', never))
        const ended = copied.then(
          () => null,
          (error: unknown) => ({ error }),
        )
        line.says(bytes)
        line.ends()
        const failed = await ended
        if (failed !== null) assert.ok(failed.error instanceof Fault, String(failed.error))
        else assert.ok(bytes.includes(0x63) && bytes.includes(0x5a))
      }),
      { numRuns: 1_500 },
    )
  })

  test('whatever a server says on a stream, it ends in a fault', async () => {
    await fc.assert(
      fc.asyncProperty(said, async (bytes) => {
        const line = new Line()
        const reading = read(line.session)
        line.says(bytes)
        line.ends()
        const error = await reading.catch((thrown: unknown) => thrown)
        assert.ok(error instanceof Fault, String(error))
      }),
      { numRuns: 1_000 },
    )
  })
})

async function read(session: Session): Promise<never> {
  const options = { slot: 's', after: 0n, protocol: 2, publications: ['p'], binary: true } as const
  await using walsender = await Walsender.start(session, {
    ...options,
    alive: async () => true,
    signal: never,
  })
  for (;;) await walsender.next()
}

describe('values', () => {
  const table: Table = {
    ...textTable({ id: '1', columns: ['a', 'b'], identity: { by: 'row' } }),
    columns: [
      { name: 'a', type: { kind: 'text' }, native: 'text', nullable: true },
      { name: 'b', type: { kind: 'bytes' }, native: 'bytea', nullable: true },
    ],
  }
  const likely = fc.array(
    fc.constantFrom('\t', '\n', '\\', '\\\\', '\\N', '\\x', '0', 'ff', 'é', 'xyz', '\\.'),
  )
  const copied = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    likely.map((parts) => Buffer.from(parts.join(''))),
  )

  test('whatever is copied becomes tuples of the table or a fault', async () => {
    await fc.assert(
      fc.asyncProperty(copied, fc.integer({ min: 1, max: 20 }), async (bytes, size) => {
        async function* pieces(): AsyncIterable<Buffer> {
          for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
        }
        try {
          for await (const framed of framedValues(table, pieces())) {
            for (const tuple of unframe(framed)) {
              const offsets: number[] = []
              assert.equal(locate(tuple, offsets), 2)
              assert.equal(offsets[2], tuple.length)
            }
          }
        } catch (error) {
          named(error, 'HF-L107')
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('whatever is streamed becomes a tuple or a fault', () => {
    const value = fc.option(
      fc.oneof(
        fc.string(),
        fc.string().map((s) => `\\x${s}`),
      ),
    )
    fc.assert(
      fc.property(value, value, (a, b) => {
        faultOnly(() => {
          const offsets: number[] = []
          const tuple = canonicalTuples()(tupleOf([a, b]), table)
          assert.equal(offsets[locate(tuple, offsets)], tuple.length)
        }, 'HF-L107')
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('positions', () => {
  test('any text is a position that is written the same way or a fault', () => {
    const likely = fc.tuple(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[0-9A-Fa-f/]*$/))
    fc.assert(
      fc.property(
        fc.oneof(
          likely.map(([a, b]) => a + b),
          likely.map(([, b]) => b),
        ),
        (text) => {
          faultOnly(() => {
            const lsn = parseLsn(text)
            assert.ok(lsn >= 0n && lsn < 1n << 64n)
            assert.equal(parseLsn(formatLsn(lsn)), lsn)
          }, 'HF-L107')
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('what was noted of a table is read or refused', () => {
    const table = textTable({ id: '1', columns: ['a'], identity: { by: 'row' } })
    const marks = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((columns) => `{"node":"1","columns":${columns}}`),
      fc.json().map((one) => `{"node":"1","columns":[${one}]}`),
    )
    fc.assert(
      fc.property(marks, (mark) => {
        faultOnly(() => {
          const read = readMark({ ...table, mark })
          assert.ok(read === null || read.columns.every(({ number }) => Number.isInteger(number)))
        }, 'HF-X108')
      }),
      { numRuns: 2_000 },
    )
  })
})
