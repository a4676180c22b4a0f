import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decimal } from '../../../../src/dialect/debezium/decimals.ts'
import { Out } from '../../../../src/model/out.ts'

const LONGEST = 8
const SCALES = [0, 1, 2, 9, 10, 12, 15, 16, 20]

/** The digits with the point put in by hand. */
function expected(value: bigint, scale: number): string {
  const size = value < 0n ? -value : value
  const digits = String(size).padStart(scale + 1, '0')
  const at = digits.length - scale
  const behind = scale === 0 ? '' : `.${digits.slice(at)}`
  return `${value < 0n ? '-' : ''}${digits.slice(0, at)}${behind}`
}

function written(unscaled: Buffer, scale: number): string {
  const out = new Out()
  decimal(out, unscaled, scale)
  return out.buffer.toString('latin1', 0, out.at)
}

/** Numbers of so many bytes: the ends, and what is next to a power of ten. */
function valuesOf(length: number): bigint[] {
  const end = 1n << BigInt(length * 8 - 1)
  const tens = Array.from({ length: 19 }, (_, power) => 10n ** BigInt(power))
  const near = tens.flatMap((ten) => [ten - 1n, ten, ten + 1n, 7n * ten - 1n, 999n * ten + 1n])
  const all = [0n, 5n, 123_456_789_012n, end - 1n, ...near]
  return [...all, ...all.map((value) => -value), -end].filter((one) => one >= -end && one < end)
}

suite('decimals', () => {
  for (let length = 1; length <= LONGEST; length++) {
    test(`of ${length} bytes have all of their digits`, () => {
      for (const value of valuesOf(length)) {
        const hex = BigInt.asUintN(length * 8, value)
          .toString(16)
          .padStart(length * 2, '0')
        for (const scale of SCALES) {
          assert.equal(written(Buffer.from(hex, 'hex'), scale), expected(value, scale))
        }
      }
    })
  }
})
