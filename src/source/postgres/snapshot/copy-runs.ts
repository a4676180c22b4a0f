import { misread } from '../log/bytes.ts'
import { HEAD, LONG, type ServerMessage, sizeAt } from '../log/wire.ts'

export const COPY_DATA = 0x64

const NOTHING = Buffer.alloc(0)

/** Whole messages that a read has not brought to their end yet. */
interface Begun {
  pieces: Buffer[]
  held: number
  /** A long one, filled up to `held`; the pieces are in it. */
  whole: Buffer | null
}

/**
 * Cuts the bytes of a connection into runs of CopyData messages, heads included, and other
 * messages. A run is a part of the chunk that it came in, except for a message that spans several
 * chunks. A length is believed only as far as bytes have come.
 */
export class CopyRuns {
  readonly #run: (messages: Buffer) => void
  readonly #other: (message: ServerMessage) => void
  readonly #begun: Begun = { pieces: [], held: 0, whole: null }

  constructor(to: {
    readonly run: (messages: Buffer) => void
    readonly other: (message: ServerMessage) => void
  }) {
    this.#run = to.run
    this.#other = to.other
  }

  /** Throws Fault HF-L107. */
  push(chunk: Buffer): void {
    let rest = chunk
    while (this.#begun.held > 0) {
      const missing = this.#missing()
      if (missing === 0) {
        this.#cut(this.#ended())
        break
      }
      if (rest.length === 0) return
      rest = rest.subarray(this.#take(rest.subarray(0, missing)))
    }
    const left = this.#cut(rest)
    if (left.length === 0) return
    this.#begun.pieces = [left]
    this.#begun.held = left.length
  }

  /** Bytes that the begun message lacks, or its head. */
  #missing(): number {
    const { held, whole } = this.#begun
    if (whole !== null) return whole.length - held
    if (held < HEAD) return HEAD - held
    return sizeAt(this.#head(), 0) - held
  }

  #head(): Buffer {
    const [first] = this.#begun.pieces
    if (first !== undefined && first.length >= HEAD) return first
    const joined = Buffer.concat(this.#begun.pieces)
    this.#begun.pieces = [joined]
    return joined
  }

  /** Returns how many bytes were taken: all of them. */
  #take(piece: Buffer): number {
    const begun = this.#begun
    if (begun.whole === null) begun.pieces.push(piece)
    else piece.copy(begun.whole, begun.held)
    begun.held += piece.length
    if (begun.whole === null && begun.held >= HEAD) this.#prepare(sizeAt(this.#head(), 0))
    return piece.length
  }

  /** A long message gets a buffer of its own when half of it has come, so that it is held once. */
  #prepare(size: number): void {
    const begun = this.#begun
    if (size < LONG || begun.held < size / 2) return
    begun.whole = Buffer.allocUnsafeSlow(size)
    let at = 0
    for (const piece of begun.pieces) at += piece.copy(begun.whole, at)
    begun.pieces = []
  }

  #ended(): Buffer {
    const begun = this.#begun
    const whole = begun.whole ?? Buffer.concat(begun.pieces)
    begun.pieces = []
    begun.held = 0
    begun.whole = null
    return whole
  }

  /** Takes the whole messages off the front; returns what is left. */
  #cut(bytes: Buffer): Buffer {
    let from = 0
    let at = 0
    while (at + HEAD <= bytes.length) {
      const end = at + sizeAt(bytes, at)
      if (end > bytes.length) break
      const tag = bytes[at] ?? 0
      if (tag !== COPY_DATA) {
        if (at > from) this.#run(bytes.subarray(from, at))
        this.#other({ tag, body: bytes.subarray(at + HEAD, end) })
        from = end
      }
      at = end
    }
    if (at > from) this.#run(bytes.subarray(from, at))
    return at === bytes.length ? NOTHING : bytes.subarray(at)
  }
}

/** What is in a run of messages, without their heads. */
export function bodiesOf(messages: Buffer): Buffer {
  const bodies = Buffer.allocUnsafeSlow(messages.length)
  let size = 0
  for (let at = 0; at < messages.length; ) {
    const end = at + sizeAt(messages, at)
    if (end > messages.length) throw misread('a message of a copy is not whole')
    size += messages.copy(bodies, size, at + HEAD, end)
    at = end
  }
  return bodies.subarray(0, size)
}
