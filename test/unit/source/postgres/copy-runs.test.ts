import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Fault } from '../../../../src/model/fault.ts'
import {
  bodiesOf,
  COPY_DATA,
  CopyRuns,
} from '../../../../src/source/postgres/snapshot/copy-runs.ts'

function message(tag: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head[0] = tag
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

interface Cut {
  /** In the order in which they came: runs, and the bodies of others. */
  readonly got: Buffer[]
  readonly others: Buffer[]
}

function cut(chunks: readonly Buffer[]): Cut {
  const [got, others]: Buffer[][] = [[], []] as [Buffer[], Buffer[]]
  const runs = new CopyRuns({
    run: (messages) => got?.push(messages),
    other: ({ tag, body }) => {
      got?.push(message(tag, body))
      others?.push(body)
    },
  })
  for (const chunk of chunks) runs.push(chunk)
  return { got: got ?? [], others: others ?? [] }
}

function chunksOf(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    chunks.push(Buffer.from(bytes.subarray(at, at + size)))
    at += size
  }
  return chunks
}

const tags = fc.oneof({ weight: 4, arbitrary: fc.constant(COPY_DATA) }, fc.constant(0x43))

test('runs are whole messages in their order, however the bytes are cut', () => {
  const sent = fc.array(fc.tuple(tags, fc.uint8Array({ maxLength: 20 })))
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 })
  fc.assert(
    fc.property(sent, sizes, (messages, cuts) => {
      const bytes = Buffer.concat(messages.map(([tag, body]) => message(tag, body)))
      const { got, others } = cut(chunksOf(bytes, cuts))
      assert.deepEqual(Buffer.concat(got), bytes)
      const wanted = messages.filter(([tag]) => tag !== COPY_DATA).map(([, body]) => [...body])
      assert.deepEqual(
        others.map((body) => [...body]),
        wanted,
      )
      // Throws unless the messages of each run are whole.
      const bodies = got.filter((run) => run[0] === COPY_DATA).map(bodiesOf)
      const data = messages.filter(([tag]) => tag === COPY_DATA).map(([, body]) => body)
      assert.deepEqual(Buffer.concat(bodies), Buffer.concat(data))
    }),
  )
})

test('messages within one chunk are one run and are not copied', () => {
  const chunk = Buffer.concat(['a', 'bc', ''].map((text) => message(COPY_DATA, Buffer.from(text))))
  const { got } = cut([chunk])
  assert.equal(got.length, 1)
  assert.equal(got[0]?.buffer, chunk.buffer)
})

test('a message of megabytes that comes in small pieces is whole, and held in one buffer', () => {
  const bytes = message(COPY_DATA, Buffer.alloc(3 << 20, 'x'))
  const { got } = cut(chunksOf(bytes, [3, 65_536]))
  assert.equal(got.length, 1)
  assert.equal(got[0]?.buffer.byteLength, bytes.length)
  assert.ok(got[0]?.equals(bytes))
})

test('a length that no server writes is refused before anything is kept', () => {
  for (const length of [0, 3, 0x40000001, 0xffffffff]) {
    const head = Buffer.from([COPY_DATA, 0, 0, 0, 0])
    head.writeUInt32BE(length, 1)
    for (const chunks of [[head], [head.subarray(0, 2), head.subarray(2)]]) {
      assert.throws(
        () => cut(chunks),
        (error) => error instanceof Fault && error.code === 'HF-L107',
      )
    }
  }
})
