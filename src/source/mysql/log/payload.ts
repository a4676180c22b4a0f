import { createZstdDecompress, zstdDecompressSync } from 'node:zlib'
import { Bytes, misread } from './bytes.ts'
import { eventAt, HEAD } from './event.ts'

const FIELD = { end: 0, size: 1, compression: 2, uncompressed: 3 } as const
const ZSTD = 0
const NONE = 255

/** What is larger when unpacked is unpacked piece by piece. */
const AT_ONCE = 8 << 20
const LARGEST_EVENT = 1 << 30

/** A whole transaction in one event (`binlog_transaction_compression`). */
export interface Payload {
  readonly compression: 'zstd' | 'none'
  readonly content: Buffer
  /** Bytes of the events in it. */
  readonly size: number
}

/** https://dev.mysql.com/doc/dev/mysql-server/latest/classmysql_1_1binlog_1_1event_1_1Transaction__payload__event.html */
export function decodePayload(body: Buffer): Payload {
  const bytes = new Bytes(body, 'a compressed transaction')
  const fields = new Map<number, number>()
  for (;;) {
    const field = bytes.packed()
    if (field === FIELD.end) break
    const value = new Bytes(bytes.slice(bytes.packed()), 'a compressed transaction')
    fields.set(field, value.packed())
  }
  const content = bytes.rest()
  const compression = fields.get(FIELD.compression) ?? NONE
  if (compression !== ZSTD && compression !== NONE) {
    throw misread('a transaction is compressed in an unknown way')
  }
  if (fields.get(FIELD.size) !== content.length) {
    throw misread('a compressed transaction has not the length that it claims')
  }
  const zstd = compression === ZSTD
  const size = zstd ? fields.get(FIELD.uncompressed) : content.length
  if (size === undefined) throw misread('a compressed transaction does not say its size')
  return { compression: zstd ? 'zstd' : 'none', content, size }
}

/** The events of a payload; null when it is too large to be unpacked at once. */
export function eventsAtOnce({ compression, content, size }: Payload): readonly Buffer[] | null {
  if (size > AT_ONCE) return null
  const run = compression === 'none' ? content : unpacked(content, size)
  const events: Buffer[] = []
  for (let at = 0; at < run.length; ) {
    const event = eventAt(run, at)
    events.push(event)
    at += event.length
  }
  return events
}

function unpacked(content: Buffer, size: number): Buffer {
  let run: Buffer
  try {
    run = zstdDecompressSync(content, { maxOutputLength: size + 1 })
  } catch {
    throw misread('a compressed transaction cannot be read')
  }
  if (run.length !== size) throw misread('a compressed transaction has not the size that it claims')
  return run
}

/** The events of a payload of any size, as many at once as came out of the decompression. */
export async function* eventsPiecemeal(payload: Payload): AsyncIterable<readonly Buffer[]> {
  const { compression, content, size } = payload
  const cutter = new Cutter()
  if (compression === 'none') {
    yield cutter.push(content)
    return cutter.done()
  }
  const stream = createZstdDecompress({ chunkSize: 1 << 20 })
  // A transaction that cannot be read ends in what the loop throws.
  stream.on('error', () => undefined)
  stream.end(content)
  let total = 0
  const pieces: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]()
  try {
    for (;;) {
      const piece = await pieces.next().catch((): never => {
        throw misread('a compressed transaction cannot be read')
      })
      if (piece.done === true) break
      total += piece.value.length
      if (total > size) throw misread('a compressed transaction is longer than it claims')
      const events = cutter.push(piece.value)
      if (events.length > 0) yield events
    }
  } finally {
    stream.destroy()
  }
  if (total !== size) throw misread('a compressed transaction has not the size that it claims')
  cutter.done()
}

/** Cuts a run of events that comes in pieces. */
class Cutter {
  #pieces: Buffer[] = []
  #held = 0
  #needed = HEAD

  push(piece: Buffer): readonly Buffer[] {
    this.#pieces.push(piece)
    this.#held += piece.length
    const events: Buffer[] = []
    if (this.#held < this.#needed) return events
    let run = Buffer.concat(this.#pieces)
    while (run.length >= HEAD) {
      this.#needed = run.readUInt32LE(9)
      if (this.#needed < HEAD || this.#needed > LARGEST_EVENT) {
        throw misread('a payload holds an event of an impossible length')
      }
      if (run.length < this.#needed) break
      events.push(run.subarray(0, this.#needed))
      run = run.subarray(this.#needed)
    }
    if (run.length < HEAD) this.#needed = HEAD
    this.#pieces = run.length === 0 ? [] : [run]
    this.#held = run.length
    return events
  }

  done(): void {
    if (this.#held > 0) throw misread('a payload is cut inside an event')
  }
}
