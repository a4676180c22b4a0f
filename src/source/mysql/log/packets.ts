import { misread } from './bytes.ts'

const HEAD = 4
/** A payload of this length goes on in the next packet. */
const FULL = 0xffffff
const NOTHING = Buffer.alloc(0)

/**
 * Cuts the bytes of a connection into payloads
 * (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html). Payloads
 * are parts of the given chunks except where one spans several; a length is believed only as far
 * as bytes have come.
 */
export class Packets {
  /** Bytes that do not make a packet yet, in order. */
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
    if (chunk.length === 0) return
    this.#pieces.push(chunk)
    this.#held += chunk.length
    if (this.#held < this.#needed) return
    let bytes = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces)
    let at = 0
    while (at + HEAD <= bytes.length) {
      const end = at + HEAD + sizeAt(bytes, at)
      if (end > bytes.length) break
      if (bytes[at + 3] !== this.#sequence) throw misread('a packet of the stream is out of order')
      this.#sequence = (this.#sequence + 1) & 0xff
      if (end - at === HEAD + FULL || this.#parts.length > 0) {
        this.#part(bytes.subarray(at + HEAD, end), take)
      } else take(bytes, at + HEAD, end)
      at = end
    }
    bytes = bytes.subarray(at)
    this.#pieces = bytes.length === 0 ? [] : [bytes]
    this.#held = bytes.length
    this.#needed = HEAD + (bytes.length < HEAD ? 0 : sizeAt(bytes, 0))
  }

  #part(body: Buffer, take: Take): void {
    this.#parts.push(body)
    if (body.length === FULL) return
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
