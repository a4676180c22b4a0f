import { misread } from './bytes.ts'

const HEAD = 4
/** A payload of this length goes on in the next packet. */
const FULL = 0xffffff
const NOTHING = Buffer.alloc(0)

/**
 * Cuts the bytes of a connection into payloads
 * (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html). Payloads
 * are parts of the given chunks except those that span several, which alone are copied; a length
 * is believed only as far as bytes have come.
 */
export class Packets {
  /** Bytes of a packet that is not whole yet, in order. */
  #pieces: Buffer[] = []
  #held = 0
  #needed = HEAD
  /** The packets of a payload that goes on. */
  #parts: Buffer[] = []
  #sequence: number

  /** `sequence` is the number of the first packet to come. */
  constructor(sequence: number) {
    this.#sequence = sequence
  }

  /**
   * Calls `take` for each payload that is whole now: it stands in `buffer` from `from` on and up
   * to `to`. Throws Fault HF-L107.
   */
  push(chunk: Buffer, take: Take): void {
    let at = this.#held === 0 ? 0 : this.#complete(chunk, take)
    while (at + HEAD <= chunk.length) {
      const end = at + HEAD + sizeAt(chunk, at)
      if (end > chunk.length) break
      this.#packet(chunk, at, take)
      at = end
    }
    if (at < chunk.length) this.#complete(chunk.subarray(at), take)
  }

  /** Adds to the packet that has begun what there is of it; how many bytes that is. */
  #complete(chunk: Buffer, take: Take): number {
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + this.#needed - this.#held)
      at += piece.length
      this.#pieces.push(piece)
      this.#held += piece.length
      if (this.#held < this.#needed) break
      const bytes = Buffer.concat(this.#pieces)
      this.#pieces = [bytes]
      if (this.#held === HEAD) this.#needed = HEAD + sizeAt(bytes, 0)
      if (this.#held < this.#needed) continue
      this.#pieces = []
      this.#held = 0
      this.#needed = HEAD
      this.#packet(bytes, 0, take)
      return at
    }
    return chunk.length
  }

  /** The packet that begins there is whole. */
  #packet(bytes: Buffer, from: number, take: Take): void {
    const to = from + HEAD + sizeAt(bytes, from)
    if (bytes[from + 3] !== this.#sequence) throw misread('a packet of the stream is out of order')
    this.#sequence = (this.#sequence + 1) & 0xff
    if (to - from < HEAD + FULL && this.#parts.length === 0) {
      take(bytes, from + HEAD, to)
      return
    }
    this.#parts.push(bytes.subarray(from + HEAD, to))
    if (to - from === HEAD + FULL) return
    const whole = Buffer.concat(this.#parts)
    this.#parts = []
    take(whole, 0, whole.length)
  }
}

type Take = (buffer: Buffer, from: number, to: number) => void

function sizeAt(bytes: Buffer, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16)
}

/** One packet with number 0: a command. */
export function commandPacket(code: number, body: Buffer = NOTHING): Buffer {
  const packet = Buffer.alloc(HEAD + 1 + body.length)
  packet.writeUIntLE(1 + body.length, 0, 3)
  packet[HEAD] = code
  body.copy(packet, HEAD + 1)
  return packet
}
