import { NULL, TEXT, UNCHANGED } from './tuple.ts'

/** Tuples share buffers of this size unless told otherwise; what is larger has its own. */
const SLAB = 64 << 10

/**
 * Writes tuples one after another into shared buffers, so that a row costs no allocation. What
 * comes after `start` stands in one buffer; its places are counted from there, since it may move to
 * another buffer until it is whole.
 */
export class Out {
  buffer: Buffer
  /** Where the next byte goes; whoever writes by himself asks for `room` first. */
  at = 0
  #start = 0
  /** Where the open cell begins, from the start of the tuple. */
  #cell = 0
  readonly #slab: number

  /** `slab`: bytes of a shared buffer. */
  constructor(slab: number = SLAB) {
    this.#slab = slab
    this.buffer = Buffer.allocUnsafeSlow(slab)
  }

  /** What follows stays together. */
  start(): void {
    this.#start = this.at
  }
  /** Where that begins in `buffer`, once it is whole. */
  get base(): number {
    return this.#start
  }
  /** How far that is. */
  get size(): number {
    return this.at - this.#start
  }
  /** Takes everything back that came after it had this size. */
  cut(size: number): void {
    this.at = this.#start + size
  }

  /** A tuple begins where the last thing ended. */
  begin(cells: number): void {
    this.room(2)
    this.buffer[this.at] = cells >> 8
    this.buffer[this.at + 1] = cells & 0xff
    this.at += 2
  }

  null(): void {
    this.room(1)
    this.buffer[this.at++] = NULL
  }

  unchanged(): void {
    this.room(1)
    this.buffer[this.at++] = UNCHANGED
  }

  /** A cell begins: what is written up to `close` is its content. */
  open(): void {
    this.room(5)
    this.#cell = this.at - this.#start
    this.at += 5
  }

  close(): void {
    const at = this.#start + this.#cell
    const length = this.at - at - 5
    const { buffer } = this
    buffer[at] = TEXT
    buffer[at + 1] = length >>> 24
    buffer[at + 2] = (length >>> 16) & 0xff
    buffer[at + 3] = (length >>> 8) & 0xff
    buffer[at + 4] = length & 0xff
  }

  /** Takes the open cell back. */
  drop(): void {
    this.at = this.#start + this.#cell
  }

  /** Where the content of the open cell begins. */
  get content(): number {
    return this.#start + this.#cell + 5
  }
  /** True when the open cell holds exactly this. */
  holds(bytes: Buffer): boolean {
    const from = this.content
    if (this.at - from !== bytes.length) return false
    return this.buffer.compare(bytes, 0, bytes.length, from, this.at) === 0
  }

  /** Makes sure that `size` more bytes fit; what is not whole may move to another buffer for that. */
  room(size: number): void {
    if (this.at + size <= this.buffer.length) return
    const length = this.at - this.#start
    const fresh = Buffer.allocUnsafeSlow(Math.max(this.#slab, 2 * (length + size)))
    this.left(this.#start)
    this.buffer.copy(fresh, 0, this.#start, this.at)
    this.buffer = fresh
    this.#start = 0
    this.at = length
  }

  /** The buffer is about to be left for another one; tuples up to `end` are whole. */
  protected left(_end: number): void {}

  byte(byte: number): void {
    this.room(1)
    this.buffer[this.at++] = byte
  }

  /** Short text of ASCII. */
  ascii(text: string): void {
    this.room(text.length)
    const { buffer } = this
    for (let i = 0; i < text.length; i++) buffer[this.at + i] = text.charCodeAt(i)
    this.at += text.length
  }

  text(text: string): void {
    this.room(text.length * 3)
    this.at += this.buffer.write(text, this.at, 'utf8')
  }

  bytes(from: Buffer, start = 0, end: number = from.length): void {
    const size = end - start
    this.room(size)
    const { buffer, at } = this
    if (size > 48) from.copy(buffer, at, start, end)
    else for (let i = 0; i < size; i++) buffer[at + i] = from[start + i] ?? 0
    this.at = at + size
  }

  /** A whole number, exact, in decimal digits. */
  integer(value: number | bigint): void {
    if (typeof value === 'bigint' || !(value <= SAFE && value >= -SAFE)) {
      this.ascii(String(value))
      return
    }
    this.room(20)
    let rest = value
    if (rest < 0) {
      this.buffer[this.at++] = MINUS
      rest = -rest
    }
    // Numbers of 32 bits are divided much faster than others.
    if (rest <= SMALL) this.#digits(rest | 0, digitsOf(rest | 0))
    else {
      const high = Math.floor(rest / BILLION)
      this.integer(high)
      this.#digits((rest - high * BILLION) | 0, 9)
    }
  }

  /** At least `size` digits, with zeros in front. */
  padded(value: number, size: number): void {
    if (value > SMALL || value >= (LIMITS[size] ?? Number.POSITIVE_INFINITY)) {
      for (let more = size - String(value).length; more > 0; more--) this.byte(ZERO)
      this.integer(value)
      return
    }
    this.room(size)
    this.#digits(value | 0, size)
  }

  /** So many digits of a number that is not negative. */
  #digits(value: number, size: number): void {
    const { buffer } = this
    const from = this.at
    let rest = value | 0
    let at = from + size
    this.at = at
    while (at > from) {
      const less = (rest / 10) | 0
      buffer[--at] = ZERO + (rest - less * 10)
      rest = less
    }
  }
}

const MINUS = 0x2d
const ZERO = 0x30
const SMALL = 0x7fffffff
const BILLION = 1_000_000_000
const SAFE = Number.MAX_SAFE_INTEGER
/** The first number of more digits, by their count. */
const LIMITS = Array.from({ length: 17 }, (_, digits) => 10 ** digits)

/** Of a number of 31 bits. */
function digitsOf(value: number): number {
  if (value < 10) return 1
  if (value < 100) return 2
  if (value < 1000) return 3
  if (value < 10_000) return 4
  if (value < 100_000) return 5
  if (value < 1_000_000) return 6
  if (value < 10_000_000) return 7
  if (value < 100_000_000) return 8
  return value < BILLION ? 9 : 10
}
