import { inflateSync } from 'node:zlib'
import { Bytes, misread } from './bytes.ts'
import { type DomainGtid, DomainPosition } from './domains.ts'
import type { Checksum } from './event.ts'
import { formatUuid } from './gtid.ts'

/** What a file of the log says of itself first. */
export interface Format {
  readonly serverVersion: string
  readonly mariadb: boolean
  readonly checksum: 'none' | 'crc32'
  /** Length of the fixed part of each event type's body, by type - 1. */
  readonly postHeaders: Buffer
}

export function decodeFormat(body: Buffer): Format {
  const bytes = new Bytes(body, 'a format description')
  const version = bytes.uint16()
  if (version !== 4) throw misread(`the log has the version ${version}`)
  const serverVersion = bytes.text(50).replace(/\0.*$/s, '')
  bytes.skip(4)
  if (bytes.byte() !== 19) throw misread('the events of the log have headers of another size')
  // Behind the lengths stands the kind of checksum, where the server is new enough for any.
  const postHeaders = bytes.slice(Math.max(0, bytes.left - 1))
  const kind = bytes.left === 0 ? 0 : bytes.byte()
  if (kind > 1) throw misread(`the log has checksums of the unknown kind ${kind}`)
  const mariadb = /mariadb/i.test(serverVersion)
  return { serverVersion, mariadb, checksum: kind === 1 ? 'crc32' : 'none', postHeaders }
}

export function checksumOf(format: Format | null): Checksum {
  return format === null ? 'unknown' : format.checksum
}

export function decodeRotate(body: Buffer): { readonly position: bigint; readonly file: string } {
  const bytes = new Bytes(body, 'a rotation')
  return { position: bytes.uint64(), file: bytes.text(bytes.left) }
}

/** A transaction begins, and what it is called for ever. */
export interface Gtid {
  /** `uuid` or `uuid:tag`. */
  readonly origin: string
  readonly number: bigint
  /** Microseconds since 1970 at the server that it was made on; null when not said. */
  readonly committedAt: bigint | null
}

/** Names of servers by their bytes: one transaction after the other mostly has the same. */
export class Origins {
  #bytes: Buffer | null = null
  #name = ''

  /** The next 16 bytes as a name. */
  read(bytes: Bytes): string {
    const at = bytes.take(16)
    const last = this.#bytes
    let same = last !== null
    for (let i = 0; same && i < 16; i++) same = last?.[i] === bytes.buffer[at + i]
    if (same) return this.#name
    this.#bytes = Buffer.from(bytes.buffer.subarray(at, at + 16))
    this.#name = formatUuid(this.#bytes)
    return this.#name
  }
}

/** MySQL's GTID and ANONYMOUS_GTID (libs/mysql/binlog/event/control_events.cpp). */
export function decodeGtid(bytes: Bytes, origins: Origins): Gtid {
  bytes.skip(1)
  const origin = origins.read(bytes)
  const number = bytes.int64()
  return { origin, number, committedAt: commitTime(bytes) }
}

/** Logical clocks and commit times came with 5.7 and 8.0, at the end. */
function commitTime(bytes: Bytes): bigint | null {
  if (bytes.left < 17 || bytes.byte() !== 2) return null
  bytes.skip(16)
  if (bytes.left < 7) return null
  const immediate = BigInt(bytes.uint24()) | (BigInt(bytes.uint32()) << 24n)
  const MARK = 1n << 55n
  if ((immediate & MARK) === 0n) return immediate
  const original = BigInt(bytes.uint24()) | (BigInt(bytes.uint32()) << 24n)
  return original & (MARK - 1n)
}

/** MariaDB's GTID, which begins a transaction or stands for one statement. */
export interface DomainGtidEvent extends DomainGtid {
  /** One statement that commits by itself; no end follows. */
  readonly standalone: boolean
  /** Rows of tables without transactions are in it. */
  readonly transactional: boolean
  readonly ddl: boolean
  /** XA: this prepares, or ends what was prepared before. */
  readonly xa: 'prepared' | 'completed' | null
}

const FL_STANDALONE = 1
const FL_TRANSACTIONAL = 4
const FL_DDL = 32
const FL_PREPARED_XA = 64
const FL_COMPLETED_XA = 128

export function decodeDomainGtid(bytes: Bytes, server: number): DomainGtidEvent {
  const sequence = bytes.uint64()
  const domain = bytes.uint32()
  const flags = bytes.byte()
  const completed = (flags & FL_COMPLETED_XA) === 0 ? null : 'completed'
  return {
    domain,
    server,
    sequence,
    standalone: (flags & FL_STANDALONE) !== 0,
    transactional: (flags & FL_TRANSACTIONAL) !== 0,
    ddl: (flags & FL_DDL) !== 0,
    xa: (flags & FL_PREPARED_XA) === 0 ? completed : 'prepared',
  }
}

/** MariaDB's list of where the domains stand at the head of a file. */
export function decodeDomainList(body: Buffer): DomainPosition {
  const bytes = new Bytes(body, 'a list of GTIDs')
  const count = bytes.uint32() & 0x0fffffff
  const gtids: DomainGtid[] = []
  for (let i = 0; i < count; i++) {
    const [domain, server] = [bytes.uint32(), bytes.uint32()]
    gtids.push({ domain, server, sequence: bytes.uint64() })
  }
  return DomainPosition.of(gtids)
}

/**
 * What MariaDB compresses in events: a byte with the kind and the size of the length, the length
 * of what was compressed, big-endian, and a stream of zlib (log_event.cc, binlog_buf_uncompress).
 */
export function inflated(compressed: Buffer, largest: number): Buffer {
  const bytes = new Bytes(compressed, 'a compressed event')
  const head = bytes.byte()
  const size = head & 0x07
  if ((head & 0xf0) !== 0x80 || size < 1 || size > 4) {
    throw misread('an event is compressed in an unknown way')
  }
  const from = bytes.take(size)
  const length = bytes.buffer.readUIntBE(from, size)
  if (length > largest) throw misread(`a compressed event claims ${length} bytes`)
  const plain = unzipped(bytes.rest(), length)
  if (plain.length !== length) throw misread('a compressed event has not the length that it claims')
  return plain
}

function unzipped(zipped: Buffer, length: number): Buffer {
  try {
    // One more than there should be shows what is longer than it claims.
    return inflateSync(zipped, { maxOutputLength: length + 1 })
  } catch {
    throw misread('a compressed event cannot be read')
  }
}

/** A prepared transaction is named, in hexadecimal as the server prints it, and stays open. */
export interface XaPrepare {
  readonly onePhase: boolean
  /** `X'…',X'…',format`. */
  readonly xid: string
}

export function decodeXaPrepare(body: Buffer): XaPrepare {
  const bytes = new Bytes(body, 'a prepared transaction')
  const onePhase = bytes.byte() !== 0
  const format = bytes.uint32() | 0
  const [global, branch] = [bytes.uint32(), bytes.uint32()]
  if (global > 64 || branch > 64) throw misread('a prepared transaction has too long a name')
  const names = [bytes.slice(global), bytes.slice(branch)]
  const [a = '', b = ''] = names.map((name) => `X'${name.toString('hex')}'`)
  return { onePhase, xid: `${a},${b},${format}` }
}

export function decodeIncident(body: Buffer): {
  readonly number: number
  readonly message: string
} {
  const bytes = new Bytes(body, 'an incident')
  const number = bytes.uint16()
  return { number, message: bytes.text(bytes.byte()) }
}
