import { Bytes, misread } from './bytes.ts'
import type { Gtid } from './control.ts'
import { formatUuid } from './gtid.ts'

const UUID = 1
const NUMBER = 2
const TAG = 3
const IMMEDIATE = 6
const ORIGINAL = 7

/**
 * GTID_TAGGED (MySQL 8.4; libs/mysql/binlog/event/control_events.h) in the format of
 * libs/mysql/serialization: version, size, the last field that must be understood, then fields
 * by their number.
 */
export function decodeTaggedGtid(body: Buffer): Gtid {
  const bytes = new Bytes(body, 'a tagged GTID')
  const version = variable(bytes)
  if (version !== 1n) throw misread(`a tagged GTID has the unknown version ${version}`)
  variable(bytes)
  if (variable(bytes) > 11n) throw misread('a tagged GTID holds what must not be ignored')
  const found = new Map<number, bigint | string>()
  let last = -1
  while (bytes.left > 0) {
    const field = Number(variable(bytes))
    if (field <= last) throw misread('the fields of a tagged GTID are out of order')
    last = field
    if (field > 11) break
    found.set(field, fieldOf(field, bytes))
  }
  const [uuid, number, tag] = [found.get(UUID), found.get(NUMBER), found.get(TAG)]
  if (typeof uuid !== 'string' || typeof number !== 'bigint' || typeof tag !== 'string') {
    throw misread('a tagged GTID lacks its name')
  }
  const at = found.get(ORIGINAL) ?? found.get(IMMEDIATE)
  return {
    origin: tag === '' ? uuid : `${uuid}:${tag}`,
    number,
    committedAt: typeof at === 'bigint' ? at : null,
  }
}

function fieldOf(field: number, bytes: Bytes): bigint | string {
  if (field === UUID) {
    return formatUuid(Buffer.from(Array.from({ length: 16 }, () => Number(variable(bytes) & 255n))))
  }
  if (field === TAG) {
    const length = Number(variable(bytes))
    if (length > 32) throw misread('a tagged GTID has a tag that is none')
    return bytes.text(length)
  }
  const value = variable(bytes)
  // The number is signed: the sign is in the last bit, as for the logical clocks.
  return field === NUMBER || field === 4 || field === 5 ? unfolded(value) : value
}

function unfolded(value: bigint): bigint {
  return (value & 1n) === 0n ? value >> 1n : -((value >> 1n) + 1n)
}

/** As many low bits of the first byte are set as further bytes follow; the rest is the value. */
function variable(bytes: Bytes): bigint {
  const first = bytes.byte()
  let more = 0
  while (more < 8 && ((first >> more) & 1) === 1) more++
  if (more === 8) return bytes.uint64()
  let value = BigInt(first >> (more + 1))
  let shift = BigInt(7 - more)
  for (let i = 0; i < more; i++) {
    value |= BigInt(bytes.byte()) << shift
    shift += 8n
  }
  return value
}
