import type { Print, Recipe } from './reader.ts'
import { locate, type Tuple } from './tuple.ts'

/**
 * The form (Described.forms) of a cell that is the canonical text of its column's type: rows in it
 * are tuples of the encoding `values`, whole and without unchanged cells, and are digested in the
 * process, alike for all databases. A recipe has it for all of its columns or for none.
 */
export const VALUES = 'values'

/**
 * MurmurHash3_x86_128 (https://github.com/aappleby/smhasher, MurmurHash3.cpp), of whose result the
 * first 64 bits are kept: `high` and `low`, 32 unsigned bits each. No hash of 64 bits that is made
 * of multiplications of 32 is faster here, and MD5 takes several times as long.
 */
export class Hasher {
  high = 0
  low = 0
  /** The other half of the 128 bits. */
  third = 0
  fourth = 0
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = seed | 0
  }

  /** Of the bytes from `from` up to `to`. */
  take(bytes: Uint8Array, from: number, to: number): void {
    const seed = this.#seed
    let h1 = seed
    let h2 = seed
    let h3 = seed
    let h4 = seed
    let at = from
    for (const end = to - 15; at < end; at += 16) {
      h1 ^= scramble1(word(bytes, at))
      h1 = (h1 << 19) | (h1 >>> 13)
      h1 = (Math.imul((h1 + h2) | 0, 5) + 0x561ccd1b) | 0
      h2 ^= scramble2(word(bytes, at + 4))
      h2 = (h2 << 17) | (h2 >>> 15)
      h2 = (Math.imul((h2 + h3) | 0, 5) + 0x0bcaa747) | 0
      h3 ^= scramble3(word(bytes, at + 8))
      h3 = (h3 << 15) | (h3 >>> 17)
      h3 = (Math.imul((h3 + h4) | 0, 5) + 0x96cd1c35) | 0
      h4 ^= scramble4(word(bytes, at + 12))
      h4 = (h4 << 13) | (h4 >>> 19)
      h4 = (Math.imul((h4 + h1) | 0, 5) + 0x32ac3b17) | 0
    }
    h1 ^= scramble1(partial(bytes, at, to))
    h2 ^= scramble2(partial(bytes, at + 4, to))
    h3 ^= scramble3(partial(bytes, at + 8, to))
    h4 ^= scramble4(partial(bytes, at + 12, to))
    const length = to - from
    h1 ^= length
    h2 ^= length
    h3 ^= length
    h4 ^= length
    h1 = (h1 + h2 + h3 + h4) | 0
    const f2 = mixed(h2 + h1)
    const f3 = mixed(h3 + h1)
    const f4 = mixed(h4 + h1)
    const sum = (mixed(h1) + f2 + f3 + f4) | 0
    this.high = sum >>> 0
    this.low = (f2 + sum) >>> 0
    this.third = (f3 + sum) >>> 0
    this.fourth = (f4 + sum) >>> 0
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  )
}

/** Up to four bytes that lie before `to`. */
function partial(bytes: Uint8Array, at: number, to: number): number {
  if (at + 4 <= to) return word(bytes, at)
  let value = 0
  for (let i = to - 1; i >= at; i--) value = (value << 8) | (bytes[i] ?? 0)
  return value
}

const C1 = 0x239b961b
const C2 = 0xab0e9789
const C3 = 0x38b34ae5
const C4 = 0xa1e38b93

function scramble1(value: number): number {
  const k = Math.imul(value, C1)
  return Math.imul((k << 15) | (k >>> 17), C2)
}
function scramble2(value: number): number {
  const k = Math.imul(value, C2)
  return Math.imul((k << 16) | (k >>> 16), C3)
}
function scramble3(value: number): number {
  const k = Math.imul(value, C3)
  return Math.imul((k << 17) | (k >>> 15), C4)
}
function scramble4(value: number): number {
  const k = Math.imul(value, C4)
  return Math.imul((k << 18) | (k >>> 14), C1)
}

