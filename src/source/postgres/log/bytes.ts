import { Fault } from '../../../model/fault.ts'

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
    const at = this.#take(8)
    const high = this.#buffer.readUInt32BE(at)
    const low = this.#buffer.readUInt32BE(at + 4)
    // What a double holds exactly needs one bigint instead of several.
    if (high < 0x200000) return BigInt(high * 0x100000000 + low)
    return this.#buffer.readBigUInt64BE(at)
  }

  int64(): bigint {
    const at = this.#take(8)
    const high = this.#buffer.readInt32BE(at)
    if (high < 0 || high >= 0x200000) return this.#buffer.readBigInt64BE(at)
    return BigInt(high * 0x100000000 + this.#buffer.readUInt32BE(at + 4))
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
