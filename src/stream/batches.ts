import type { Route } from '../apply/route.ts'
import { anyOf } from '../async/abort.ts'
import { every } from '../async/clock.ts'
import { Bell } from '../async/deferred.ts'
import type { StreamItem } from '../model/change.ts'
import { advance, type Compare, covers, type Positions } from '../model/position.ts'
import type { Run } from '../model/run.ts'
import { type Assembled, type AssembleOptions, Assembler } from './assemble.ts'
import { Draft, type SealedBatch } from './draft.ts'
import type { Growth } from './growth.ts'

export interface Limits extends Omit<AssembleOptions, 'early'> {
  /** Row changes and bytes after which a batch grows no more. */
  readonly rows: number
  readonly bytes: number
  /** Progress of an idle stream is stored after this many milliseconds, or this much log. */
  readonly idleMillis: number
  readonly idleDistance: bigint
}

export interface BatchOptions {
  readonly stream: (signal: AbortSignal) => AsyncIterable<readonly StreamItem[]>
  readonly after: Positions
  readonly route: Route
  readonly compare: Compare
  readonly limits: Limits
  /** True for positions that somebody waits for: their batch is flushed and not held back. */
  readonly awaited: (positions: Positions) => boolean
  /** Ends reading; what was read completely is still delivered, what is growing to its end. */
  readonly drain: AbortSignal
  /** A batch may be handed over while the one before it is applied. */
  readonly ahead: boolean
  /** A batch may be handed over while its transaction is still being read. */
  readonly growing: boolean
}

/** What `next` is told: the work with the batch before, where that is not done. */
export type Batches = AsyncGenerator<SealedBatch, void, Promise<void> | undefined>

/**
 * Cuts the stream into batches. Reading and assembling go on while the consumer is busy with the
 * batch before: when the source is quiet a transaction is handed over at once, when it is busy
 * batches grow up to their limits, and at the limit reading stops. Who asks for the next one while
 * busy gets it once it is full, if it and the one before it do nothing but add rows. The consumer
 * disposes of them.
 */
export async function* batches(options: BatchOptions): Batches {
  await using intake = new Intake(options)
  const reading = intake.read()
  try {
    let batch = await intake.next(undefined)
    while (batch !== null) {
      const busy = yield batch
      batch = await intake.next(busy)
    }
    await reading
  } finally {
    intake.close()
    await reading.catch(() => undefined)
  }
}

/** A batch keeps each run as it came, and a small one costs far more than its changes. */
const MOST_RUNS = 16_384

/** What is for a later batch, and where the stream stood without another transaction after it. */
interface Waiting {
  readonly assembled: Assembled
  reached: Positions | null
}

/** Where the reader and the consumer meet. */
class Intake implements AsyncDisposable {
  readonly #options: BatchOptions
  readonly #assembler: Assembler
  readonly #arrived = new Bell()
  readonly #room = new Bell()
  readonly #stop = new AbortController()
  readonly #drained = new AbortController()
  readonly #waiting: Waiting[] = []
  #draft: Draft
  #sealedTo: Positions
  /** The batch before only added rows. */
  #adding = false
  #due = false
  #urgent = false
  #growth: Growth | null = null
  #ended: { readonly error: unknown } | 'drained' | null = null

  constructor(options: BatchOptions) {
    const { limits, growing, route, compare, after } = options
    const early = (committed: Positions): boolean =>
      growing && route.passed(committed) && !covers(compare, after, committed)
    this.#options = options
    this.#assembler = new Assembler({ ...limits, early })
    this.#sealedTo = options.after
    this.#draft = new Draft(options.route, options.after)
  }

