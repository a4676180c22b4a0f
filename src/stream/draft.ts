import { collapse } from '../apply/collapse.ts'
import { inOrder } from '../apply/ordered.ts'
import type { Route, Sieve } from '../apply/route.ts'
import type { Batch, Part, Step, Stretch } from '../model/batch.ts'
import { advance, type Positions, settled } from '../model/position.ts'
import type { Run } from '../model/run.ts'
import type { Spill } from '../spool/spill.ts'
import type { Assembled } from './assemble.ts'
import type { Growth } from './growth.ts'

/** Row bytes of one part of a batch: what is collapsed together and held in memory at once. */
const PART = 8 << 20

/** Whole transactions on their way to become one batch. */
export class Draft {
  readonly #route: Route
  readonly #previous: Positions
  readonly #runs: Run[] = []
  #spill: { readonly spill: Spill; readonly sieve: Sieve } | null = null
  #growth: Growth | null = null
  #alone = false
  #steps: readonly Step[] | null = null
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

  get runs(): number {
    return this.#runs.length
  }

  /** False when this needs a batch of its own and others are in this one already. */
  fits(assembled: Assembled): boolean {
    return this.empty || (!this.#alone && !needsOwnBatch(assembled))
  }

  /** Call only when it fits. */
  add(assembled: Assembled): void {
    this.#alone = needsOwnBatch(assembled)
    this.#steps = null
    const { run, spill, growth, count, bytes } = assembled
    this.transactions += run.length
    if (growth !== null && spill !== null) {
      this.#growth = growth
      this.#spill = { spill, sieve: everything }
      this.#runs.push(run)
      this.grown()
      return
    }
    const { last } = run
    const committedAt = run.places.committedAt(run.length - 1)
    this.#spill = spill === null ? null : { spill, sieve: this.#route.at(last, committedAt) }
    this.#runs.push(spill === null ? this.#route.of(run) : run)
    this.positions = advance(this.positions, last)
    this.count += count
    this.bytes += bytes
  }

  /** What was growing when it was added may have come to its end. */
  grown(): void {
    const whole = this.#growth?.whole
    if (whole == null) return
    this.positions = advance(this.positions, whole.positions)
    this.count += whole.count
    this.bytes += whole.bytes
    this.#growth = null
  }

  /**
   * Makes the steps of what is here now, so that they are ready when the batch is asked for. For a
   * draft that does not grow any more, while the batch before it is applied.
   */
  prepare(): void {
    if (this.#spill === null) this.#steps ??= stepsOf(this.#runs, this.#route, true)
  }

  /** True when it is prepared and all that it does is new rows. */
  get additive(): boolean {
    return this.#steps?.every(addsRows) ?? false
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
      runs: this.#runs,
      ...{ changes: this.count, bytes: this.bytes },
      spill: this.#spill,
      growth: this.#growth,
      steps: this.#steps,
      additive: this.additive,
      route: this.#route,
      collapsed: true,
      flush,
    })
  }
}

function needsOwnBatch({ run, spill }: Assembled): boolean {
  return spill !== null || run.changes.reshapes
}

interface Sealed {
  readonly previous: Positions
  readonly positions: Positions
  /** What is for the target. */
  readonly runs: readonly Run[]
  /** Before anything was left out. */
  readonly changes: number
  readonly bytes: number
  /** What the one transaction changed, where that is not in memory. */
  readonly spill: { readonly spill: Spill; readonly sieve: Sieve } | null
  /** Given where the batch is one transaction that is still being read. */
  readonly growth: Growth | null
  /** Made already, in the way that `collapsed` says. */
  readonly steps: readonly Step[] | null
  readonly additive: boolean
  readonly route: Route
  readonly collapsed: boolean
  readonly flush: boolean
}

/** A batch over changes in memory or in a spill; disposing removes the spill. */
export class SealedBatch implements Batch, AsyncDisposable {
  readonly #sealed: Sealed
  readonly #positions: Positions
  readonly previous: Positions
  readonly collapsed: boolean
  readonly transactions: number
  readonly flush: boolean

  constructor(sealed: Sealed) {
    this.#sealed = sealed
    this.previous = settled(sealed.previous)
    this.#positions = settled(sealed.positions)
    this.collapsed = sealed.collapsed
    this.transactions = transactionsOf(sealed.runs)
    this.flush = sealed.flush
  }

  /** Of a batch that was prepared while it waited, and so is a large one. */
  get additive(): boolean {
    return this.#sealed.additive
  }

  get growing(): boolean {
    const { growth } = this.#sealed
    return growth !== null && growth.whole === null
  }

  async grown(): Promise<void> {
    await this.#sealed.growth?.wait()
  }

