import type { Positions } from '../model/position.ts'
import type { Spill } from '../spool/spill.ts'

/** What is known of a transaction once its commit has been read. */
interface Whole {
  readonly positions: Positions
  readonly committedAt: bigint | null
  readonly count: number
  readonly bytes: number
}

/**
 * A transaction that is handed on while the rest of it is still being read, so that the target is
 * at work meanwhile. Only one that is known to have committed: it is not taken back.
 */
export class Growth {
  readonly spill: Spill
  readonly #settled = Promise.withResolvers<Whole>()
  whole: Whole | null = null

  constructor(spill: Spill) {
    this.spill = spill
    this.#settled.promise.catch(() => undefined)
  }

  /** Settles when its commit has been read, or rejects with why it was not. */
  async wait(): Promise<void> {
    await this.#settled.promise
  }

  async end(whole: Whole): Promise<void> {
    await this.spill.finish()
    this.whole = whole
    this.#settled.resolve(whole)
  }

  /** It cannot be read to its end. */
  fail(error: unknown): void {
    if (this.whole !== null) return
    this.spill.fail(error)
    this.#settled.reject(error)
  }
}
