import type { Tuple } from './tuple.ts'

/** Number of the buffer, where the tuple begins in it, and where it ends; -1 for no tuple. */
const WIDTH = 3
/** Room in the beginning: up to 64 bytes of it cost no memory of their own. */
const SMALLEST = 5

/**
 * Tuples one after another, each known by where it stands in which buffer. Nothing is made for a
 * tuple, since there may be millions and the engine would have to look at each time and again.
 * The buffers must not change while the list lives.
 */
export class Tuples implements Iterable<Tuple> {
  readonly #buffers: Buffer[] = []
  #spans = new Int32Array(SMALLEST * WIDTH)
  #length = 0

  static of(tuples: Iterable<Tuple>): Tuples {
    const made = new Tuples()
    for (const tuple of tuples) made.push(tuple)
    return made
  }

  get length(): number {
    return this.#length
  }

  /** What stands in `buffer` from `from` on and up to `to`. */
  add(buffer: Buffer, from: number, to: number): void {
    this.#room()
    this.set(this.#length++, { buffer, from, to })
  }

  push(tuple: Tuple): void {
    this.add(tuple, 0, tuple.length)
  }

  /** A place without a tuple. */
  skip(): void {
    this.#room()
    this.clear(this.#length++)
  }

  append(others: Tuples): void {
    for (let i = 0; i < others.length; i++) this.add(others.buffer(i), others.from(i), others.to(i))
  }

  set(
    index: number,
    span: { readonly buffer: Buffer; readonly from: number; readonly to: number },
  ): void {
    const at = index * WIDTH
    this.#spans[at] = numberOf(this.#buffers, span.buffer)
    this.#spans[at + 1] = span.from
    this.#spans[at + 2] = span.to
  }

  clear(index: number): void {
    this.#spans[index * WIDTH + 1] = -1
  }

  /** False where there is no tuple. */
  has(index: number): boolean {
    return this.from(index) >= 0
  }
  from(index: number): number {
    return this.#spans[index * WIDTH + 1] ?? -1
  }
  to(index: number): number {
    return this.#spans[index * WIDTH + 2] ?? -1
  }
  buffer(index: number): Buffer {
    return bufferAt(this.#buffers, this.#spans[index * WIDTH])
  }

  /** A view of the tuple. */
  at(index: number): Tuple {
    if (index >= this.#length || !this.has(index)) throw new RangeError(`no tuple ${index}`)
    return viewOf(this.buffer(index), this.from(index), this.to(index))
  }

  /** Views of all. */
  *[Symbol.iterator](): Generator<Tuple, void, undefined> {
    for (let i = 0; i < this.#length; i++) yield this.at(i)
  }

  #room(): void {
    const { length } = this.#spans
    if ((this.#length + 1) * WIDTH <= length) return
    const spans = new Int32Array(length * 2)
    spans.set(this.#spans)
    this.#spans = spans
  }
}

/** The number of a buffer in a list of buffers; neighbours mostly share one. */
export function numberOf(buffers: Buffer[], buffer: Buffer): number {
  const last = buffers.length - 1
  return buffers[last] === buffer ? last : buffers.push(buffer) - 1
}

export function bufferAt(buffers: readonly Buffer[], number: number | undefined): Buffer {
  const buffer = buffers[number ?? -1]
  if (buffer === undefined) throw new RangeError('no buffer of that number')
  return buffer
}

export function viewOf(buffer: Buffer, from: number, to: number): Tuple {
  return from === 0 && to === buffer.length ? buffer : buffer.subarray(from, to)
}
