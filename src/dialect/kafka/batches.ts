import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { client } from './client.ts'

/** A batch of records as a producer sent it, in the bytes of a broker's answer. */
export interface Batch {
  /** Where the next one begins. */
  readonly to: number
  readonly firstOffset: bigint
  readonly lastOffset: bigint
  /** Milliseconds since 1970. */
  readonly firstTimestamp: bigint
  readonly producerId: bigint
  /** It marks the end of a transaction and holds no records of anybody. */
  readonly isControl: boolean
  readonly isTransactional: boolean
  readonly compression: number
  /** How many records it holds, and where they begin. */
  readonly count: number
  readonly at: number
}

/** Offset and length, which are before what the length counts. */
const HEAD = 12
/** The format of https://kafka.apache.org/documentation/#recordbatch, and its bytes before records. */
const FORMAT = 2
const FIELDS = 61
const COMPRESSION = 0x7
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

/** The batch that begins there; null where it was cut off. Throws UnsupportedFormatError. */
export function batchAt(bytes: Buffer, at: number): Batch | null {
  if (at + HEAD > bytes.length) return null
  const to = at + HEAD + bytes.readInt32BE(at + 8)
  if (to > bytes.length) return null
  if (to < at + FIELDS || bytes[at + 16] !== FORMAT)
    throw new client.UnsupportedFormatError('records are written in a format that is not known')
  const firstOffset = bytes.readBigInt64BE(at)
  const attributes = bytes.readInt16BE(at + 21)
  return {
    to,
    firstOffset,
    lastOffset: firstOffset + BigInt(bytes.readInt32BE(at + 23)),
    firstTimestamp: bytes.readBigInt64BE(at + 27),
    producerId: bytes.readBigInt64BE(at + 43),
    isControl: (attributes & CONTROL) !== 0,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    compression: attributes & COMPRESSION,
    count: bytes.readInt32BE(at + 57),
    at: at + FIELDS,
  }
}

/** How many bytes the batch has that these begin, if it is all of it or not; 0: that is cut off, too. */
export function sizeOfBatch(bytes: Buffer): number {
  return bytes.length < HEAD ? 0 : HEAD + bytes.readInt32BE(8)
}

const GZIP = 1
const ZSTD = 4
/** What decompressed batches came to, at most: the next one is likely to be no larger. */
let usual = 64 << 10
const LARGEST = 8 << 20

/** The records of a batch, as the producer wrote them before it compressed them. */
export function recordsOf(bytes: Buffer, { at, to, compression }: Batch): Buffer {
  const packed = bytes.subarray(at, to)
  if (compression === 0) return packed
  const records = decompressed(packed, compression)
  usual = Math.min(LARGEST, Math.max(usual, records.length + (records.length >> 3)))
  return records
}

function decompressed(packed: Buffer, compression: number): Buffer {
  // In one piece: what comes in many is put together once more.
  const how = { chunkSize: usual }
  if (compression === ZSTD) return zstdDecompressSync(packed, how)
  if (compression === GZIP) return gunzipSync(packed, how)
  const known: Readonly<Record<number, Decompression | undefined>> =
    client.compressionsAlgorithmsByBitmask
  const found = known[compression]
  if (found === undefined)
    throw new client.UnsupportedFormatError('records are compressed in a way that is not known')
  return found.decompressSync(packed)
}

interface Decompression {
  readonly decompressSync: (data: Buffer) => Buffer
}

/** A record of a batch; of its bytes, and valid as long as they are. */
export interface BatchRecord {
  readonly offsetDelta: number
  readonly timestampDelta: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [Buffer, Buffer])[]
}

/** The length of what is not there. */
const ABSENT = -1
const NO_HEADERS: BatchRecord['headers'] = []
const NOTHING = Buffer.alloc(0)

/** Reads the records of a batch one after another. */
export class RecordReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  next(): BatchRecord {
    const size = this.#number()
    const end = this.#at + size
    if (size < 0 || end > this.#bytes.length) throw cutOff()
    this.#at++
    const timestampDelta = this.#number()
    const offsetDelta = this.#number()
    const key = this.#part()
    const value = this.#part()
    const headers = this.#headers()
    if (this.#at !== end) throw cutOff()
    return { offsetDelta, timestampDelta, key, value, headers }
  }

  #headers(): BatchRecord['headers'] {
    const count = this.#number()
    if (count === 0) return NO_HEADERS
    return Array.from({ length: count }, () => {
      return [this.#part() ?? NOTHING, this.#part() ?? NOTHING] as const
    })
  }

  #part(): Buffer | null {
    const size = this.#number()
    if (size === ABSENT) return null
    const from = this.#at
    this.#at = from + size
    if (size < 0 || this.#at > this.#bytes.length) throw cutOff()
    return this.#bytes.subarray(from, this.#at)
  }

  /** A whole number in as many bytes as it takes, its sign in the lowest bit. */
  #number(): number {
    const bytes = this.#bytes
    let byte = bytes[this.#at++]
    if (byte === undefined) throw cutOff()
    let value = byte & 0x7f
    for (let scale = 128; byte > 0x7f; scale *= 128) {
      byte = bytes[this.#at++]
      if (byte === undefined) throw cutOff()
      value += (byte & 0x7f) * scale
    }
    if (value > Number.MAX_SAFE_INTEGER) throw cutOff()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
}

function cutOff(): Error {
  return new client.UnsupportedFormatError('records do not end where they say')
}
