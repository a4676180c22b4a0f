import { Fault } from '../../../model/fault.ts'
import { int32At } from '../../../model/tuple.ts'

/** What a reader of the wire throws when the bytes are not what the protocol says. */
export function misread(what: string): Fault {
  return new Fault('HF-L107', { what, side: 'source' })
}

/**
 * Reads a message front to back. Every length is checked against the message before it is used,
 * so that damaged bytes end in Fault HF-L107, never in a wrong value or a huge allocation.
 */
export class Bytes {
  readonly #buffer: Buffer
  readonly #name: string
  #at: number

  /** `name` is the message's kind, for the fault. */
  constructor(buffer: Buffer, at: number, name: string) {
    this.#buffer = buffer
    this.#at = at
    this.#name = name
  }

  get at(): number {
    return this.#at
  }

  #take(length: number): number {
    const from = this.#at
    if (length < 0 || from + length > this.#buffer.length) {
      throw misread(`a ${this.#name} message ends before its content does`)
    }
    this.#at = from + length
    return from
  }

  byte(): number {
    return this.#buffer.readUInt8(this.#take(1))
  }

  uint16(): number {
    return this.#buffer.readUInt16BE(this.#take(2))
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#take(4))
  }

  uint32(): number {
    return this.#buffer.readUInt32BE(this.#take(4))
  }

  uint64(): bigint {
    return uint64At(this.#buffer, this.#take(8))
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64())
  }

  /** A text up to a zero byte. */
  text(): string {
    const end = this.#buffer.indexOf(0, this.#at)
    if (end < 0) throw misread(`a ${this.#name} message holds a name without an end`)
    const from = this.#take(end - this.#at + 1)
    return this.#buffer.toString('utf8', from, end)
  }

  skip(length: number): void {
    this.#take(length)
  }

  /** The message must be used up: what follows would be something that we do not know. */
  end(): void {
    if (this.#at !== this.#buffer.length) {
      throw misread(`a ${this.#name} message is longer than its content`)
    }
  }
}

const word = new DataView(new ArrayBuffer(8))

/** A big-endian number; Buffer's own way makes several bigints on the way to it. */
export function uint64At(buffer: Buffer, at: number): bigint {
  word.setInt32(0, int32At(buffer, at))
  word.setInt32(4, int32At(buffer, at + 4))
  return word.getBigUint64(0)
}