function mixed(value: number): number {
  let h = value ^ (value >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Two halves of 32 unsigned bits as one number. */
function joined(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low)
}

const KEY_SEED = 0x6b6579
const ROW_SEED = 0x726f77
const CELL_SEED = 0x63656c

/**
 * Digests rows one after another: `hash` is that of the identifying cells, `digest` that of all
 * cells, both of the cells' bytes in a tuple, unsigned. Without a key they are the same.
 */
export class Printer {
  readonly hash: { readonly high: number; readonly low: number }
  readonly digest: { readonly high: number; readonly low: number }
  readonly #hash: Hasher
  readonly #digest = new Hasher(ROW_SEED)
  readonly #key: readonly number[] | null
  /** The key's cells stand side by side, in its order. */
  readonly #run: boolean
  readonly #offsets: number[] = []
  #scratch = Buffer.alloc(256)
  #tuple: Tuple = Buffer.alloc(2)

  constructor(recipe: Recipe) {
    const { identity } = recipe.table
    const first = identity.by === 'key' ? (identity.columns[0] ?? 0) : 0
    this.#key = identity.by === 'key' ? identity.columns : null
    this.#run = this.#key?.every((column, i) => column === first + i) === true
    this.#hash = this.#key === null ? this.#digest : new Hasher(KEY_SEED)
    this.hash = this.#hash
    this.digest = this.#digest
  }

  take(tuple: Tuple): void {
    const offsets = this.#offsets
    const count = locate(tuple, offsets)
    this.#tuple = tuple
    this.#digest.take(tuple, 2, offsets[count] ?? 2)
    const key = this.#key
    if (key === null) return
    const [first = 0] = key
    if (this.#run) {
      this.#hash.take(tuple, offsets[first] ?? 2, offsets[first + key.length] ?? 2)
    } else {
      const end = this.#keyCells(key, 0)
      this.#hash.take(this.#scratch, 0, end)
    }
  }

  /** The lowest bits of the hash. */
  bucket(buckets: number): number {
    return (this.hash.low & (buckets - 1)) >>> 0
  }

  /** Of the row that was taken last. */
  get print(): Print {
    const hash = joined(this.hash.high, this.hash.low)
    const digest = this.#key === null ? hash : joined(this.digest.high, this.digest.low)
    return { hash, digest, key: this.key, count: 1 }
  }

  /** The identifying cells of the row that was taken last; no cells without a key. */
  get key(): Tuple {
    if (this.#key === null) return Buffer.alloc(2)
    const end = this.#keyCells(this.#key, 2)
    this.#scratch.writeUInt16BE(this.#key.length, 0)
    return Buffer.from(this.#scratch.subarray(0, end))
  }

  /** For each cell of the row that was taken last its digest, as text. */
  get cells(): readonly string[] {
    const hasher = new Hasher(CELL_SEED)
    return this.#offsets.slice(0, -1).map((from, i) => {
      hasher.take(this.#tuple, from, this.#offsets[i + 1] ?? from)
      return joined(hasher.high, hasher.low).toString(16).padStart(16, '0')
    })
  }

  /** Writes the key's cells side by side; returns where they end. */
  #keyCells(key: readonly number[], start: number): number {
    let size = start
    for (const column of key) {
      const [from = 0, to = 0] = [this.#offsets[column], this.#offsets[column + 1]]
      if (size + to - from > this.#scratch.length) this.#grow(2 * (size + to - from))
      size += this.#tuple.copy(this.#scratch, size, from, to)
    }
    return size
  }

  #grow(size: number): void {
    const fresh = Buffer.alloc(size)
    this.#scratch.copy(fresh)
    this.#scratch = fresh
  }
}

/** Counts and sums of digests by bucket, in plain numbers as far as these are exact. */
export class Totals {
  readonly #counts: Float64Array
  readonly #highs: Float64Array
  readonly #lows: Float64Array
  /** What was taken out of the plain numbers. */
  readonly #carried = new Map<number, bigint>()

  constructor(buckets: number) {
    this.#counts = new Float64Array(buckets)
    this.#highs = new Float64Array(buckets)
    this.#lows = new Float64Array(buckets)
  }

  add(bucket: number, { digest }: Printer): void {
    const count = (this.#counts[bucket] ?? 0) + 1
    this.#counts[bucket] = count
    this.#highs[bucket] = (this.#highs[bucket] ?? 0) + digest.high
    this.#lows[bucket] = (this.#lows[bucket] ?? 0) + digest.low
    // 2^20 numbers of 32 bits are below 2^53.
    if (count % EXACT === 0) this.#carry(bucket)
  }

  get sums(): Map<number, { readonly count: bigint; readonly sum: bigint }> {
    const all = new Map<number, { readonly count: bigint; readonly sum: bigint }>()
    for (const [bucket, count] of this.#counts.entries()) {
      if (count > 0) all.set(bucket, { count: BigInt(count), sum: this.#sum(bucket) })
    }
    return all
  }

  #sum(bucket: number): bigint {
    const plain = BigInt(this.#highs[bucket] ?? 0) * (1n << 32n) + BigInt(this.#lows[bucket] ?? 0)
    return plain + (this.#carried.get(bucket) ?? 0n)
  }

  #carry(bucket: number): void {
    this.#carried.set(bucket, this.#sum(bucket))
    this.#highs[bucket] = 0
    this.#lows[bucket] = 0
  }
}

const EXACT = 1 << 20
