import { collapse } from '../apply/collapse.ts'
import { inOrder } from '../apply/ordered.ts'
import type { Route, Sieve } from '../apply/route.ts'
import type { Batch, Part, Step } from '../model/batch.ts'
import type { Change } from '../model/change.ts'
import { advance, type Positions } from '../model/position.ts'
import type { Spill } from '../spool/spill.ts'
import type { Assembled } from './assemble.ts'

/** Row bytes of one part of a batch: what is collapsed together and held in memory at once. */
const PART = 8 << 20

/** Whole transactions on their way to become one batch. */
export class Draft {
  readonly #route: Route
  readonly #previous: Positions
  #changes: (readonly Change[])[] = []
  #spill: { readonly spill: Spill; readonly sieve: Sieve } | null = null
  #alone = false
  positions: Positions
  transactions = 0
  count = 0
  bytes = 0
  #committedAt: bigint | null = null

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
    const { changes, spill } = transaction
    const sieve = this.#route.at(transaction.positions)
    this.#spill = spill === null ? null : { spill, sieve }
    const wanted = sieve(changes ?? [])
    if (wanted.length > 0) this.#changes.push(wanted)
    this.positions = advance(this.positions, transaction.positions)
    this.transactions++
    this.count += transaction.count
    this.bytes += transaction.bytes
    this.#committedAt = transaction.committedAt ?? this.#committedAt
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
      changes: this.#changes.length === 1 ? (this.#changes[0] ?? []) : this.#changes.flat(),
      spill: this.#spill,
      route: this.#route,
      collapsed: true,
      transactions: this.transactions,
      count: this.count,
      bytes: this.bytes,
      committedAt: this.#committedAt,
      flush,
    })
  }
}

function needsOwnBatch(transaction: Assembled): boolean {
  return transaction.spill !== null || (transaction.changes ?? []).some((c) => c.kind === 'schema')
}

interface Sealed {
  readonly previous: Positions
  readonly positions: Positions
  readonly changes: readonly Change[]
  readonly spill: { readonly spill: Spill; readonly sieve: Sieve } | null
  readonly route: Route
  readonly collapsed: boolean
  readonly transactions: number
  readonly count: number
  readonly bytes: number
  readonly committedAt: bigint | null
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
    this.#sealed = sealed
    this.previous = sealed.previous
    this.positions = sealed.positions
    this.collapsed = sealed.collapsed
    this.transactions = sealed.transactions
    this.changes = sealed.count
    this.bytes = sealed.bytes
    this.committedAt = sealed.committedAt
    this.flush = sealed.flush
  }

  get parts(): Iterable<Part> | AsyncIterable<Part> {
    const { spill, changes } = this.#sealed
    return spill === null ? this.#inMemory(changes) : this.#spilled(spill.spill, spill.sieve)
  }

  inOrder(): Batch {
    return new SealedBatch({ ...this.#sealed, collapsed: false })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sealed.spill?.spill[Symbol.asyncDispose]()
  }

  *#inMemory(changes: readonly Change[]): Iterable<Part> {
    if (changes.length > 0) yield { steps: this.#steps(changes) }
  }

  async *#spilled(spill: Spill, sieve: Sieve): AsyncIterable<Part> {
    for await (const run of spill.read(PART)) yield { steps: this.#steps(sieve(run)) }
  }

  #steps(changes: readonly Change[]): readonly Step[] {
    const { modeOf } = this.#sealed.route
    return this.#sealed.collapsed ? collapse(changes, modeOf) : inOrder(changes, modeOf)
  }
}
