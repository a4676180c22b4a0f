import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Fault } from '../../../../src/model/fault.ts'
import { errorOf, Framer } from '../../../../src/source/postgres/log/wire.ts'

function framed(tag: number, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head[0] = tag
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function cutInto(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % Math.max(1, sizes.length)] ?? 1)
    chunks.push(Buffer.from(bytes.subarray(at, at + size)))
    at += size
  }
  return chunks
}

test('messages come out whole however the bytes are cut', () => {
  const messages = fc.array(fc.tuple(fc.integer({ min: 65, max: 122 }), fc.uint8Array()))
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 9 })), (sent, sizes) => {
      const bytes = Buffer.concat(sent.map(([tag, body]) => framed(tag, Buffer.from(body))))
      const got: [number, number[]][] = []
      const framer = new Framer()
      for (const chunk of cutInto(bytes, sizes)) {
        framer.push(chunk, ({ tag, body }) => got.push([tag, [...body]]))
      }
      assert.deepEqual(
        got,
        sent.map(([tag, body]) => [tag, [...body]]),
      )
    }),
  )
})

test('a body within one chunk is not copied', () => {
  const chunk = framed(0x64, Buffer.from('hello'))
  new Framer().push(chunk, ({ body }) => assert.equal(body.buffer, chunk.buffer))
})

test('a length that no server writes is refused before anything is kept', () => {
  for (const length of [0, 3, 0x40000001, 0xffffffff]) {
    const head = Buffer.from([0x64, 0, 0, 0, 0])
    head.writeUInt32BE(length, 1)
    assert.throws(
      () => new Framer().push(head, () => assert.fail('no message')),
      (error) => error instanceof Fault && error.code === 'HF-L107',
    )
  }
})

test('an error is read by its fields, and what is cut off is left out', () => {
  const body = Buffer.from('SFEHLER\0VERROR\0C55006\0Mslot is active\0Hcut of', 'latin1')
  assert.deepEqual(errorOf(body), { code: '55006', message: 'slot is active', severity: 'ERROR' })
  assert.deepEqual(errorOf(Buffer.alloc(0)), { code: 'XX000', message: '', severity: 'ERROR' })
})
