import { connect, type Session } from '../../dialect/postgres/connect.ts'
import type { StreamItem } from '../../model/change.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import type { Positions } from '../../model/position.ts'
import type { Tuple } from '../../model/tuple.ts'
import { Bytes, misread } from './bytes.ts'
import { Decoder } from './pgoutput.ts'
import type { Lsn } from './position.ts'
import type { Relations } from './relations.ts'
import { Transactions } from './transactions.ts'
import { canonicalTuples } from './values.ts'
import { KEEPALIVE, WALSENDER_SETTINGS, Walsender, XLOG_DATA, XLOG_HEAD } from './walsender.ts'

export interface StreamOptions {
  readonly endpoint: Endpoint
  readonly mirror: string
  readonly slot: string
  readonly publications: readonly string[]
  readonly after: Lsn
  readonly landmark: string | null
  readonly encoding: string
  readonly positions: (lsn: Lsn, landmark: string | null) => Positions
  readonly relations: Relations
}

/** Streaming of transactions in progress came with 14, the oldest server there is here. */
const PROTOCOL = 2

/** A running stream: bursts of items, and the way back for what has become durable. */
export class PostgresStream implements AsyncDisposable {
  readonly #walsender: Walsender
  readonly #options: StreamOptions
  readonly #decoder = new Decoder()
  readonly #transactions: Transactions

  private constructor(walsender: Walsender, options: StreamOptions) {
    const { after, landmark, positions, relations: tables, encoding } = options
    const convert = encoding === 'values' ? canonicalTuples() : unconverted
    this.#walsender = walsender
    this.#options = options
    this.#transactions = new Transactions({ tables, after, landmark, positions, convert })
  }

  static async open(options: StreamOptions): Promise<PostgresStream> {
    const { endpoint, mirror, slot, after, publications, encoding } = options
    const session = await connect(endpoint, {
      side: 'source',
      mirror,
      purpose: 'stream',
      replication: true,
      settings: WALSENDER_SETTINGS,
    })
    const walsender = await Walsender.start(session, {
      slot,
      after,
      protocol: PROTOCOL,
      publications,
      binary: encoding === 'pg-binary',
      alive: () => stillThere(options, session),
    })
    return new PostgresStream(walsender, options)
  }

  acknowledge(lsn: Lsn): void {
    this.#walsender.acknowledge(lsn)
  }

  /** Bursts until the signal aborts. What came before a Fault is yielded before it is thrown. */
  async *bursts(signal: AbortSignal): AsyncIterable<readonly StreamItem[]> {
    while (!signal.aborted) {
      const bodies = await this.#next(signal)
      const items: StreamItem[] = []
      let failed: { readonly error: unknown } | null = null
      try {
        for (const body of bodies) await this.#take(body, items)
      } catch (error) {
        failed = { error }
      }
      this.#walsender.received(this.#transactions.last)
      if (items.length > 0) yield items
      if (failed !== null) throw failed.error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#walsender[Symbol.asyncDispose]()
  }

  async #next(signal: AbortSignal): Promise<readonly Buffer[]> {
    try {
      return await this.#walsender.next(signal)
    } catch (error) {
      if (signal.aborted) return []
      throw error
    }
  }

  /** A promise only where the catalogue has to be asked. */
  #take(body: Buffer, items: StreamItem[]): Promise<void> | undefined {
    if (body[0] === KEEPALIVE) {
      const bytes = new Bytes(body, 1, 'keepalive')
      const lsn = bytes.uint64()
      bytes.skip(8)
      const asked = bytes.byte() === 1
      bytes.end()
      this.#transactions.keepalive(lsn, asked, items)
      return undefined
    }
    if (body[0] !== XLOG_DATA || body.length <= XLOG_HEAD) {
      throw misread('the stream holds a message that is neither log nor keepalive')
    }
    const message = this.#decoder.decode(body.subarray(XLOG_HEAD))
    if (message.kind === 'relation') return this.#learn(message, items)
    if (message.kind === 'stream-commit') return this.#commit(message, items)
    this.#transactions.take(message, items)
    return undefined
  }

  async #learn(message: Parameters<Relations['learn']>[0], items: StreamItem[]): Promise<void> {
    const { xid, streamed } = this.#transactions
    const change = await this.#options.relations.learn(message, { xid, streamed })
    if (change !== null) this.#transactions.change(change, message.xid, items)
  }

  async #commit(
    message: Parameters<Transactions['take']>[0] & { readonly kind: 'stream-commit' },
    items: StreamItem[],
  ): Promise<void> {
    await this.#options.relations.confirm(message.xid)
    this.#transactions.take(message, items)
  }
}

function unconverted(tuple: Tuple): Tuple {
  return tuple
}

/** Asks over another connection whether the server still has this walsender. */
async function stillThere(options: StreamOptions, walsender: Session): Promise<boolean> {
  const { endpoint, mirror } = options
  await using session = await connect(endpoint, { side: 'source', mirror, purpose: 'ping' })
  const rows = await session.query('select 1 from pg_stat_activity where pid = $1::int', [
    String(walsender.pid),
  ])
  return rows.length > 0
}
