import { cellEnd } from '../model/tuple.ts'
import { Tuples } from '../model/tuples.ts'

/** Where the cell number `column` of the tuple at `from` begins; past it the next one does. */
function cellAt(buffer: Buffer, from: number, column: number): number {
  let at = from + 2
  for (let i = 0; i < column; i++) at = cellEnd(buffer, at)
  return at
}

/** True when the cells of `columns` are equal in the tuples that begin there. */
export function sameCells(
  columns: readonly number[],
  a: { readonly buffer: Buffer; readonly from: number },
  b: { readonly buffer: Buffer; readonly from: number },
): boolean {
  for (const column of columns) {
    const from = cellAt(a.buffer, a.from, column)
    const other = cellAt(b.buffer, b.from, column)
    const length = cellEnd(a.buffer, from) - from
    if (cellEnd(b.buffer, other) - other !== length) return false
    for (let i = 0; i < length; i++) if (a.buffer[from + i] !== b.buffer[other + i]) return false
  }
  return true
}

/** Places in the beginning: up to 64 bytes of them cost no memory of their own. */
const SMALLEST = 16

/**
 * Finds things by the key cells of a tuple. A stored value has one representation and every change
 * of its row carries that one, so bytes decide. Nothing is made for a look, since there is one for
 * each change.
 */
export class KeyIndex {
  readonly #columns: readonly number[]
  /** The number of an entry and one, 0 where there is none; twice as many places as entries. */
  #places = new Int32Array(SMALLEST)
  #hashes = new Int32Array(SMALLEST)
  #keys = new Tuples()

  constructor(columns: readonly number[]) {
    this.#columns = columns
  }

  get size(): number {
    return this.#keys.length
  }

  /**
   * The number of the entry with the key of the tuple from `from` to `to`; a new key becomes the
   * next number, and -1 is returned.
   */
  add(buffer: Buffer, from: number, to: number): number {
    const keys = this.#keys
    if (keys.length * 2 >= this.#places.length) this.#grow()
    const hash = this.#hash(buffer, from)
    const mask = this.#places.length - 1
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const entry = (this.#places[at] ?? 0) - 1
      if (entry < 0) {
        this.#hashes[keys.length] = hash
        keys.add(buffer, from, to)
        this.#places[at] = keys.length
        return -1
      }
      if (this.#hashes[entry] === hash && this.#is(entry, buffer, from)) return entry
    }
  }

  clear(): void {
    this.#places = new Int32Array(SMALLEST)
    this.#hashes = new Int32Array(SMALLEST)
    this.#keys = new Tuples()
  }

  #is(entry: number, buffer: Buffer, from: number): boolean {
    const key = { buffer: this.#keys.buffer(entry), from: this.#keys.from(entry) }
    return sameCells(this.#columns, key, { buffer, from })
  }

  /** FNV-1a with a last mix, since only its low bits are used. */
  #hash(buffer: Buffer, start: number): number {
    let hash = 0x811c9dc5
    for (const column of this.#columns) {
      const from = cellAt(buffer, start, column)
      const end = cellEnd(buffer, from)
      for (let at = from; at < end; at++) hash = Math.imul(hash ^ (buffer[at] ?? 0), 0x01000193)
    }
    hash ^= hash >>> 15
    return hash | 0
  }

  #grow(): void {
    const places = new Int32Array(this.#places.length * 2)
    const hashes = new Int32Array(places.length)
    hashes.set(this.#hashes)
    const mask = places.length - 1
    for (let entry = 0; entry < this.#keys.length; entry++) {
      let at = (hashes[entry] ?? 0) & mask
      while (places[at] !== 0) at = (at + 1) & mask
      places[at] = entry + 1
    }
    this.#places = places
    this.#hashes = hashes
  }
}
