import { isUtf8 } from 'node:buffer'
import type { Out } from '../../model/out.ts'
import { misread } from './misread.ts'
import type { AvroForm, Shape } from './shape.ts'
import { type Memo, repeats, runsIn, type Wire } from './wire.ts'

const NOTHING = Buffer.alloc(0)

/** The binary encoding of Avro (https://avro.apache.org/docs/1.12.0/specification/#binary-encoding). */
export class AvroWire implements Wire {
  #buffer: Buffer = NOTHING
  #end = 0
  at = 0

  begin(buffer: Buffer, from: number, to: number): void {
    this.#buffer = buffer
    this.at = from
    this.#end = to
  }
  /** Nothing is left. */
  finish(): void {
    if (this.at !== this.#end) throw misread('it has more bytes than its schema says')
  }

  absent({ avro }: Shape): boolean {
    const branch = this.#small()
    if (avro !== null && branch === avro.branch) return false
    if (branch !== 0 && branch !== 1) throw misread('a union has no such branch')
    return true
  }

  open(): void {}
  field(): void {}
  close(): void {}

  skip(shape: Shape): void {
    switch (shape.type) {
      case 'boolean':
        this.#take(1)
        return
      case 'float32':
        this.#take(4)
        return
      case 'float64':
        this.#take(8)
        return
      case 'bytes':
        this.#take(this.#size(shape))
        return
      case 'string':
        if (shape.avro?.as === 'enum') this.#small()
        else this.#take(this.#small())
        return
      case 'struct':
        for (const field of shape.fields) this.#pass(field.shape)
        return
      case 'array':
        this.items(() => this.#pass(shape.of))
        return
      case 'map':
        this.pairs(shape, () => this.#pass(shape.of))
        return
      default:
        this.whole()
    }
  }
  #pass(shape: Shape | null): void {
    if (shape !== null && !(shape.optional && this.absent(shape))) this.skip(shape)
  }

  items(each: () => void): void {
    for (let count = this.#block(); count !== 0; count = this.#block()) {
      for (let i = 0; i < count; i++) each()
    }
  }
  pairs(shape: Shape, each: (key: string) => void): void {
    const { keys } = shape
    this.items(() => {
      // A map whose keys may be null, or are no strings, is written as an array of records.
      if (keys?.optional === true && this.absent(keys)) throw misread('a key of a map is null')
      each(this.string(keys ?? shape))
    })
  }
  /** The number of items of the next block; 0 at the end. */
  #block(): number {
    const count = this.#small()
    if (count < 0) this.#small()
    const items = Math.abs(count)
    // No item of Connect's is without a byte.
    if (items > this.#end - this.at) throw misread('it ends too early')
    return items
  }

  boolean(): boolean {
    const byte = this.#buffer[this.#take(1)]
    if (byte !== 0 && byte !== 1) throw misread('a boolean is neither true nor false')
    return byte === 1
  }

  whole(): number | bigint {
    const buffer = this.#buffer
    let { at } = this
    let low = 0
    // Four bytes of seven bits fit into an integer of the machine.
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = buffer[at++] ?? 0
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        this.#moved(at)
        return (low >>> 1) ^ -(low & 1)
      }
    }
    return this.#long(at, low)
  }
  /** The rest of a number whose lowest 28 bits are known. */
  #long(from: number, low: number): number | bigint {
    let at = from
    let value = low
    let scale = 2 ** 28
    for (let size = 4; size < 10; size++) {
      const byte = this.#buffer[at++] ?? 0
      if (size >= 7) return this.#huge(from, low)
      value += (byte & 0x7f) * scale
      scale *= 128
      if (byte >= 0x80) continue
      this.#moved(at)
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    throw misread('a number has no end')
  }
  /** A number of more than seven bytes. */
  #huge(from: number, low: number): number | bigint {
    let at = from
    let value = BigInt(low)
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#buffer[at++] ?? 0
      value |= BigInt(byte & 0x7f) << shift
      if (byte >= 0x80) continue
      this.#moved(at)
      if (value >= 1n << 64n) break
      const signed = (value & 1n) === 0n ? value >> 1n : -(value >> 1n) - 1n
      const number = Number(signed)
      return Number.isSafeInteger(number) ? number : signed
    }
    throw misread('a number has no end')
  }
  /** A number that counts or measures something. */
  #small(): number {
    const value = this.whole()
    if (typeof value === 'bigint') throw misread('a length is not one')
    return value
  }

  digits(out: Out): void {
    out.integer(this.whole())
  }
  double(shape: Shape): number {
    const buffer = this.#buffer
    if (shape.type === 'float32') return buffer.readFloatLE(this.#take(4))
    return buffer.readDoubleLE(this.#take(8))
  }

  characters(out: Out, shape: Shape): void {
    if (shape.avro?.as === 'enum') {
      out.text(this.#symbol(shape.avro))
      return
    }
    const { from, to } = this.#text()
    out.bytes(this.#buffer, from, to)
  }
  string(shape: Shape): string {
    if (shape.avro?.as === 'enum') return this.#symbol(shape.avro)
    const { from, to } = this.#text()
    return this.#buffer.toString('utf8', from, to)
  }
  octets(out: Out, shape: Shape): void {
    const size = this.#size(shape)
    const from = this.#take(size)
    out.bytes(this.#buffer, from, from + size)
  }
  raw(shape: Shape): Buffer {
    const size = this.#size(shape)
    const from = this.#take(size)
    return this.#buffer.subarray(from, from + size)
  }
  written(): null {
    return null
  }
  again(memo: Memo, shape: Shape): string {
    if (shape.avro?.as === 'enum') return this.#symbol(shape.avro)
    const from = this.at
    if (repeats(memo, this.#buffer, from)) {
      this.#moved(from + memo.bytes.length)
      return memo.text
    }
    memo.text = this.string(shape)
    memo.bytes = Buffer.from(this.#buffer.subarray(from, this.at))
    return memo.text
  }
  runs(): readonly (number | bigint)[] {
    const { from, to } = this.#text()
    return runsIn(this.#buffer, from, to)
  }
  #size({ avro }: Shape): number {
    return avro?.as === 'fixed' ? avro.size : this.#small()
  }
  #symbol({ symbols }: AvroForm): string {
    const symbol = symbols[this.#small()]
    if (symbol === undefined) throw misread('an enum has no such symbol')
    return symbol
  }

  #text(): { readonly from: number; readonly to: number } {
    const size = this.#small()
    const from = this.#take(size)
    const to = from + size
    for (let at = from; at < to; at++) {
      if ((this.#buffer[at] ?? 0) < 0x80) continue
      if (!isUtf8(this.#buffer.subarray(at, to))) throw misread('a string is not UTF-8')
      break
    }
    return { from, to }
  }
  /** Past so many bytes; returns where they begin. */
  #take(size: number): number {
    const from = this.at
    if (size < 0 || from + size > this.#end) throw misread('it ends too early')
    this.at = from + size
    return from
  }
  #moved(at: number): void {
    if (at > this.#end) throw misread('it ends too early')
    this.at = at
  }
}
