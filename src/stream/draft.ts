import { collapse } from '../apply/collapse.ts'
import { inOrder } from '../apply/ordered.ts'
import type { Route, Sieve } from '../apply/route.ts'
import type { Batch, Part, Step, Stretch } from '../model/batch.ts'
import type { Change } from '../model/change.ts'
import { advance, type Positions, settled } from '../model/position.ts'
import type { Spill } from '../spool/spill.ts'
import type { Assembled } from './assemble.ts'

/** Row bytes of one part of a batch: what is collapsed together and held in memory at once. */
const PART = 8 << 20

const NOTHING: readonly Change[] = []

/** A transaction of a batch. */
interface Piece {
  readonly positions: Positions
  /** Those that are for the target. */
  readonly changes: readonly Change[]
  readonly count: number
  readonly bytes: number
  readonly committedAt: bigint | null
}

/** Whole transactions on their way to become one batch. */
export class Draft {
  readonly #route: Route
  readonly #previous: Positions
  readonly #pieces: Piece[] = []
  #spill: { readonly spill: Spill; readonly sieve: Sieve } | null = null
  #alone = false
  positions: Positions
  transactions = 0
  count = 0
  bytes = 0

  constructor(route: Route, previous: Positions) {
    this.#route = route
    this.#previous = previous
    this.positions = previous
  }

  get empty(): boolean {
    return this.transactions === 0
  }

  /** False when the transaction needs a batch of its own and others are in this one already. */
  fits(transaction: Assembled): boolean {
    return this.empty || (!this.#alone && !needsOwnBatch(transaction))
  }

  /** Call only when it fits. */
  add(transaction: Assembled): void {
    this.#alone = needsOwnBatch(transaction)
    const { positions, changes, spill, count, bytes, committedAt } = transaction
    const sieve = this.#route.at(positions)
    this.#spill = spill === null ? null : { spill, sieve }
    const wanted = sieve(changes ?? NOTHING)
    this.#pieces.push({ positions, changes: wanted, count, bytes, committedAt })
    this.positions = advance(this.positions, positions)
    this.transactions++
    this.count += count
    this.bytes += bytes
  }

  /** Nothing is outstanding before `positions`. */
  reach(positions: Positions): void {
    this.positions = advance(this.positions, positions)
  }

  /** The batch; the draft is not used after it. */
  seal(flush: boolean): SealedBatch {
    return new SealedBatch({
      previous: this.#previous,
      positions: this.positions,
      pieces: this.#pieces,
      spill: this.#spill,
      route: this.#route,
      collapsed: true,
      flush,
    })
  }
}

function isSchema({ kind }: Change): boolean {
  return kind === 'schema'
}

function needsOwnBatch(transaction: Assembled): boolean {
  return transaction.spill !== null || transaction.changes?.some(isSchema) === true
}

interface Sealed {
  readonly previous: Positions
  readonly positions: Positions
  readonly pieces: readonly Piece[]
  /** What the one transaction changed, where that is not in memory. */
  readonly spill: { readonly spill: Spill; readonly sieve: Sieve } | null
  readonly route: Route
  readonly collapsed: boolean
  readonly flush: boolean
}

/** A batch over changes in memory or in a spill; disposing removes the spill. */
export class SealedBatch implements Batch, AsyncDisposable {
  readonly #sealed: Sealed
  readonly previous: Positions
  readonly positions: Positions
  readonly collapsed: boolean
  readonly transactions: number
  readonly changes: number
  readonly bytes: number
  readonly committedAt: bigint | null
  readonly flush: boolean

  constructor(sealed: Sealed) {
    const { pieces } = sealed
    this.#sealed = sealed
    this.previous = settled(sealed.previous)
    this.positions = settled(sealed.positions)
    this.collapsed = sealed.collapsed
    this.transactions = pieces.length
    this.changes = pieces.reduce((sum, { count }) => sum + count, 0)
    this.bytes = pieces.reduce((sum, { bytes }) => sum + bytes, 0)
    this.committedAt = pieces.findLast((piece) => piece.committedAt !== null)?.committedAt ?? null
    this.flush = sealed.flush
  }

  get newest(): Positions {
    return settled(this.#sealed.pieces.at(-1)?.positions ?? this.positions)
  }

  get parts(): Iterable<Part> | AsyncIterable<Part> {
    const { spill } = this.#sealed
    return spill === null ? this.#inMemory() : this.#spilled(spill.spill, spill.sieve)
  }

  get stretches(): Iterable<Stretch> | AsyncIterable<Stretch> {
    const { spill, pieces } = this.#sealed
    if (spill !== null) return this.#spilledStretches(spill.spill, spill.sieve)
    return pieces.map(({ positions, committedAt, changes }) => {
      return { positions, committedAt, first: 0, changes }
    })
  }

  inOrder(): Batch {
    return new SealedBatch({ ...this.#sealed, collapsed: false })
  }

  halves(): readonly [Batch, Batch] | null {
    const { pieces, previous, positions } = this.#sealed
    if (pieces.length < 2) return null
    const [first, second] = [pieces.slice(0, pieces.length >> 1), pieces.slice(pieces.length >> 1)]
    const between = new Map(previous)
    for (const piece of first) for (const [lane, at] of piece.positions) between.set(lane, at)
    const half = (over: Pick<Sealed, 'previous' | 'positions' | 'pieces'>): Batch =>
      new SealedBatch({ ...this.#sealed, ...over, collapsed: true, flush: true })
    return [
      half({ previous, positions: between, pieces: first }),
      half({ previous: between, positions, pieces: second }),
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sealed.spill?.spill[Symbol.asyncDispose]()
  }

  *#inMemory(): Iterable<Part> {
    const { pieces } = this.#sealed
    const changes = pieces.length === 1 ? pieces[0]?.changes : pieces.flatMap((p) => p.changes)
    if (changes !== undefined && changes.length > 0) yield { steps: this.#steps(changes) }
  }

  async *#spilled(spill: Spill, sieve: Sieve): AsyncIterable<Part> {
    for await (const run of spill.read(PART)) yield { steps: this.#steps(sieve(run)) }
  }

  /** A transaction that was spilled is alone in its batch. */
  async *#spilledStretches(spill: Spill, sieve: Sieve): AsyncIterable<Stretch> {
    const { newest: positions, committedAt } = this
    let first = 0
    for await (const run of spill.read(PART)) {
      const changes = sieve(run)
      yield { positions, committedAt, first, changes }
      first += changes.length
    }
  }

  #steps(changes: readonly Change[]): readonly Step[] {
    const { modeOf } = this.#sealed.route
    return this.#sealed.collapsed ? collapse(changes, modeOf) : inOrder(changes, modeOf)
  }
}
