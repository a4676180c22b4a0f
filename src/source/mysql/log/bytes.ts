import { Fault } from '../../../model/fault.ts'

/** What a reader of the log throws when the bytes are not what the protocol says. */
export function misread(what: string): Fault {
  return new Fault('HF-L107', { what, side: 'source' })
}

/**
 * Reads an event front to back; integers are little-endian unless named otherwise. Every length
 * is checked against the bytes that are there before it is used, so that damaged bytes end in
 * Fault HF-L107, never in a wrong value or a huge allocation.
 */
export class Bytes {
  buffer: Buffer
  end: number
  readonly #name: string
  at: number

  /** `name` is that of what is read, for the fault. */
  constructor(buffer: Buffer, name: string, at = 0) {
    this.buffer = buffer
    this.end = buffer.length
    this.#name = name
    this.at = at
  }

  /** Goes on with what stands in `buffer` from `at` on and up to `end`. */
  over(buffer: Buffer, at: number, end: number): this {
    this.buffer = buffer
    this.at = at
    this.end = end
    return this
  }

  get left(): number {
    return this.end - this.at
  }

  /** Where the next `length` bytes begin; they are passed. */
  take(length: number): number {
    const from = this.at
    const to = from + length
    if (length < 0 || to > this.end) throw this.#short()
    this.at = to
    return from
  }

  #short(): Fault {
    return misread(`${this.#name} ends before its content does`)
  }

  byte(): number {
    return this.buffer[this.take(1)] ?? 0
  }

  uint16(): number {
    const at = this.take(2)
    return (this.buffer[at] ?? 0) | ((this.buffer[at + 1] ?? 0) << 8)
  }

  uint24(): number {
    return uint24At(this.buffer, this.take(3))
  }

  uint32(): number {
    return uint32At(this.buffer, this.take(4))
  }

  uint48(): number {
    const at = this.take(6)
    const high = (this.buffer[at + 4] ?? 0) | ((this.buffer[at + 5] ?? 0) << 8)
    return high * 0x100000000 + uint32At(this.buffer, at)
  }

  uint64(): bigint {
    return this.buffer.readBigUInt64LE(this.take(8))
  }

  int64(): bigint {
    return this.buffer.readBigInt64LE(this.take(8))
  }

  /** A number of 1 to 4 bytes. */
  uint(size: number): number {
    const at = this.take(size)
    if (size === 1) return this.buffer[at] ?? 0
    return size === 4 ? uint32At(this.buffer, at) : this.buffer.readUIntLE(at, size)
  }

  /** A length-encoded integer; one that no buffer could have is refused. */
  packed(): number {
    const first = this.byte()
    if (first < 0xfb) return first
    if (first === 0xfc) return this.uint16()
    if (first === 0xfd) return this.uint24()
    if (first !== 0xfe) throw misread(`${this.#name} holds a length that is none`)
    const long = this.uint64()
    if (long > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw misread(`${this.#name} claims a length of ${long}`)
    }
    return Number(long)
  }

  slice(length: number): Buffer {
    const from = this.take(length)
    return this.buffer.subarray(from, from + length)
  }

  text(length: number): string {
    const from = this.take(length)
    return this.buffer.toString('utf8', from, from + length)
  }

  /** Everything up to the end. */
  rest(): Buffer {
    return this.slice(this.left)
  }

  skip(length: number): void {
    this.take(length)
  }

  /** All must be used up: what follows would be something that we do not know. */
  done(): void {
    if (this.at !== this.end) throw misread(`${this.#name} is longer than its content`)
  }
}

/** Little-endian numbers, by hand: they are read for every event and every value. */
export function uint32At(bytes: Buffer, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16)
  return (low | ((bytes[at + 3] ?? 0) << 24)) >>> 0
}
function uint24At(bytes: Buffer, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16)
}
