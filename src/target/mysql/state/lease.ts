import { every, sleep, type Ticker, within } from '../../../async/clock.ts'
import type { Session } from '../../../dialect/mysql/connect.ts'
import { literal } from '../../../dialect/mysql/quote.ts'
import { send } from '../../../dialect/mysql/send.ts'
import { Sql } from '../../../dialect/mysql/sql.ts'
import { asFault, Fault } from '../../../model/fault.ts'
import { fenced, GOODBYE_MS, RENEW_ANSWER_MS, RENEW_MS } from '../../holding.ts'
import { type Durable, flushesCommits, logPlace } from './durable.ts'
import { STATE } from './state.ts'

/** How often the log is looked at while somebody waits for the disk. */
const LOOK_MS = 20

/**
 * Keeps a claim alive over its own connection, so that a long batch blocks no renewal, and learns
 * there what the server has on disk.
 */
export class Lease implements AsyncDisposable {
  readonly #session: Session
  readonly #where: string
  readonly #durable: Durable
  readonly #lost = new AbortController()
  readonly #ticker: Ticker
  readonly #sql = new Sql()
  /** The server waits for its disk at each commit. */
  #strict = false
  /** The account may have the redo log flushed. */
  #mayFlush = true

  constructor(options: {
    readonly session: Session
    readonly mirror: string
    readonly epoch: bigint
    readonly durable: Durable
  }) {
    this.#session = options.session
    this.#where = `WHERE mirror = ${literal(options.mirror)} AND epoch = ${options.epoch}`
    this.#durable = options.durable
    const fail = (error: unknown): void => this.#lost.abort(asFault(error))
    this.#ticker = every(RENEW_MS, () => this.renew(), fail)
    const { lost } = options.session
    lost.addEventListener('abort', () => fail(lost.reason), { once: true })
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }
  /** A commit that has returned is on disk. */
  get strict(): boolean {
    return this.#strict
  }
  /** For what else ends the claim. */
  lose(reason: unknown): void {
    this.#lost.abort(asFault(reason))
  }

  async renew(): Promise<void> {
    await within(RENEW_ANSWER_MS, this.#renewed(), () => {
      throw new Fault('HF-T201', {
        what: `the target at ${this.#session.label} has not answered for ${RENEW_ANSWER_MS / 1000} s`,
        side: 'target',
      })
    })
  }

  async #renewed(): Promise<void> {
    this.#sql.clear()
    this.#sql.raw(`UPDATE ${STATE.leases} SET renewed_at = utc_timestamp(6) ${this.#where}`)
    const [renewed] = await send(this.#session, this.#sql)
    if (renewed?.rows !== 1) throw fenced()
    this.#strict = await flushesCommits(this.#session)
    if (!this.#durable.settled) await this.#look()
  }

  /** Returns when all that has committed is on disk; the server flushes at least each second. */
  async flushed(): Promise<void> {
    while (!this.#durable.settled) {
      this.#lost.signal.throwIfAborted()
      if (this.#mayFlush) {
        const flushing = this.#session.query('FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS')
        await flushing.catch(() => {
          this.#mayFlush = false
        })
      }
      await this.#look()
      if (!this.#durable.settled) await sleep(LOOK_MS, this.#lost.signal)
    }
  }

  async #look(): Promise<void> {
    const { commits } = this.#durable
    const place = await logPlace(this.#session)
    if (place !== null) this.#durable.looked(place, commits)
  }

  /** Gives the mirror back, so that the next one need not wait. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ticker.stop()
    if (!this.#session.lost.aborted) {
      const given = this.#session.query(`DELETE FROM ${STATE.leases} ${this.#where}`)
      await within(GOODBYE_MS, given, () => undefined).catch(() => undefined)
    }
    await this.#session[Symbol.asyncDispose]()
  }
}
