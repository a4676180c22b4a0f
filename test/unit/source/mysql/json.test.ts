import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from '../../../../src/model/fault.ts'
import { inflated } from '../../../../src/source/mysql/log/control.ts'
import { applyDiffs, decodeDiffs, parsePath } from '../../../../src/source/mysql/rows/json-diff.ts'
import { decodeJson, type Json, printJson } from '../../../../src/source/mysql/rows/json-value.ts'

function misread(words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof Fault && error.code === 'HF-L107' && words.test(error.message)
}

const SMALL_ARRAY = 2
const STRING = 12

function uint16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2)
  for (const [i, value] of values.entries()) bytes.writeUInt16LE(value, i * 2)
  return bytes
}

/** The body of an array with one entry, which points behind it. */
function around(type: number, inner: Buffer): Buffer {
  return Buffer.concat([uint16(1, 7 + inner.length), Buffer.from([type]), uint16(7), inner])
}

function nested(depth: number): Buffer {
  let body = uint16(0, 4)
  for (let i = 0; i < depth; i++) body = around(SMALL_ARRAY, body)
  return Buffer.concat([Buffer.from([SMALL_ARRAY]), body])
}

test('M45 a document is as deep as the server allows, and no deeper', () => {
  assert.equal(printJson(decodeJson(nested(99))), '['.repeat(100) + ']'.repeat(100))
  assert.throws(() => decodeJson(nested(200)), misread(/too deep/))
})

test('values that overlap are refused before they are written', () => {
  const count = 1000
  const text = Buffer.from('x'.repeat(100))
  const entries = Array.from({ length: count }, () =>
    Buffer.concat([Buffer.from([STRING]), uint16(4 + count * 3)]),
  )
  const size = 4 + count * 3 + 1 + text.length
  const body = [uint16(count, size), ...entries, Buffer.from([text.length]), text]
  const shared = Buffer.concat([Buffer.from([SMALL_ARRAY]), ...body])
  assert.throws(() => decodeJson(shared), misread(/overlap/))
})

test('a container that holds itself is refused', () => {
  const itself = Buffer.concat([
    Buffer.from([SMALL_ARRAY]),
    uint16(1, 7),
    Buffer.from([SMALL_ARRAY]),
    uint16(0),
  ])
  assert.throws(() => decodeJson(itself), misread(/outside its document/))
})

test('M45 a document without bytes is null', () => {
  assert.equal(printJson(decodeJson(Buffer.alloc(0))), 'null')
})

const document = (): Json => ({
  kind: 'object',
  members: [['a', { kind: 'array', elements: [{ kind: 'plain', text: '1' }] }]],
})

function step(operation: number, path: string, value?: Buffer): Buffer {
  const text = Buffer.from(path)
  const head = Buffer.concat([Buffer.from([operation, text.length]), text])
  return value === undefined ? head : Buffer.concat([head, Buffer.from([value.length]), value])
}

const two = Buffer.from([5, 2, 0])

test('M15 steps change a document, and those that do not fit are refused', () => {
  const after = (...steps: readonly Buffer[]): string =>
    printJson(applyDiffs(document(), decodeDiffs(Buffer.concat(steps))))
  assert.equal(after(step(0, '$.a[0]', two)), '{"a": [2]}')
  assert.equal(after(step(1, '$.a[0]', two), step(1, '$.bb', two)), '{"a": [2, 1], "bb": 2}')
  assert.equal(after(step(1, '$.""', two), step(2, '$.a')), '{"": 2}')
  assert.equal(after(step(0, '$', two)), '2')
  for (const wrong of [
    step(0, '$.b', two),
    step(1, '$.a', two),
    step(2, '$.a[5]'),
    step(0, '$.a.x', two),
    step(2, '$.b[0]'),
  ]) {
    assert.throws(() => after(wrong), misread(/does not fit/))
  }
  assert.throws(() => decodeDiffs(step(3, '$')), misread(/unknown step/))
})

test('paths are read as the server writes them', () => {
  assert.deepEqual(parsePath('$.a."b c"[3]."quo\\"ted".é1'), ['a', 'b c', 3, 'quo"ted', 'é1'])
  for (const wrong of ['', 'a', '$.', '$.*', '$[*]', '$[last]', '$**.a', '$.a b', '$."open']) {
    assert.throws(() => parsePath(wrong), misread(/path/), wrong)
  }
})

test('M13 what is compressed in another way is refused', () => {
  const zipped = Buffer.from('0103789c4b4c4a0600024d0127', 'hex')
  assert.equal(
    inflated(Buffer.concat([Buffer.from([0x81]), zipped.subarray(1)]), 99).toString(),
    'abc',
  )
  for (const head of [0x91, 0x01, 0x80, 0x85]) {
    const bytes = Buffer.concat([Buffer.from([head]), zipped.subarray(1)])
    assert.throws(() => inflated(bytes, 99), misread(/unknown way/))
  }
  const long = Buffer.concat([Buffer.from([0x81, 0x02]), zipped.subarray(2)])
  assert.throws(() => inflated(long, 99), misread(/length that it claims/))
  assert.throws(
    () => inflated(Buffer.concat([Buffer.from([0x81]), zipped.subarray(1)]), 2),
    misread(/claims 3/),
  )
})
