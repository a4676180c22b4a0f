import type { Socket } from 'node:net'
import type pg from 'pg'
import { misread } from './bytes.ts'

/** One message of the server: its kind byte and its body. */
export interface ServerMessage {
  readonly tag: number
  readonly body: Buffer
}

/** Larger than any message that a server can build (1 GB, utils/memutils.h) by a little. */
const LARGEST = 0x40000000

/** The kind byte and the length. */
export const HEAD = 5
/** A message that is longer gets a buffer of its own when half of it has come. */
export const LONG = 1 << 20
const NOTHING = Buffer.alloc(0)

/**
 * Cuts the bytes of a connection into messages. Bodies are parts of the given chunks, except
 * where a message spans several. A length is believed only as far as bytes have come.
 */
export class Framer {
  /** Bytes that do not make a message yet, in order. */
  #pieces: Buffer[] = []
  #held = 0
  /** How many bytes the message in `#pieces` has in all; its head's size while that is unknown. */
  #needed = HEAD
  /** A long message, filled up to `#held`; the pieces are in it. */
  #long: Buffer | null = null

  /** Calls `take` for each message that is whole now. Throws Fault HF-L107. */
  push(chunk: Buffer, take: (message: ServerMessage) => void): void {
    let rest = chunk
    if (this.#long !== null) {
      rest = chunk.subarray(chunk.copy(this.#long, this.#held))
      this.#held += chunk.length - rest.length
      if (this.#held < this.#needed) return
      cut(this.#long, take)
      this.#long = null
      this.#held = 0
      this.#needed = HEAD
    }
    this.#gather(rest, take)
    // Pieces and the whole are never both there; a length is believed when half of it has come.
    if (this.#needed < LONG || this.#held < this.#needed / 2) return
    this.#long = Buffer.allocUnsafeSlow(this.#needed)
    let at = 0
    for (const piece of this.#pieces) at += piece.copy(this.#long, at)
    this.#pieces = []
  }

  #gather(chunk: Buffer, take: (message: ServerMessage) => void): void {
    if (chunk.length === 0) return
    this.#pieces.push(chunk)
    this.#held += chunk.length
    while (this.#held >= this.#needed) {
      const whole = this.#pieces.length === 1 ? (this.#pieces[0] ?? NOTHING) : join(this.#pieces)
      const rest = cut(whole, take)
      this.#pieces = rest.length === 0 ? [] : [rest]
      this.#held = rest.length
      this.#needed = rest.length < HEAD ? HEAD : sizeAt(rest, 0)
    }
  }
}

function join(pieces: readonly Buffer[]): Buffer {
  return Buffer.concat(pieces)
}

/** Takes the whole messages off the front; returns what is left. */
function cut(bytes: Buffer, take: (message: ServerMessage) => void): Buffer {
  let at = 0
  while (at + HEAD <= bytes.length) {
    const end = at + sizeAt(bytes, at)
    if (end > bytes.length) break
    take({ tag: bytes[at] ?? 0, body: bytes.subarray(at + HEAD, end) })
    at = end
  }
  return bytes.subarray(at)
}

/** The length in a message counts itself but not the kind byte. */
export function sizeAt(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at + 1)
  if (length < 4 || length > LARGEST) throw misread(`a message claims a length of ${length} bytes`)
  return length + 1
}

/**
 * The socket of an idle client, taken over: messages come here instead of to the driver, which
 * writes each one over the last and cannot be told to wait. `release` hands it back; the server
 * must be idle then, too.
 */
export class Wire {
  readonly #socket: Socket
  readonly #drivers: readonly ((chunk: Buffer) => void)[]
  readonly #receive: (chunk: Buffer) => void

  /** `take` gets each message, `arrived` each read; what they throw goes to `failed`. */
  constructor(
    client: pg.Client,
    on: {
      readonly take: (message: ServerMessage) => void
      /** Cuts the bytes of each read in a way of its own; `take` is not called then. */
      readonly cut?: (chunk: Buffer) => void
      readonly arrived?: (bytes: number) => void
      readonly failed: (error: unknown) => void
    },
  ) {
    this.#socket = client.connection.stream as Socket
    this.#drivers = this.#socket.listeners('data') as ((chunk: Buffer) => void)[]
    const framer = new Framer()
    this.#receive = (chunk) => {
      try {
        if (on.cut === undefined) framer.push(chunk, on.take)
        else on.cut(chunk)
        on.arrived?.(chunk.length)
      } catch (error) {
        this.#socket.destroy()
        on.failed(error)
      }
    }
    for (const driver of this.#drivers) this.#socket.off('data', driver)
    this.#socket.on('data', this.#receive)
  }

  /** False when the socket asks to wait with more. */
  write(bytes: Buffer): boolean {
    return this.#socket.writable ? this.#socket.write(bytes) : false
  }

  /** A simple query. */
  query(sql: string): void {
    const text = Buffer.from(sql, 'utf8')
    const message = Buffer.alloc(text.length + 6)
    message[0] = 0x51
    message.writeInt32BE(text.length + 5, 1)
    text.copy(message, 5)
    this.write(message)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Nobody wants what still comes; it must be read for the server to see that we leave. */
  discard(): void {
    this.#socket.off('data', this.#receive)
    this.#socket.on('data', () => undefined)
    this.#socket.resume()
  }

  release(): void {
    this.#socket.off('data', this.#receive)
    for (const driver of this.#drivers) this.#socket.on('data', driver)
    this.#socket.resume()
  }
}

/** The fields of an ErrorResponse or NoticeResponse, by the protocol's letters. */
export function fieldsOf(body: Buffer): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  let at = 0
  while (at < body.length && body[at] !== 0) {
    const end = body.indexOf(0, at + 1)
    if (end < 0) break
    fields.set(String.fromCharCode(body[at] ?? 0), body.toString('utf8', at + 1, end))
    at = end + 1
  }
  return fields
}

/** An ErrorResponse in the form of the driver's errors. */
export function errorOf(body: Buffer): { code: string; message: string; severity: string } {
  const fields = fieldsOf(body)
  const severity = fields.get('V') ?? fields.get('S') ?? 'ERROR'
  return { code: fields.get('C') ?? 'XX000', message: fields.get('M') ?? '', severity }
}
