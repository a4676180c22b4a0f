import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Out } from '../../../src/model/out.ts'
import { textsOf } from '../../../src/model/tuple.ts'

function written(write: (out: Out) => void): string {
  const out = new Out(16)
  out.start()
  write(out)
  return out.buffer.toString('utf8', out.base, out.base + out.size)
}

test('numbers are the digits that they are, whatever their size', () => {
  const whole = [0, 7, -7, 10, 99_999, 2 ** 31, -(2 ** 31), 2 ** 53 - 1, 1 - 2 ** 53]
  for (const value of whole)
    assert.equal(
      written((out) => out.integer(value)),
      String(value),
    )
  const large = [2n ** 64n, -(2n ** 63n)]
  for (const value of large)
    assert.equal(
      written((out) => out.integer(value)),
      String(value),
    )
  for (const size of [1, 2, 4, 6, 9, 12]) {
    for (const value of [0, 5, 42, 12_345]) {
      assert.equal(
        written((out) => out.padded(value, size)),
        String(value).padStart(size, '0'),
      )
    }
  }
})

test('what is not whole stays together, whatever is left behind and taken back', () => {
  const out = new Out(32)
  out.start()
  out.begin(3)
  out.open()
  out.text('é'.repeat(20))
  out.close()
  out.null()
  const size = out.size
  out.open()
  out.bytes(Buffer.from('gone'))
  assert.ok(out.holds(Buffer.from('gone')))
  assert.ok(!out.holds(Buffer.from('gon')))
  out.cut(size)
  out.open()
  out.ascii('kept')
  out.close()
  const tuple = out.buffer.subarray(out.base, out.base + out.size)
  assert.deepEqual(textsOf(tuple), ['é'.repeat(20), null, 'kept'])
})
