import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { Frames, Room, Unanswered } from '../../../../src/dialect/kafka/frames.ts'

/** As it is sent: its length before it. */
function sent(answer: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(answer.length)
  return Buffer.concat([length, answer])
}

/** What the frames make of these bytes, which come in pieces of these sizes, again and again. */
function taken(frames: Frames, bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const answers: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const { next } = frames
    assert.ok(next.length > 0)
    const count = Math.min(sizes[i % sizes.length] ?? 1, next.length, bytes.length - at)
    bytes.copy(next, 0, at, at + count)
    answers.push(...frames.take(count))
    at += count
  }
  return answers
}

suite('answers of a connection', () => {
  test('are put together, in whatever pieces they come', () => {
    const answers = fc.array(fc.integer({ min: 4, max: 200_000 }), { minLength: 1, maxLength: 8 })
    const pieces = fc.array(fc.integer({ min: 1, max: 150_000 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(answers, pieces, (lengths, sizes) => {
        const some = lengths.map((length, i) => Buffer.alloc(length, `${i} of many `))
        const frames = new Frames(new Room())
        const found = taken(frames, Buffer.concat(some.map(sent)), [...sizes, 70_000])
        assert.equal(found.length, some.length)
        for (const [i, answer] of found.entries()) assert.deepEqual(answer, some[i])
      }),
      { numRuns: 60 },
    )
  })

  test('stand in memory that was given back, and in no other that is looked at', () => {
    const room = new Room()
    const frames = new Frames(room)
    const take = (length: number, fill: string): Buffer => {
      const [answer] = taken(frames, sent(Buffer.alloc(length, fill)), [1 << 20])
      assert.ok(answer)
      return answer
    }
    const first = take(1_500_000, 'a')
    const second = take(1_500_000, 'b')
    assert.notEqual(first.buffer, second.buffer)
    assert.ok(first.buffer instanceof ArrayBuffer)
    room.give(first.buffer)
    const third = take(1_900_000, 'c')
    assert.equal(third.buffer, first.buffer)
    assert.ok(third.equals(Buffer.alloc(1_900_000, 'c')))
    assert.ok(second.equals(Buffer.alloc(1_500_000, 'b')))
  })

  test('of a server that speaks TLS, or no broker at all, are refused', () => {
    const alert = Buffer.from([0x15, 3, 3, 0, 2, 2, 70])
    assert.throws(() => taken(new Frames(new Room()), alert, [7]), isUnanswered(/TLS/))
    const short = Buffer.from([0, 0, 0, 2, 1, 1])
    assert.throws(() => taken(new Frames(new Room()), short, [6]), isUnanswered(/none of a broker/))
  })
})

function isUnanswered(words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof Unanswered && words.test(error.message)
}
