import type { ChangeList } from './change.ts'
import { Changes } from './changes.ts'
import type { Positions } from './position.ts'

/** Where each of several transactions committed; made only for those that somebody asks for. */
export interface Places {
  readonly length: number
  /** Bytes that each transaction takes beside its changes; few, unless given. */
  readonly weight?: number
  /** Where to go on reading once this transaction is durable. */
  positions(index: number): Positions
  /** Microseconds since 1970 by the source's clock; null when the source does not say. */
  committedAt(index: number): bigint | null
}

/** What a transaction costs beside its changes, bytes: where many share their lists, and alone. */
const SHARED = 40
const ALONE = 1500

/** Whole transactions in the order of their commits; at least one. */
export class Run {
  readonly changes: Changes
  readonly places: Places
  /** For each transaction the number of changes up to its end. */
  readonly #ends: readonly number[]

  constructor(changes: Changes, ends: readonly number[], places: Places) {
    this.changes = changes
    this.places = places
    this.#ends = ends
  }

  /** A run of one transaction. */
  static of(one: {
    readonly changes: ChangeList
    readonly positions: Positions
    readonly committedAt: bigint | null
  }): Run {
    const changes = Changes.of(one.changes)
    const { positions, committedAt } = one
    const at = { positions: () => positions, committedAt: () => committedAt }
    return new Run(changes, [changes.length], { length: 1, weight: ALONE, ...at })
  }

  get length(): number {
    return this.places.length
  }
  /** What it keeps in memory, roughly. */
  get bytes(): number {
    return this.changes.bytes + (this.places.weight ?? SHARED) * this.length
  }
  get first(): Positions {
    return this.places.positions(0)
  }
  get last(): Positions {
    return this.places.positions(this.length - 1)
  }

  changesOf(index: number): Changes {
    return this.changes.slice(this.#start(index), this.#start(index + 1))
  }

  /** Some of the transactions, as a run. */
  slice(from: number, to: number): Run {
    if (from === 0 && to === this.length) return this
    const start = this.#start(from)
    const ends = this.#ends.slice(from, to).map((end) => end - start)
    const { places } = this
    const some: Places = {
      length: to - from,
      weight: places.weight ?? SHARED,
      positions: (i) => places.positions(from + i),
      committedAt: (i) => places.committedAt(from + i),
    }
    return new Run(this.changes.slice(start, this.#start(to)), ends, some)
  }

  /** The same transactions with other changes, asked for in order. */
  map(of: (changes: Changes, index: number) => Changes): Run {
    const all = Changes.empty()
    const ends = this.#ends.map((_, i) => {
      all.append(of(this.changesOf(i), i))
      return all.length
    })
    return new Run(all, ends, this.places)
  }

  #start(index: number): number {
    return index === 0 ? 0 : (this.#ends[index - 1] ?? 0)
  }
}