  get positions(): Positions {
    const whole = this.#sealed.growth?.whole
    return whole == null ? this.#positions : settled(whole.positions)
  }

  get changes(): number {
    return this.#sealed.growth?.whole?.count ?? this.#sealed.changes
  }

  get bytes(): number {
    return this.#sealed.growth?.whole?.bytes ?? this.#sealed.bytes
  }

  get committedAt(): bigint | null {
    return newestTime(this.#sealed.runs)
  }

  get newest(): Positions {
    return settled(this.#sealed.runs.at(-1)?.last ?? this.positions)
  }

  get parts(): Iterable<Part> | AsyncIterable<Part> {
    const { spill } = this.#sealed
    return spill === null ? this.#inMemory() : this.#spilled(spill.spill, spill.sieve)
  }

  get stretches(): Iterable<Stretch> | AsyncIterable<Stretch> {
    const { spill } = this.#sealed
    return spill === null
      ? this.#inMemoryStretches()
      : this.#spilledStretches(spill.spill, spill.sieve)
  }

  inOrder(): Batch {
    return new SealedBatch({ ...this.#sealed, steps: null, additive: false, collapsed: false })
  }

  halves(): readonly [Batch, Batch] | null {
    const { runs, previous, positions } = this.#sealed
    if (this.transactions < 2) return null
    const [first, second] = cut(runs, this.transactions >> 1)
    const between = first.reduce((at, { last }) => advance(at, last), previous)
    const half = (over: Pick<Sealed, 'previous' | 'positions' | 'runs'>): Batch =>
      new SealedBatch({
        ...this.#sealed,
        ...over,
        ...sizeOf(over.runs),
        steps: null,
        additive: false,
        collapsed: true,
        flush: true,
      })
    return [
      half({ previous, positions: between, runs: first }),
      half({ previous: between, positions, runs: second }),
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sealed.spill?.spill[Symbol.asyncDispose]()
  }

  *#inMemory(): Iterable<Part> {
    const { runs, steps, route, collapsed } = this.#sealed
    const made = steps ?? stepsOf(runs, route, collapsed)
    if (made.length > 0) yield { steps: made }
  }

  async *#spilled(spill: Spill, sieve: Sieve): AsyncIterable<Part> {
    const { route, collapsed } = this.#sealed
    for await (const list of spill.read(PART)) {
      yield { steps: stepsOf([{ changes: sieve(list) }], route, collapsed) }
    }
  }

  *#inMemoryStretches(): Iterable<Stretch> {
    for (const run of this.#sealed.runs) {
      for (let i = 0; i < run.length; i++) {
        const [positions, committedAt] = [run.places.positions(i), run.places.committedAt(i)]
        yield { positions, committedAt, first: 0, changes: run.changesOf(i) }
      }
    }
  }

  /** A transaction that was spilled is alone in its batch. */
  async *#spilledStretches(spill: Spill, sieve: Sieve): AsyncIterable<Stretch> {
    const { newest: positions, committedAt } = this
    let first = 0
    for await (const list of spill.read(PART)) {
      const changes = sieve(list)
      yield { positions, committedAt, first, changes }
      first += changes.length
    }
  }
}

/** A transaction that grows is past the places that tables were copied at. */
const everything: Sieve = (changes) => changes

function stepsOf(
  runs: readonly Pick<Run, 'changes'>[],
  { modeOf }: Route,
  collapsed: boolean,
): readonly Step[] {
  const lists = runs.map(({ changes }) => changes)
  return collapsed ? collapse(lists, modeOf) : inOrder(lists, modeOf)
}

function addsRows(step: Step): boolean {
  return step.kind === 'insert' && step.existing === 'refuse'
}

function transactionsOf(runs: readonly Run[]): number {
  return runs.reduce((sum, { length }) => sum + length, 0)
}

function sizeOf(runs: readonly Run[]): { readonly changes: number; readonly bytes: number } {
  return {
    changes: runs.reduce((sum, { changes }) => sum + changes.length, 0),
    bytes: runs.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

function newestTime(runs: readonly Run[]): bigint | null {
  for (const { places } of runs.toReversed()) {
    for (let i = places.length - 1; i >= 0; i--) {
      const at = places.committedAt(i)
      if (at !== null) return at
    }
  }
  return null
}

/** The first `count` transactions, and the others. */
function cut(runs: readonly Run[], count: number): readonly [readonly Run[], readonly Run[]] {
  const [first, second]: [Run[], Run[]] = [[], []]
  let left = count
  for (const run of runs) {
    const here = Math.min(left, run.length)
    if (here > 0) first.push(run.slice(0, here))
    if (here < run.length) second.push(run.slice(here, run.length))
    left -= here
  }
  return [first, second]
}
