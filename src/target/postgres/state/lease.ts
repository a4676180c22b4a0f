import { every, type Ticker, within } from '../../../async/clock.ts'
import { asFault, Fault } from '../../../model/fault.ts'
import { fenced, GOODBYE_MS, RENEW_ANSWER_MS, RENEW_MS } from '../../holding.ts'
import type { Link } from '../sessions.ts'
import { type Durable, lsnOf } from './durable.ts'
import { STATE } from './state.ts'

/**
 * Renewed without waiting for the disk: a lease that a crash takes back is renewed a moment later.
 * Also brings how far the server's log is flushed.
 */
const renewSql = `
update ${STATE}.leases set renewed_at = pg_catalog.clock_timestamp()
where mirror = $1 and epoch = $2::bigint
  and pg_catalog.set_config('synchronous_commit', 'off', true) is not null
returning pg_catalog.pg_current_wal_flush_lsn() as flushed`

/** Keeps a claim alive over its own connection, so that a long batch blocks no renewal. */
export class Lease implements AsyncDisposable {
  readonly #link: Link
  readonly #mirror: string
  readonly #epoch: bigint
  readonly #durable: Durable
  readonly #lost = new AbortController()
  readonly #ticker: Ticker

  constructor(options: {
    readonly link: Link
    readonly mirror: string
    readonly epoch: bigint
    readonly durable: Durable
  }) {
    this.#link = options.link
    this.#mirror = options.mirror
    this.#epoch = options.epoch
    this.#durable = options.durable
    const fail = (error: unknown): void => this.#lost.abort(asFault(error))
    this.#ticker = every(RENEW_MS, () => this.renew(), fail)
    const { lost } = options.link.session
    lost.addEventListener('abort', () => fail(lost.reason), { once: true })
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }
  /** For what else ends the claim. */
  lose(reason: unknown): void {
    this.#lost.abort(asFault(reason))
  }

  async renew(): Promise<void> {
    const { session } = this.#link
    const asked = session.query(renewSql, [this.#mirror, this.#epoch.toString()])
    const rows = await within(RENEW_ANSWER_MS, asked, () => {
      throw new Fault('HF-T201', {
        what: `the target at ${session.label} has not answered for ${RENEW_ANSWER_MS / 1000} s`,
        side: 'target',
      })
    })
    const flushed = rows[0]?.['flushed']
    if (flushed == null) throw fenced()
    this.#durable.flushed(lsnOf(flushed))
  }

  /** Gives the mirror back, so that the next one need not wait. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ticker.stop()
    const { session } = this.#link
    if (!session.lost.aborted) {
      const sql = `delete from ${STATE}.leases where mirror = $1 and epoch = $2::bigint`
      const given = session.query(sql, [this.#mirror, this.#epoch.toString()])
      await within(GOODBYE_MS, given, () => undefined).catch(() => undefined)
    }
    await session[Symbol.asyncDispose]()
  }
}
