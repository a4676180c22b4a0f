import { NULL, type Tuple, UNCHANGED } from '../model/tuple.ts'

/** Where the cell number `column` begins; past it the next one does. */
function cellAt(tuple: Tuple, column: number): number {
  let at = 2
  for (let i = 0; i < column; i++) at = cellEnd(tuple, at)
  return at
}

function cellEnd(tuple: Tuple, at: number): number {
  const kind = tuple[at]
  return kind === NULL || kind === UNCHANGED ? at + 1 : at + 5 + tuple.readInt32BE(at + 1)
}

const SMALLEST = 64

/**
 * Finds things by the key cells of a tuple. A stored value has one representation and every change
 * of its row carries that one, so bytes decide. Nothing is made for a look, since there is one for
 * each change.
 */
export class KeyIndex {
  readonly #columns: readonly number[]
  /** The number of an entry and one, 0 where there is none; twice as many places as entries. */
  #places = new Int32Array(SMALLEST)
  readonly #hashes: number[] = []
  readonly #keys: Tuple[] = []

  constructor(columns: readonly number[]) {
    this.#columns = columns
  }

  get size(): number {
    return this.#keys.length
  }

  /** The number of the entry with this key; a new key becomes the next number, and -1 is returned. */
  add(tuple: Tuple): number {
    if (this.#keys.length * 2 >= this.#places.length) this.#grow()
    const hash = this.#hash(tuple)
    const mask = this.#places.length - 1
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const entry = (this.#places[at] ?? 0) - 1
      if (entry < 0) {
        this.#places[at] = this.#keys.push(tuple)
        this.#hashes.push(hash)
        return -1
      }
      const key = this.#keys[entry]
      if (this.#hashes[entry] === hash && key !== undefined && this.same(key, tuple)) return entry
    }
  }

  clear(): void {
    this.#places = new Int32Array(SMALLEST)
    this.#hashes.length = 0
    this.#keys.length = 0
  }

  /** True when the key cells of both are equal. */
  same(a: Tuple, b: Tuple): boolean {
    for (const column of this.#columns) {
      const [from, other] = [cellAt(a, column), cellAt(b, column)]
      const length = cellEnd(a, from) - from
      if (cellEnd(b, other) - other !== length) return false
      for (let i = 0; i < length; i++) if (a[from + i] !== b[other + i]) return false
    }
    return true
  }

  /** FNV-1a with a last mix, since only its low bits are used. */
  #hash(tuple: Tuple): number {
    let hash = 0x811c9dc5
    for (const column of this.#columns) {
      const from = cellAt(tuple, column)
      const end = cellEnd(tuple, from)
      for (let at = from; at < end; at++) hash = Math.imul(hash ^ (tuple[at] ?? 0), 0x01000193)
    }
    hash ^= hash >>> 15
    return hash | 0
  }

  #grow(): void {
    const places = new Int32Array(this.#places.length * 2)
    const mask = places.length - 1
    this.#hashes.forEach((hash, entry) => {
      let at = hash & mask
      while (places[at] !== 0) at = (at + 1) & mask
      places[at] = entry + 1
    })
    this.#places = places
  }
}
