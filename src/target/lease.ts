import { every, type Ticker, within } from '../async/clock.ts'
import { asFault, Fault } from '../model/fault.ts'
import { GOODBYE_MS, RENEW_ANSWER_MS, RENEW_MS } from './holding.ts'

export interface LeaseOptions {
  /** `host:port` of the target. */
  readonly label: string
  /** Throws HF-X102 when somebody else has the lease. */
  readonly renew: () => Promise<void>
  /** Gives the mirror back. */
  readonly give: () => Promise<void>
  /** The connection that both use; the claim is lost with it, and it is closed after all. */
  readonly session?: AsyncDisposable & { readonly lost: AbortSignal }
}

/** Keeps a claim alive until it is given back or lost. */
export class Lease implements AsyncDisposable {
  readonly #options: LeaseOptions
  readonly #lost = new AbortController()
  readonly #ticker: Ticker
  #renewing: Promise<void> | null = null

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#ticker = every(
      RENEW_MS,
      () => this.renew(),
      (error) => this.lose(error),
    )
    const broken = options.session?.lost
    broken?.addEventListener('abort', () => this.lose(broken.reason), { once: true })
  }

  /** Aborted, with the Fault as reason, when another process took over or renewing fails. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }
  /** For what else ends the claim. */
  lose(reason: unknown): void {
    this.#lost.abort(asFault(reason))
  }

  /** One renewal at a time; whoever asks meanwhile gets the outcome of that one. */
  async renew(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null
    })
    await this.#renewing
  }

  async #renew(): Promise<void> {
    await within(RENEW_ANSWER_MS, this.#options.renew(), () => {
      throw new Fault('HF-T201', {
        what: `the target at ${this.#options.label} has not answered for ${RENEW_ANSWER_MS / 1000} s`,
        side: 'target',
      })
    })
  }

  /** Renews no more. */
  async stop(): Promise<void> {
    await this.#ticker.stop()
  }

  /** Gives the mirror back, so that the next one need not wait. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    const { session, give } = this.#options
    if (session?.lost.aborted !== true) {
      await within(GOODBYE_MS, give(), () => undefined).catch(() => undefined)
    }
    await session?.[Symbol.asyncDispose]()
  }
}
