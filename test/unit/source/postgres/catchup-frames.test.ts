import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Messages, RowFrames } from '../../../../src/source/postgres/windows/frames.ts'

const FILE_HEAD = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')

function message(tag: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(tag, 0, 'latin1')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** What a server sends for a COPY of these values, with a notice in between. */
function copyOf(values: readonly Buffer[]): Buffer {
  const rows = values.map((value, i) => {
    const head = Buffer.alloc(6)
    head.writeUInt16BE(1, 0)
    head.writeInt32BE(value.length, 2)
    return message('d', Buffer.concat([i === 0 ? FILE_HEAD : Buffer.alloc(0), head, value]))
  })
  const tail =
    values.length === 0 ? [FILE_HEAD, Buffer.from([255, 255])] : [Buffer.from([255, 255])]
  return Buffer.concat([
    message('H', Buffer.from([1, 0, 1, 0, 1])),
    ...rows.slice(0, 1),
    message('N', Buffer.from('SWARNING\0\0')),
    ...rows.slice(1),
    message('d', Buffer.concat(tail)),
    message('c', Buffer.alloc(0)),
    message('C', Buffer.from('COPY 1\0')),
    message('Z', Buffer.from('I')),
  ])
}

function valuesOf({ buffer, ends }: Messages): string[] {
  return Array.from({ length: ends.length / 2 }, (_, i) =>
    buffer.toString('latin1', ends[2 * i], ends[2 * i + 1]),
  )
}

const values = fc.array(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  { maxLength: 12 },
)

test('values are found wherever the reads cut the bytes', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 60 })
  fc.assert(
    fc.property(values, cuts, (wanted, sizes) => {
      const bytes = copyOf(wanted)
      const [got, others]: [string[], string[]] = [[], []]
      const frames = new RowFrames()
      const to = {
        rows: (messages: Messages): unknown => got.push(...valuesOf(messages)),
        other: (tag: number): unknown => others.push(String.fromCharCode(tag)),
      }
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length] ?? 1
        frames.push(bytes.subarray(at, at + size), to)
        at += size
      }
      assert.deepEqual(
        got,
        wanted.map((value) => value.toString('latin1')),
      )
      assert.deepEqual(others.join(''), 'HNcCZ')
    }),
  )
})

test('a row of anything but one value is refused', () => {
  const frames = new RowFrames()
  const sink = { rows: () => undefined, other: () => undefined }
  const row = message('d', Buffer.concat([FILE_HEAD, Buffer.from([0, 2, 0, 0, 0, 1, 7])]))
  assert.throws(() => frames.push(row, sink), /not one value/)
  const long = new RowFrames()
  assert.throws(() => long.push(Buffer.from([0x64, 0xff, 0xff, 0xff, 0xff]), sink), /length/)
})

test('a long message is put together as it comes, whatever is around it', () => {
  const long = Buffer.alloc(3 << 20, 'abcdefg')
  const wanted = [Buffer.from('x'), long, Buffer.from('y')]
  const bytes = copyOf(wanted)
  for (const size of [1 << 16, 700_001, (2 << 20) + 1]) {
    const got: string[] = []
    const frames = new RowFrames()
    const sink = {
      rows: (messages: Messages): unknown => got.push(...valuesOf(messages)),
      other: () => undefined,
    }
    for (let at = 0; at < bytes.length; at += size) frames.push(bytes.subarray(at, at + size), sink)
    assert.ok(got.length === 3 && got.every((value, i) => value === wanted[i]?.toString('latin1')))
    assert.equal(frames.held, 0)
  }
})
