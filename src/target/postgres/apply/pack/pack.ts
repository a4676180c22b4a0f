import { type CellText, writeInt32 } from './cell.ts'
import { packNumeric } from './numeric.ts'
import { packDate, packTime, packTimestamp, packTimestamptz } from './time.ts'

/**
 * Writes the binary form of a canonical text (model/value.ts) at `at` of `out`, as the type's
 * receive function reads it, which takes the server a fifth less than its text. Returns where it
 * ends, or -1 for a text that is to travel as it is: one that is rare, or that the server is to
 * refuse. Room for twice the text and 14 bytes is there.
 */
export type Pack = (cell: CellText, out: Buffer, at: number) => number

const MINUS = 0x2d
const ZERO = 0x30

/** Digits that a number holds exactly, whatever they are. */
const EXACT_DIGITS = 15

/** int2recv, int4recv and int8recv of the server's utils/adt/int.c and int8.c. */
function integer(size: 2 | 4 | 8): Pack {
  const limit = size === 8 ? Number.POSITIVE_INFINITY : 2 ** (size * 8 - 1)
  return (cell, out, at) => {
    const { bytes, from, to } = cell
    const negative = bytes[from] === MINUS
    const first = negative ? from + 1 : from
    if (to === first || to - first > EXACT_DIGITS) return size === 8 ? long(cell, out, at) : -1
    let value = 0
    for (let i = first; i < to; i++) {
      const digit = (bytes[i] ?? 0) - ZERO
      if (digit < 0 || digit > 9) return -1
      value = value * 10 + digit
    }
    if (negative) value = -value
    if (value >= limit || value < -limit) return -1
    if (size === 8) return writeInt64(out, at, value)
    if (size === 4) return writeInt32(out, at, value)
    out[at] = value >> 8
    out[at + 1] = value & 0xff
    return at + 2
  }
}

/** A whole number between -2^53 and 2^53. */
function writeInt64(out: Buffer, at: number, value: number): number {
  writeInt32(out, at, Math.floor(value / 0x1_0000_0000))
  return writeInt32(out, at + 4, value | 0)
}

const WHOLE = /^-?[0-9]{1,19}$/

function long({ bytes, from, to }: CellText, out: Buffer, at: number): number {
  const text = bytes.toString('latin1', from, to)
  if (!WHOLE.test(text)) return -1
  const value = BigInt(text)
  return BigInt.asIntN(64, value) === value ? out.writeBigInt64BE(value, at) : -1
}

/** Up to this many bytes a loop copies faster than a call does. */
const LONG_CELL = 48

/** Types whose binary form is their text, or the bytes themselves. */
const plain: Pack = ({ bytes, from, to }, out, at) => {
  if (to - from > LONG_CELL) return at + bytes.copy(out, at, from, to)
  let end = at
  for (let i = from; i < to; i++) out[end++] = bytes[i] ?? 0
  return end
}

/** jsonb_recv: a version, and the text. */
const jsonb: Pack = (cell, out, at) => {
  out[at] = 1
  return plain(cell, out, at + 1)
}

const TRUE = 0x74
const FALSE = 0x66

const bool: Pack = ({ bytes, from, to }, out, at) => {
  const sign = bytes[from]
  if (to !== from + 1 || (sign !== TRUE && sign !== FALSE)) return -1
  out[at] = sign === TRUE ? 1 : 0
  return at + 1
}

const FLOAT = /^-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?$/i

/** A finite number, or null. */
function floatOf({ bytes, from, to }: CellText): number | null {
  const text = bytes.toString('latin1', from, to)
  const value = FLOAT.test(text) ? Number(text) : Number.NaN
  return Number.isFinite(value) ? value : null
}

const float8: Pack = (cell, out, at) => {
  const value = floatOf(cell)
  return value === null ? -1 : out.writeDoubleBE(value, at)
}

/** The smallest single that is not subnormal. */
const SMALLEST_SINGLE = 2 ** -126
/** The bits of a double's low word that a single has no room for, and those of a point midway. */
const BEYOND_SINGLE = 0x1fff_ffff
const MIDWAY = 0x1000_0000

/**
 * The text is rounded to a double first. That can change the single only where the double stands
 * midway between two of them, and is not known where singles are subnormal.
 */
const float4: Pack = (cell, out, at) => {
  const value = floatOf(cell)
  if (value === null || !Number.isFinite(Math.fround(value))) return -1
  if (value !== 0 && Math.abs(value) < SMALLEST_SINGLE) return -1
  out.writeDoubleBE(value, at)
  if ((out.readUInt32BE(at + 4) & BEYOND_SINGLE) === MIDWAY) return -1
  return out.writeFloatBE(value, at)
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

const uuid: Pack = ({ bytes, from, to }, out, at) => {
  const text = bytes.toString('latin1', from, to)
  if (!UUID.test(text)) return -1
  return at + out.write(text.replaceAll('-', ''), at, 'hex')
}

/** By the type's OID (pg_type.dat): a domain, an enum and what is not built in have their text. */
const packs: ReadonlyMap<number, Pack> = new Map<number, Pack>([
  [16, bool],
  [17, plain],
  [20, integer(8)],
  [21, integer(2)],
  [23, integer(4)],
  [25, plain],
  [114, plain],
  [700, float4],
  [701, float8],
  [1042, plain],
  [1043, plain],
  [1082, packDate],
  [1083, packTime],
  [1114, packTimestamp],
  [1184, packTimestamptz],
  [1700, packNumeric],
  [2950, uuid],
  [3802, jsonb],
])

/** How the columns' values become binary; null when one of them stays text, and so all do. */
export function packsOf(columns: readonly { readonly type: number }[]): readonly Pack[] | null {
  const found: Pack[] = []
  for (const { type } of columns) {
    const pack = packs.get(type)
    if (pack === undefined) return null
    found.push(pack)
  }
  return found
}
