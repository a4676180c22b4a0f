import type { CellText } from './cell.ts'

const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30
const NEGATIVE = 0x4000
/** Longer ones are rare and travel as text. */
const MOST = 400

/**
 * numeric_recv (utils/adt/numeric.c): the number of groups, the power of 10,000 of the first, the
 * sign, the digits behind the point, then the groups of four digits, each an int16.
 */
export function packNumeric({ bytes, from, to }: CellText, out: Buffer, at: number): number {
  const negative = bytes[from] === MINUS
  const first = negative ? from + 1 : from
  let point = first
  while (point < to && bytes[point] !== POINT) point++
  const scale = point === to ? 0 : to - point - 1
  if (point === first || to - first > MOST || (point < to && scale === 0)) return -1
  const groups = Math.ceil((point - first) / 4)
  let end = writeDigits({ bytes, from: first, to: point }, out, at + 8)
  if (end > 0 && scale > 0) end = writeFraction({ bytes, from: point + 1, to }, out, end)
  if (end < 0) return -1
  let start = at + 8
  // Groups of zeros in front and behind say nothing.
  while (start < end && out[start] === 0 && out[start + 1] === 0) start += 2
  while (end > start && out[end - 1] === 0 && out[end - 2] === 0) end -= 2
  const count = (end - start) / 2
  if (start > at + 8) out.copyWithin(at + 8, start, end)
  writeInt16(out, at, count)
  writeInt16(out, at + 2, count === 0 ? 0 : groups - 1 - (start - at - 8) / 2)
  writeInt16(out, at + 4, negative && count > 0 ? NEGATIVE : 0)
  writeInt16(out, at + 6, scale)
  return at + 8 + 2 * count
}

/** The groups before the point, the first of which may have fewer digits; -1 for other bytes. */
function writeDigits({ bytes, from, to }: CellText, out: Buffer, at: number): number {
  let end = at
  let value = 0
  for (let i = from; i < to; i++) {
    const digit = (bytes[i] ?? 0) - ZERO
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
    if (((to - i) & 3) !== 1) continue
    end = writeInt16(out, end, value)
    value = 0
  }
  return end
}

/** Those behind it, the last of which is filled up with zeros. */
function writeFraction({ bytes, from, to }: CellText, out: Buffer, at: number): number {
  let end = at
  for (let i = from; i < to; i += 4) {
    let value = 0
    for (let n = i; n < i + 4; n++) {
      const digit = n < to ? (bytes[n] ?? 0) - ZERO : 0
      if (digit < 0 || digit > 9) return -1
      value = value * 10 + digit
    }
    end = writeInt16(out, end, value)
  }
  return end
}

function writeInt16(out: Buffer, at: number, value: number): number {
  out[at] = (value >> 8) & 0xff
  out[at + 1] = value & 0xff
  return at + 2
}
