import { isUtf8 } from 'node:buffer'
import type { Out } from '../../model/out.ts'
import { decodeBase64 } from './base64.ts'
import { inexact, misread } from './misread.ts'
import type { Field, Shape } from './shape.ts'
import { type Memo, repeats, runsIn, type Wire } from './wire.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const MINUS = 0x2d
const OPEN = 0x7b
const CLOSE = 0x7d
const LIST = 0x5b
const LIST_END = 0x5d
const NOTHING = Buffer.alloc(0)
/** From this length on the end of a string is looked for by a search of the machine. */
const LONG = 48

/** The text is JSON, but not as compact and in the order that Connect's converter writes. */
export class Deviation extends Error {}
const deviation = new Deviation('the record is not written as its schema says')

/**
 * JSON as Kafka Connect's JsonConverter writes it: without blanks, and each field of a struct in
 * the order of the schema. What differs ends in a Deviation; `normalJson` makes one of the other.
 */
export class JsonWire implements Wire {
  #buffer: Buffer = NOTHING
  #end = 0
  #scratch = Buffer.allocUnsafeSlow(256)
  #raw = NOTHING
  at = 0

  begin(buffer: Buffer, from: number, to: number): void {
    this.#buffer = buffer
    this.at = from
    this.#end = to
  }
  /** Nothing but `tail` is left. */
  finish(tail = ''): void {
    for (let i = 0; i < tail.length; i++) this.#expect(tail.charCodeAt(i))
    if (this.at !== this.#end) throw deviation
  }

  absent(): boolean {
    if (this.#buffer[this.at] !== 0x6e) return false
    this.#word(0x75, 0x6c6c)
    return true
  }

  open(): void {
    this.#expect(OPEN)
  }
  close(): void {
    this.#expect(CLOSE)
  }
  field(field: Field, index: number): void {
    if (index > 0) this.#expect(COMMA)
    const buffer = this.#buffer
    const { label } = field
    const { length } = label
    const { at } = this
    for (let i = 0; i < length; i++) if (buffer[at + i] !== label[i]) throw deviation
    this.at = at + length
  }

  skip(shape: Shape): void {
    const first = this.#buffer[this.at]
    if (first === QUOTE) this.#pastString()
    else if (first === OPEN && shape.type === 'struct') this.#pastStruct(shape)
    else if (first === OPEN) this.pairs(shape, () => this.#passPart(shape))
    else if (first === LIST) this.items(() => this.#passPart(shape))
    else if (first === 0x74 || first === 0x66) this.boolean()
    else this.#alongNumber()
  }
  #passPart({ of }: Shape): void {
    if (of === null) throw deviation
    if (!this.absent()) this.skip(of)
  }
  #pastStruct(shape: Shape): void {
    this.open()
    shape.fields.forEach((field, i) => {
      this.field(field, i)
      if (!this.absent()) this.skip(field.shape)
    })
    this.close()
  }

  items(each: () => void): void {
    this.#expect(LIST)
    if (this.#buffer[this.at] === LIST_END) {
      this.at++
      return
    }
    for (;;) {
      each()
      if (this.#buffer[this.at] !== COMMA) break
      this.at++
    }
    this.#expect(LIST_END)
  }
  pairs(shape: Shape, each: (key: string) => void): void {
    if (shape.keys?.type !== 'string' || shape.keys.optional) throw deviation
    this.#expect(OPEN)
    if (this.#buffer[this.at] === CLOSE) {
      this.at++
      return
    }
    for (;;) {
      const key = this.string()
      this.#expect(COLON)
      each(key)
      if (this.#buffer[this.at] !== COMMA) break
      this.at++
    }
    this.#expect(CLOSE)
  }

  boolean(): boolean {
    if (this.#buffer[this.at] === 0x74) {
      this.#word(0x72, 0x7565)
      return true
    }
    if (this.#buffer[this.at++] !== 0x66) throw deviation
    if (this.#buffer[this.at] !== 0x61) throw deviation
    this.#word(0x6c, 0x7365)
    return false
  }

  whole(): number | bigint {
    const buffer = this.#buffer
    const start = this.at
    let { at } = this
    if (buffer[at] === MINUS) at++
    const first = at
    let value = 0
    for (;;) {
      const digit = (buffer[at] ?? 0) - 0x30
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
      at++
    }
    this.#endNumber(first, at)
    if (value > Number.MAX_SAFE_INTEGER) return BigInt(buffer.toString('latin1', start, at))
    return first === start ? value : 0 - value
  }
  digits(out: Out): void {
    const buffer = this.#buffer
    const start = this.at
    let { at } = this
    if (buffer[at] === MINUS) at++
    const first = at
    for (; ; at++) {
      const byte = buffer[at] ?? 0
      if (byte < 0x30 || byte > 0x39) break
    }
    this.#endNumber(first, at)
    out.bytes(buffer, start, at)
  }
  /** A whole number has digits, none in vain, and nothing of a fraction behind it. */
  #endNumber(first: number, at: number): void {
    const buffer = this.#buffer
    if (at === first || (buffer[first] === 0x30 && at > first + 1)) throw deviation
    const next = at < this.#end ? buffer[at] : COMMA
    if (next === 0x2e || next === 0x65 || next === 0x45)
      throw misread('a whole number is written with a fraction or an exponent')
    this.at = at
  }
  double(shape: Shape): number {
    const start = this.at
    if (this.#buffer[start] === QUOTE) return special(this.string())
    this.#pastNumber()
    const text = this.#buffer.toString('latin1', start, this.at)
    const value = Number(text)
    if (!Number.isFinite(value)) throw inexact('a number is larger than its type')
    return shape.type === 'float32' ? Math.fround(value) : value
  }
  #pastNumber(): void {
    const start = this.at
    this.#alongNumber()
    if (!NUMBER.test(this.#buffer.toString('latin1', start, this.at))) throw deviation
  }
  /** Past what may be a number; there is at least a sign of one. */
  #alongNumber(): void {
    const buffer = this.#buffer
    const start = this.at
    let { at } = this
    for (; at < this.#end; at++) {
      const byte = buffer[at] ?? 0
      const digit = byte >= 0x30 && byte <= 0x39
      const sign = byte === 0x2b || byte === MINUS || byte === 0x2e
      if (!digit && !sign && byte !== 0x65 && byte !== 0x45) break
    }
    if (at === start) throw deviation
    this.at = at
  }

  characters(out: Out): void {
    const { from, to, escaped } = this.#span()
    if (escaped) out.text(this.#unescaped(from, to))
    else out.bytes(this.#buffer, from, to)
  }
  string(): string {
    const { from, to, escaped } = this.#span()
    return escaped ? this.#unescaped(from, to) : this.#buffer.toString('utf8', from, to)
  }
  octets(out: Out): void {
    const from = this.at
    this.#pastString()
    out.room(this.at - from)
    const span = { buffer: this.#buffer, from: from + 1, to: this.at - 1 }
    out.at = decodeBase64(span, out.buffer, out.at)
  }
  raw(): Buffer {
    const from = this.at
    this.#pastString()
    const size = this.at - from
    if (size > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(size * 2)
    const span = { buffer: this.#buffer, from: from + 1, to: this.at - 1 }
    const length = decodeBase64(span, this.#scratch, 0)
    // Mostly as long as the last one.
    if (this.#raw.length !== length || this.#raw.buffer !== this.#scratch.buffer)
      this.#raw = this.#scratch.subarray(0, length)
    return this.#raw
  }
  written(): string | null {
    if (this.#buffer[this.at] === QUOTE) return null
    const from = this.at
    this.#pastNumber()
    return this.#buffer.toString('latin1', from, this.at)
  }

  again(memo: Memo): string {
    const from = this.at
    if (repeats(memo, this.#buffer, from)) {
      this.at = from + memo.bytes.length
      return memo.text
    }
    memo.text = this.string()
    memo.bytes = Buffer.from(this.#buffer.subarray(from, this.at))
    return memo.text
  }
  runs(): readonly (number | bigint)[] {
    const from = this.at
    this.#pastString()
    return runsIn(this.#buffer, from, this.at)
  }

  /** What stands between the quotes. */
  #span(): { readonly from: number; readonly to: number; readonly escaped: boolean } {
    const from = this.at + 1
    const flags = this.#pastString()
    const to = this.at - 1
    if ((flags & 0x80) !== 0 && !isUtf8(this.#buffer.subarray(from, to)))
      throw misread('a string is not UTF-8')
    return { from, to, escaped: flags < 0 }
  }
  /** Past a string: negative when something in it is escaped, else with bit 7 of its bytes. */
  #pastString(): number {
    const buffer = this.#buffer
    this.#expect(QUOTE)
    let bits = 0
    let escaped = false
    let { at } = this
    const long = at + LONG
    for (;;) {
      const byte = buffer[at]
      if (byte === undefined || at >= this.#end) throw deviation
      if (byte === QUOTE) break
      if (byte < 0x20) throw deviation
      bits |= byte
      if (byte === BACKSLASH) {
        escaped = true
        at++
      }
      at++
      if (at < long || escaped) continue
      const next = this.#ahead(at)
      if (next === at) continue
      bits |= 0x80
      at = next
    }
    this.at = at + 1
    return escaped ? bits | ~0xff : bits
  }
  /** Where the string that goes on at `at` ends, if nothing in it is escaped; else `at`. */
  #ahead(at: number): number {
    const quote = this.#buffer.indexOf(QUOTE, at)
    if (quote < 0 || quote >= this.#end) throw deviation
    if (quote - at < LONG) return at
    const rest = this.#buffer.subarray(at, quote)
    return rest.includes(BACKSLASH) || CONTROL.test(rest.toString('latin1')) ? at : quote
  }
  #unescaped(from: number, to: number): string {
    return unquoted(this.#buffer.toString('utf8', from - 1, to + 1))
  }

  #expect(byte: number): void {
    if (this.#buffer[this.at] !== byte || this.at >= this.#end) throw deviation
    this.at++
  }
  /** Past a word of which the first letter is known. */
  #word(second: number, rest: number): void {
    const { at } = this
    const buffer = this.#buffer
    const tail = ((buffer[at + 2] ?? 0) << 8) | (buffer[at + 3] ?? 0)
    if (buffer[at + 1] !== second || tail !== rest || at + 4 > this.#end) throw deviation
    this.at = at + 4
  }
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\x00-\x1f]/

/** The characters of a JSON string with its quotes. */
function unquoted(quoted: string): string {
  let text: unknown
  try {
    text = JSON.parse(quoted)
  } catch {
    throw deviation
  }
  if (typeof text !== 'string') throw deviation
  if (!text.isWellFormed()) throw inexact('a text has half of a character')
  return text
}

/** Numbers that are none, which Connect's converter writes as strings. */
function special(text: string): number {
  if (text === 'NaN') return Number.NaN
  if (text === 'Infinity') return Number.POSITIVE_INFINITY
  if (text === '-Infinity') return Number.NEGATIVE_INFINITY
  throw misread('a number is written as a text')
}
