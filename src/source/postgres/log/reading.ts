import { canonicalTuples } from '../../../dialect/postgres/values.ts'
import type { StreamItem } from '../../../model/change.ts'
import type { Positions } from '../../../model/position.ts'
import type { Landmark, Lsn } from '../position.ts'
import { Decoder } from './pgoutput.ts'
import type { Relations } from './relations.ts'
import { Transactions } from './transactions.ts'

export interface ReadingOptions {
  readonly after: Lsn
  readonly encoding: string
  readonly landmark: Landmark | null
  readonly positions: (lsn: Lsn, landmark: Landmark | null) => Positions
  readonly relations: Relations
}

/** Where a message of the plugin stands. */
export interface MessageAt {
  readonly buffer: Buffer
  readonly from: number
  readonly to: number
}

/**
 * What the plugin's messages become, whichever way they came: nobody behind it can tell a log that
 * was streamed from one that was caught up with.
 */
export class Reading {
  readonly #relations: Relations
  readonly #transactions: Transactions
  #decoder = new Decoder()

  constructor({ after, landmark, encoding, positions, relations }: ReadingOptions) {
    const convert = encoding === 'values' ? canonicalTuples() : null
    this.#relations = relations
    const tables = relations
    this.#transactions = new Transactions({ tables, after, landmark, positions, convert })
  }

  /** Everything before it has been read; reading can go on from here in another way. */
  get last(): Lsn {
    return this.#transactions.last
  }

  /**
   * One message of the plugin, in `buffer` from `from` on and up to `to`. A promise only where the
   * catalogue has to be asked.
   */
  message({ buffer, from, to }: MessageAt, items: StreamItem[]): Promise<void> | undefined {
    const message = this.#decoder.decode(buffer, from, to)
    if (message.kind === 'relation') return this.#learn(message, items)
    if (message.kind === 'stream-commit') return this.#commit(message, items)
    this.#transactions.take(message, items)
    return undefined
  }

  /** Whatever committed before `lsn` has come. `asked`: the server waits for an answer. */
  reached(lsn: Lsn, { asked }: { readonly asked: boolean }, items: StreamItem[]): void {
    this.#transactions.keepalive(lsn, asked, items)
  }

  /** Hands on what has committed; to be called when a burst has been read. */
  handOn(items: StreamItem[]): void {
    this.#transactions.handOn(items)
  }

  /** Takes back what has not committed: it comes again, whole, in another way of reading. */
  abandon(items: StreamItem[]): void {
    this.#transactions.abandon(items)
    this.#decoder = new Decoder()
  }

  async #learn(message: Parameters<Relations['learn']>[0], items: StreamItem[]): Promise<void> {
    const { xid, streamed } = this.#transactions
    const change = await this.#relations.learn(message, { xid, streamed })
    if (change !== null) this.#transactions.change(change, message.xid, items)
  }

  async #commit(
    message: Parameters<Transactions['take']>[0] & { readonly kind: 'stream-commit' },
    items: StreamItem[],
  ): Promise<void> {
    await this.#relations.confirm(message.xid)
    this.#transactions.take(message, items)
  }
}
