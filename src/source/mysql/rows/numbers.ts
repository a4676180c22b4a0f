import { doubleText, singleText } from '../../../model/floats.ts'
import type { Out } from '../../../model/out.ts'
import type { Bytes } from '../log/bytes.ts'

/** Reads one value of a row and writes the content of its cell. */
export type Decode = (from: Bytes, to: Out) => void

/** Up to 4 bytes; 8 are for `long64`. */
export function integer(size: 1 | 2 | 3 | 4, unsigned: boolean): Decode {
  const top = 2 ** (size * 8 - 1)
  return (from, to) => {
    const at = from.take(size)
    const { buffer } = from
    let value = buffer[at] ?? 0
    if (size > 1) value += (buffer[at + 1] ?? 0) << 8
    if (size > 2) value += (buffer[at + 2] ?? 0) << 16
    if (size > 3) value += (buffer[at + 3] ?? 0) * 0x1000000
    to.integer(unsigned || value < top ? value : value - 2 * top)
  }
}

export function long64(unsigned: boolean): Decode {
  return (from, to) => {
    const at = from.take(8)
    const low = from.buffer.readUInt32LE(at)
    const high = unsigned ? from.buffer.readUInt32LE(at + 4) : from.buffer.readInt32LE(at + 4)
    // Within 2^53 both halves together are exact.
    if (high < 0x200000 && high >= -0x200000) return to.integer(high * 0x100000000 + low)
    const value = unsigned ? from.buffer.readBigUInt64LE(at) : from.buffer.readBigInt64LE(at)
    to.ascii(value.toString())
  }
}

/** Bytes of 0 to 9 digits in a decimal (strings/decimal.cc, dig2bytes). */
const BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const

/** Bytes of a decimal in the log. */
export function decimalSize(precision: number, scale: number): number {
  const whole = precision - scale
  const head = Math.floor(whole / 9) * 4 + (BYTES[whole % 9] ?? 0)
  return head + Math.floor(scale / 9) * 4 + (BYTES[scale % 9] ?? 0)
}

/** strings/decimal.cc, decimal2bin: groups of nine digits, big-endian, all bits turned if negative. */
export function decimal(precision: number, scale: number): Decode {
  const whole = precision - scale
  const size = decimalSize(precision, scale)
  const groups: { readonly bytes: number; readonly digits: number; readonly first: boolean }[] = []
  const add = (digits: number): void => {
    if (digits > 0) groups.push({ bytes: BYTES[digits] ?? 0, digits, first: groups.length === 0 })
  }
  add(whole % 9)
  for (let i = 0; i < Math.floor(whole / 9); i++) add(9)
  const point = groups.length
  for (let i = 0; i < Math.floor(scale / 9); i++) add(9)
  add(scale % 9)
  return (from, to) => {
    let at = from.take(size)
    const { buffer } = from
    const negative = ((buffer[at] ?? 0) & 0x80) === 0
    const turn = negative ? 0xff : 0
    if (negative) to.byte(0x2d)
    let started = false
    for (let index = 0; index < groups.length; index++) {
      const group = groups[index]
      if (group === undefined) break
      let value = 0
      for (let i = 0; i < group.bytes; i++) {
        const sign = group.first && i === 0 ? 0x80 : 0
        value = value * 256 + ((buffer[at++] ?? 0) ^ turn ^ sign)
      }
      if (index === point) {
        if (!started) to.byte(0x30)
        to.byte(0x2e)
      }
      if (index >= point || started) to.padded(value, group.digits)
      else if (value > 0) {
        to.integer(value)
        started = true
      }
    }
    if (point === groups.length && !started) to.byte(0x30)
  }
}

export const float: Decode = (from, to) => {
  const value = from.buffer.readFloatLE(from.take(4))
  to.ascii(singleText(value))
}

export const double: Decode = (from, to) => {
  const value = from.buffer.readDoubleLE(from.take(8))
  to.ascii(doubleText(value))
}
