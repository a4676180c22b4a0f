/** The bytes of a length, before what it counts. */
const LENGTH = 4
/** What comes before the answer that it belongs to is known. */
const STAGE = 64 << 10
/** Memory is asked for in steps, so that an answer fits where the one before it stood. */
const STEP = 1 << 20
/** Smaller answers are made room for by themselves. */
const SMALL = 64 << 10
/** How many pieces wait to be used again. */
const SPARE = 4

/**
 * Room for answers, used again once nobody looks at what stands in it: what would be made and
 * thrown away for each keeps the engine busy with looking for what is left.
 */
export class Room {
  readonly #spare: ArrayBuffer[] = []

  /** So many bytes, whatever they hold. */
  take(size: number): Buffer {
    if (size < SMALL) return Buffer.allocUnsafeSlow(size)
    const found = this.#spare.findIndex(({ byteLength }) => byteLength >= size)
    const [memory] = found < 0 ? [] : this.#spare.splice(found, 1)
    return Buffer.from(memory ?? new ArrayBuffer(Math.ceil(size / STEP) * STEP), 0, size)
  }

  /** Nobody looks at this any more. */
  give(memory: ArrayBuffer): void {
    if (memory.byteLength < STEP) return
    this.#spare.push(memory)
    // The largest ones are of most use, after the smallest that fits.
    this.#spare.sort((a, b) => a.byteLength - b.byteLength)
    if (this.#spare.length > SPARE) this.#spare.shift()
  }
}

/** What the other end says is no answer of a broker. */
export class Unanswered extends Error {}

/**
 * Puts the answers of a connection together: the socket writes them where they stay
 * (https://kafka.apache.org/protocol#protocol_common).
 */
export class Frames {
  readonly #room: Room
  readonly #stage = Buffer.allocUnsafeSlow(STAGE)
  #staged = 0
  /** The answer that goes on, and how much of it is there. */
  #frame: Buffer | null = null
  #filled = 0
  #first = true

  constructor(room: Room) {
    this.#room = room
  }

  /** Where the next bytes are to be written. */
  get next(): Buffer {
    return this.#frame?.subarray(this.#filled) ?? this.#stage.subarray(this.#staged)
  }

  /** So many bytes were written there. The answers that are whole. Throws Unanswered. */
  take(count: number): readonly Buffer[] {
    if (this.#frame === null) {
      this.#staged += count
      return this.#sorted()
    }
    this.#filled += count
    if (this.#filled < this.#frame.length) return []
    const whole = this.#frame
    this.#frame = null
    return [whole]
  }

  /** Answers that begin in the stage; what there is of the last one is moved to where it stays. */
  #sorted(): readonly Buffer[] {
    const whole: Buffer[] = []
    let at = 0
    while (this.#frame === null && this.#staged - at >= LENGTH) {
      const frame = this.#room.take(this.#sizeAt(at))
      const from = at + LENGTH
      at = Math.min(from + frame.length, this.#staged)
      this.#filled = this.#stage.copy(frame, 0, from, at)
      if (this.#filled === frame.length) whole.push(frame)
      else this.#frame = frame
    }
    this.#stage.copyWithin(0, at, this.#staged)
    this.#staged -= at
    return whole
  }

  #sizeAt(at: number): number {
    const size = this.#stage.readInt32BE(at)
    if (this.#first && isTls(this.#stage)) throw new Unanswered('Broker requires TLS.')
    if (size < LENGTH) throw new Unanswered(`an answer of ${size} bytes is none of a broker`)
    this.#first = false
    return size
  }
}

/** A record of TLS: the server says that it was not spoken to in it. */
function isTls(bytes: Buffer): boolean {
  return (bytes[0] ?? 0) >= 0x14 && (bytes[0] ?? 0) <= 0x17 && bytes[1] === 3
}
