const FIRST_SIZE = 256 << 10
/** A statement's buffer that grew beyond this is not kept for the next one. */
const KEPT = 8 << 20
/** Room in front for a packet's header and the command. */
export const HEAD = 5

const QUOTE = 0x27
const DIGITS = Buffer.from('0123456789abcdef', 'latin1')

/**
 * The text of statements, written as bytes: values are never turned into strings. Quoting is that
 * of NO_BACKSLASH_ESCAPES, which every session of ours has, and the client's characters are UTF-8,
 * no byte of which but a quote itself looks like a quote.
 */
export class Sql {
  #buffer = Buffer.allocUnsafe(FIRST_SIZE)
  #at = HEAD

  /** Bytes that were written. */
  get length(): number {
    return this.#at - HEAD
  }
  /** `HEAD` bytes of room and then what was written; overwritten by what is written next. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at)
  }

  clear(): void {
    this.#at = HEAD
    if (this.#buffer.length > KEPT) this.#buffer = Buffer.allocUnsafe(FIRST_SIZE)
  }
  /** Takes back what was written from this length on. */
  cut(length: number): void {
    this.#at = HEAD + length
  }

  /** Text of ours, or that came out of a quoting function. */
  raw(text: string): void {
    // A character has at most three bytes for each of its units in UTF-16.
    this.#room(text.length * 3)
    this.#at += this.#buffer.write(text, this.#at, 'utf8')
  }
  /** Bytes that are known to be SQL: digits, say. */
  plain(bytes: Buffer): void {
    this.#room(bytes.length)
    this.#at += bytes.copy(this.#buffer, this.#at)
  }

  text(bytes: Buffer): void {
    this.#room(2 * bytes.length + 2)
    const buffer = this.#buffer
    let at = this.#at
    buffer[at++] = QUOTE
    for (let from = 0; ; ) {
      const quote = bytes.indexOf(QUOTE, from)
      const to = quote < 0 ? bytes.length : quote + 1
      at += bytes.copy(buffer, at, from, to)
      if (quote < 0) break
      buffer[at++] = QUOTE
      from = to
    }
    buffer[at++] = QUOTE
    this.#at = at
  }

  /** A binary string. */
  hex(bytes: Buffer): void {
    this.#room(2 * bytes.length + 3)
    const buffer = this.#buffer
    let at = this.#at
    buffer[at++] = 0x78
    buffer[at++] = QUOTE
    for (const byte of bytes) {
      buffer[at++] = DIGITS[byte >> 4] ?? 0
      buffer[at++] = DIGITS[byte & 15] ?? 0
    }
    buffer[at++] = QUOTE
    this.#at = at
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#at + bytes))
    this.#buffer.copy(grown, 0, 0, this.#at)
    this.#buffer = grown
  }
}
