import { NULL, TEXT, UNCHANGED } from '../../model/tuple.ts'

/** Tuples share buffers of this size; the tuples of a larger event have their own. */
const SLAB = 256 << 10

/**
 * Writes the tuples (model/tuple.ts) of one event after another into shared buffers. The tuples
 * of one event stand in one buffer. Places are counted from the beginning of the event, since the
 * event may move to another buffer until it is whole.
 */
export class Out {
  buffer: Buffer
  /** Where the next byte goes; whoever writes by himself asks for `room` first. */
  at = 0
  readonly #slab: number
  #start = 0
  #cell = 0

  /** `slab`: bytes of a shared buffer. */
  constructor(slab: number = SLAB) {
    this.#slab = slab
    this.buffer = Buffer.allocUnsafeSlow(slab)
  }

  /** An event begins. */
  start(): void {
    this.#start = this.at
  }
  /** Takes everything back that came after the event had this size. */
  cut(size: number): void {
    this.at = this.#start + size
  }
  /** How far the event is. */
  get size(): number {
    return this.at - this.#start
  }
  /** Where the event begins in `buffer`, once it is whole. */
  get base(): number {
    return this.#start
  }

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
  /** Makes sure that `size` more bytes fit; the event may move to another buffer for that. */
  room(size: number): void {
    if (this.at + size <= this.buffer.length) return
    const length = this.at - this.#start
    const fresh = Buffer.allocUnsafeSlow(Math.max(this.#slab, 2 * (length + size)))
    this.buffer.copy(fresh, 0, this.#start, this.at)
    this.buffer = fresh
    this.#start = 0
    this.at = length
  }

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
    if (size > 24) from.copy(buffer, at, start, end)
    else for (let i = 0; i < size; i++) buffer[at + i] = from[start + i] ?? 0
    this.at = at + size
  }

  /** A whole number, exact, in decimal digits. */
  integer(value: number | bigint): void {
    if (typeof value === 'bigint' || value < -0x7fffffff || value > 0x7fffffff) {
      this.ascii(String(value))
      return
    }
    this.room(11)
    let rest = value
    if (rest < 0) {
      this.buffer[this.at++] = 0x2d
      rest = -rest
    }
    const from = this.at
    do {
      const less = (rest / 10) | 0
      this.buffer[this.at++] = 0x30 + (rest - less * 10)
      rest = less
    } while (rest > 0)
    this.buffer.subarray(from, this.at).reverse()
  }
  /** At least `size` digits, with zeros in front. */
  padded(value: number, size: number): void {
    if (value >= 10 ** size) {
      this.integer(value)
      return
    }
    this.room(size)
    let rest = value
    for (let at = this.at + size - 1; at >= this.at; at--) {
      const less = (rest / 10) | 0
      this.buffer[at] = 0x30 + (rest - less * 10)
      rest = less
    }
    this.at += size
  }
}
