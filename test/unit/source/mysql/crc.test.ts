import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { crc32Of } from '../../../../src/source/mysql/log/crc.ts'

test('the checksum of few bytes is that of many', () => {
  const bytes = Buffer.from(Array.from({ length: 600 }, (_, i) => (i * 131 + (i >> 3)) & 0xff))
  for (let end = 0; end <= bytes.length; end++) {
    assert.equal(crc32Of(bytes, 0, end), crc32(bytes.subarray(0, end)), `${end} bytes`)
    const from = Math.min(end, 7)
    assert.equal(crc32Of(bytes, from, end), crc32(bytes.subarray(from, end)), `${end} bytes`)
  }
})
