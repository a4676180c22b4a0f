import { within } from '../../../async/clock.ts'
import type { Batch } from '../../../model/batch.ts'
import { breakOff, type Link } from '../sessions.ts'
import type { Applied, Applier } from './apply.ts'
import { Doubt } from './doubt.ts'

/** A batch that waits longer for the one before it gives way, since that may be waiting for it. */
const PATIENCE_MS = 5000

/** The batch goes back: what is before it needs the way. */
class GivesWay extends Error {
  override readonly name = 'GivesWay'
}

export interface AheadOptions {
  /** The applier of the main connection, and the use of it while nobody else uses that. */
  readonly main: Applier
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>
  readonly open: () => Promise<Link>
  readonly applierOver: (link: Link) => Applier
  /** Ends what waits for the server. */
  readonly lost: AbortSignal
}

/**
 * Two connections that write by turns: the server is at work with a batch while the one before it
 * is not yet committed. Rows of an additive batch meet no other's, so that neither waits for the
 * other; where they do all the same (a target that holds what it should not), the later one is
 * taken back and written again once its turn has come.
 */
export class Ahead implements AsyncDisposable {
  readonly #options: AheadOptions
  readonly #doubt = new Doubt()
  #second: { readonly link: Link; readonly applier: Applier } | null = null
  /** What uses the main connection. */
  #busy = 0
  /** Aborted when what is ahead is to give way; null while nothing is. */
  #way: AbortController | null = null

  constructor(options: AheadOptions) {
    this.#options = options
    options.lost.addEventListener('abort', () => this.#breakOff())
  }

  /** Work in turn over the main connection; what was begun ahead of it gives way. */
  async inTurn<T>(work: (main: Applier) => Promise<T>): Promise<T> {
    this.#way?.abort(new GivesWay('what is before it is written again'))
    return await this.#overMain(work)
  }

  /** Null when the batch was not written, or taken back. */
  async apply(batch: Batch, encoding: string, before: Promise<void>): Promise<Applied | null> {
    if (this.#doubt.stands()) return null
    const way = new AbortController()
    const turn = turnOf(before, way.signal)
    const work = (applier: Applier): Promise<Applied | null> => applier.ahead(batch, encoding, turn)
    this.#way = way
    try {
      const applied = await (this.#busy === 0 ? this.#overMain(work) : this.#overSecond(work))
      if (applied === null) this.#doubt.raise()
      return applied
    } finally {
      if (this.#way === way) this.#way = null
    }
  }

  async #overMain<T>(work: (main: Applier) => Promise<T>): Promise<T> {
    const { main, alone } = this.#options
    this.#busy++
    try {
      return await alone(() => work(main))
    } finally {
      this.#busy--
    }
  }

  /** Null where there is no second connection to be had. */
  async #overSecond<T>(work: (second: Applier) => Promise<T | null>): Promise<T | null> {
    const { open, applierOver, lost } = this.#options
    if (this.#second?.link.session.lost.aborted === true) await this.#close()
    if (this.#second === null) {
      const link = await open().catch(() => null)
      if (link === null) return null
      this.#second = { link, applier: applierOver(link) }
      if (lost.aborted) this.#breakOff()
    }
    return await work(this.#second.applier)
  }

  #breakOff(): void {
    if (this.#second !== null) breakOff(this.#second.link)
  }

  async #close(): Promise<void> {
    const second = this.#second
    this.#second = null
    await second?.link.session[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }
}

/** Rejects where the batch is to be taken back. */
function turnOf(before: Promise<void>, way: AbortSignal): () => Promise<void> {
  // Nobody hears it before the rows are written.
  before.catch(() => undefined)
  return async () => {
    const gone = Promise.withResolvers<never>()
    const give = (): void => gone.reject(way.reason)
    way.throwIfAborted()
    way.addEventListener('abort', give, { once: true })
    try {
      await within(PATIENCE_MS, Promise.race([before, gone.promise]), () => {
        throw new GivesWay('its turn does not come')
      })
    } finally {
      way.removeEventListener('abort', give)
    }
  }
}