  /** Reads until the stream ends, fails, or nobody wants more. Never rejects. */
  async read(): Promise<void> {
    const { stream, limits, drain } = this.#options
    using _idle = every(
      limits.idleMillis,
      () => this.#idle(),
      () => undefined,
    )
    try {
      drain.addEventListener('abort', this.#drain)
      if (drain.aborted) this.#drain()
      for await (const burst of stream(anyOf(this.#drained.signal, this.#stop.signal))) {
        for (const item of burst) {
          const taken = this.#assembler.take(item)
          const whole = taken instanceof Promise ? await taken : taken
          if (!this.#accept(item, whole)) await whole?.spill?.[Symbol.asyncDispose]()
        }
        this.#arrived.ring()
        while (this.#full && !this.#stop.signal.aborted) {
          this.#draft.prepare()
          await this.#room.wait()
        }
        if (this.#stop.signal.aborted) break
      }
      this.#growth?.fail(this.#stop.signal.reason)
      this.#ended = 'drained'
    } catch (error) {
      this.#growth?.fail(error)
      this.#ended = this.#drained.signal.aborted ? 'drained' : { error }
    }
    drain.removeEventListener('abort', this.#drain)
    this.#arrived.ring()
  }

  /** Reading ends, but not inside of a transaction that the target is at work with. */
  readonly #drain = (): void => {
    if (this.#growth === null) this.#drained.abort()
  }

  /** The next batch as soon as there is something to put in it; null at the end. */
  async next(busy: Promise<void> | undefined): Promise<SealedBatch | null> {
    if (busy !== undefined) await this.#aheadOr(busy)
    for (;;) {
      if (!this.#draft.empty || this.#progressed()) return this.#seal()
      if (this.#ended === 'drained') return null
      if (this.#ended !== null) throw this.#ended.error
      await this.#arrived.wait()
    }
  }

  /** Until the next batch may be written ahead, or this is done. */
  async #aheadOr(busy: Promise<void>): Promise<void> {
    if (!this.#options.ahead || !this.#adding) return await busy
    let done = false
    const free = busy.finally(() => {
      done = true
    })
    free.catch(() => undefined)
    while (!done && !(this.#full && this.#draft.additive)) {
      await Promise.race([free, this.#arrived.wait()])
    }
  }

  /** Ends the reader wherever it waits. */
  close(): void {
    this.#stop.abort()
    this.#room.ring()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { assembled } of this.#waiting) await assembled.spill?.[Symbol.asyncDispose]()
    if (!this.#draft.empty) await this.#draft.seal(false)[Symbol.asyncDispose]()
    await this.#assembler[Symbol.asyncDispose]()
  }

  get #full(): boolean {
    if (this.#growth !== null) return false
    const { rows, bytes } = this.#options.limits
    const { count, runs } = this.#draft
    if (count >= rows || runs >= MOST_RUNS) return true
    return this.#draft.bytes >= bytes || this.#waiting.length > 0
  }

  /** False when what came is not wanted. */
  #accept(item: StreamItem, assembled: Assembled | null): boolean {
    if (this.#growth !== null) this.#goOn(this.#growth)
    if (item.kind === 'progress' && this.#growth === null) {
      const last = this.#waiting.at(-1)
      if (last === undefined) this.#draft.reach(item.positions)
      else last.reached = item.positions
      this.#urgent ||= item.urgent === true
    }
    const unseen = assembled === null ? null : this.#unseen(assembled)
    if (unseen === null) return false
    if (this.#waiting.length === 0 && this.#draft.fits(unseen)) this.#draft.add(unseen)
    else this.#waiting.push({ assembled: unseen, reached: null })
    return true
  }

  /** Nothing but the transaction that grows is read until it has come to its end. */
  #goOn(growth: Growth): void {
    const { whole } = growth
    if (whole === null) return
    this.#growth = null
    if (this.#waiting.every(({ assembled }) => assembled.growth !== growth)) {
      if (this.#draft.empty) {
        this.#sealedTo = advance(this.#sealedTo, whole.positions)
        this.#draft = new Draft(this.#options.route, this.#sealedTo)
      } else this.#draft.grown()
    }
    if (this.#options.drain.aborted) this.#drained.abort()
  }

  /** A source may send again what it sent before a reconnect; its place tells. */
  #unseen(assembled: Assembled): Assembled | null {
    const { run, growth } = assembled
    if (growth !== null) {
      this.#growth = growth
      return assembled
    }
    if (!this.#isSeen(run, 0)) return assembled
    if (this.#isSeen(run, run.length - 1)) return null
    let from = 1
    while (this.#isSeen(run, from)) from++
    const rest = run.slice(from, run.length)
    return { run: rest, spill: null, growth: null, count: rest.changes.length, bytes: rest.bytes }
  }

  #isSeen({ places }: Run, index: number): boolean {
    return covers(this.#options.compare, this.#options.after, places.positions(index))
  }

  #idle(): void {
    this.#due = true
    this.#arrived.ring()
  }

  /** True when the stream has passed places without changes that are worth storing now. */
  #progressed(): boolean {
    const { compare, limits, awaited } = this.#options
    const reached = this.#draft.positions
    if (covers(compare, this.#sealedTo, reached)) return false
    if (this.#due || this.#urgent || this.#ended !== null || awaited(reached)) return true
    for (const [lane, { order }] of reached) {
      const from = this.#sealedTo.get(lane)
      if (from === undefined || order - from.order >= limits.idleDistance) return true
    }
    return false
  }

  #seal(): SealedBatch {
    const { positions } = this.#draft
    const { awaited, drain } = this.#options
    const waited = this.#urgent || drain.aborted || this.#growth !== null || awaited(positions)
    const batch = this.#draft.seal(this.#ended !== null || waited)
    this.#adding = batch.additive
    this.#due = false
    this.#urgent = false
    this.#sealedTo = positions
    this.#draft = new Draft(this.#options.route, positions)
    let next = this.#waiting[0]
    while (next !== undefined && this.#draft.fits(next.assembled)) {
      this.#draft.add(next.assembled)
      if (next.reached !== null) this.#draft.reach(next.reached)
      this.#waiting.shift()
      next = this.#waiting[0]
    }
    this.#room.ring()
    return batch
  }
}
