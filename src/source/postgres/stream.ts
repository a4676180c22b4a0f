import { every, monotonic } from '../../async/clock.ts'
import { connect, type Session } from '../../dialect/postgres/connect.ts'
import type { StreamItem } from '../../model/change.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { Fault } from '../../model/fault.ts'
import type { CatchUp as CatchUpSource, Way } from '../source.ts'
import { Bytes, misread } from './log/bytes.ts'
import { Reading, type ReadingOptions } from './log/reading.ts'
import { KEEPALIVE, WALSENDER_SETTINGS, Walsender, XLOG_DATA, XLOG_HEAD } from './log/walsender.ts'
import type { Lsn } from './position.ts'
import { CatchUp, type Piece } from './windows/catchup.ts'
import { isFar, isTooSlow, isWhim } from './windows/options.ts'

export interface StreamOptions extends ReadingOptions {
  readonly endpoint: Endpoint
  readonly mirror: string
  readonly slot: string
  readonly publications: readonly string[]
  readonly catchUp: CatchUpSource
  /** Where the source's log ends now, flushed. */
  readonly head: () => Promise<Lsn>
  /** Told which way is taken, and why. */
  readonly way: (way: Way) => void
}

/** Streaming of transactions in progress came with 14, the oldest server there is here. */
const PROTOCOL = 2
/** Milliseconds for which windows are not tried again after they failed. */
const HOLD_OFF_MS = 60_000
/** Milliseconds between two looks at how far a running stream is behind. */
const LOOK_MS = 2_000

type Items = readonly StreamItem[]

/**
 * A running stream: bursts of items, and the way back for what has become durable. Far behind, it
 * reads the log in windows, near the head through a walsender; both bring the same.
 */
export class PostgresStream {
  readonly #options: StreamOptions
  readonly #reading: Reading
  #durable: Lsn = 0n
  /** The newest place in the log that a walsender has shown; rows come before their commit. */
  #seen: Lsn = 0n
  /** What reads at the moment. */
  #way: { acknowledge(lsn: Lsn): void } | null = null
  /** Why windows do not work here, and from when on they are tried again; null when they may. */
  #without: { readonly why: string; readonly until: number } | null = null

  constructor(options: StreamOptions) {
    this.#options = options
    this.#reading = new Reading(options)
  }

  acknowledge(lsn: Lsn): void {
    if (lsn > this.#durable) this.#durable = lsn
    this.#way?.acknowledge(lsn)
  }

  /** Bursts until the signal aborts. What came before a Fault is yielded before it is thrown. */
  async *bursts(signal: AbortSignal): AsyncIterable<Items> {
    while (!signal.aborted) {
      if (await this.#isFar()) yield* this.#catchUp(signal)
      if (!signal.aborted) yield* this.#follow(signal)
    }
  }

  async #isFar(): Promise<boolean> {
    const { catchUp, head } = this.#options
    if (!this.#mayUseWindows()) return false
    const distance = (await head()) - this.#reading.last
    return isFar(catchUp, distance)
  }

  #mayUseWindows(): boolean {
    if (this.#without !== null && monotonic() >= this.#without.until) this.#without = null
    return this.#without === null
  }

  /** In windows, until little is left or until that fails; what fails is streamed instead. */
  async *#catchUp(signal: AbortSignal): AsyncIterable<Items> {
    const { catchUp: settings, encoding } = this.#options
    const [from, binary] = [this.#reading.last, encoding === 'pg-binary']
    try {
      await using way = await CatchUp.open({ ...this.#options, from, settings, binary }).catch(
        failed,
      )
      this.#way = way
      way.acknowledge(this.#durable)
      this.#options.way({ way: 'windows', why: way.description })
      const pieces = way.pieces(signal)
      // Nothing is named that is on its way: it would be held until the next one has come.
      while (yield* handOn(await this.#made((items) => this.#takeNext(pieces, items))));
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof WindowsFailed)) throw error
      this.#without = { why: error.message, until: monotonic() + HOLD_OFF_MS }
      yield* handOn(await this.#made(async (items) => this.#reading.abandon(items)))
    } finally {
      this.#way = null
    }
  }

  /** False at the end of the windows. */
  async #takeNext(
    pieces: AsyncGenerator<Piece, void, undefined>,
    items: StreamItem[],
  ): Promise<boolean> {
    const next = await pieces.next().catch(failed)
    if (next.done === true) return false
    await this.#takePiece(next.value, items)
    return true
  }

  async #takePiece(piece: Piece, items: StreamItem[]): Promise<void> {
    if ('through' in piece) {
      this.#reading.reached(piece.through, piece, items)
      return
    }
    const { buffer, ends } = piece
    for (let i = 0; i < ends.length; i += 2) {
      const at = { buffer, from: ends[i] ?? 0, to: ends[i + 1] ?? 0 }
      const asking = this.#reading.message(at, items)
      if (asking !== undefined) await asking
    }
  }

  /** What `take` made, with what it threw. */
  async #made(take: (items: StreamItem[]) => Promise<unknown>): Promise<Made> {
    const items: StreamItem[] = []
    try {
      const more = (await take(items)) !== false
      this.#reading.handOn(items)
      return { items, more, failed: null }
    } catch (error) {
      this.#reading.handOn(items)
      return { items, more: false, failed: { error } }
    }
  }

  /** Through a walsender; ends when the signal aborts or reading in windows is the better way. */
  async *#follow(signal: AbortSignal): AsyncIterable<Items> {
    await using walsender = await this.#start(signal)
    this.#way = walsender
    walsender.acknowledge(this.#durable)
    this.#options.way({ way: 'stream', why: this.#whyStream() })
    const slow = new AbortController()
    using _looks = every(LOOK_MS, this.#pacer(walsender, slow), () => undefined)
    try {
      while (!signal.aborted && !slow.signal.aborted) {
        yield* handOn(await this.#made((items) => this.#takeBodies(walsender, signal, items)))
        walsender.received(this.#reading.last)
        if (this.#without === null && isWhim(this.#options.catchUp)) slow.abort()
      }
      if (!signal.aborted) {
        yield* handOn(await this.#made(async (items) => this.#reading.abandon(items)))
      }
    } finally {
      this.#way = null
    }
  }

  #whyStream(): string {
    const { distance } = this.#options.catchUp
    if (this.#without !== null) {
      return `the source’s log is streamed; it cannot be read in windows: ${this.#without.why}`
    }
    if (distance === null) return 'the source’s log is streamed; windows are turned off'
    return 'the source’s log is streamed; too little of it is left for windows'
  }

  /** Looks whether the stream falls behind although the target takes what comes. */
  #pacer(walsender: Walsender, slow: AbortController): () => Promise<void> {
    let [at, last] = [monotonic(), this.#passed]
    return async () => {
      if (!this.#mayUseWindows()) return
      const head = await this.#options.head()
      const [now, here] = [monotonic(), this.#passed]
      const bytesPerMilli = Number(here - last) / (now - at)
      ;[at, last] = [now, here]
      const behind = { distance: head - here, bytesPerMilli }
      if (!walsender.full && isTooSlow(this.#options.catchUp, behind)) slow.abort()
    }
  }

  /** A transaction in progress keeps the commits waiting, and yet the stream goes on. */
  get #passed(): Lsn {
    const { last } = this.#reading
    return last > this.#seen ? last : this.#seen
  }

  async #start(signal: AbortSignal): Promise<Walsender> {
    const { endpoint, mirror, slot, publications, encoding } = this.#options
    const session = await connect(endpoint, {
      side: 'source',
      mirror,
      purpose: 'stream',
      replication: true,
      settings: WALSENDER_SETTINGS,
    })
    return await Walsender.start(session, {
      slot,
      after: this.#reading.last,
      protocol: PROTOCOL,
      publications,
      binary: encoding === 'pg-binary',
      alive: () => stillThere(this.#options, session),
      signal,
    })
  }

  async #takeBodies(walsender: Walsender, signal: AbortSignal, items: StreamItem[]): Promise<void> {
    const bodies = await next(walsender, signal)
    const newest = bodies.at(-1)
    if (newest?.[0] === XLOG_DATA) this.#seen = new Bytes(newest, 1, 'log').uint64()
    for (const body of bodies) {
      if (body[0] === KEEPALIVE) {
        const bytes = new Bytes(body, 1, 'keepalive')
        const lsn = bytes.uint64()
        bytes.skip(8)
        const asked = bytes.byte() === 1
        bytes.end()
        this.#reading.reached(lsn, { asked }, items)
      } else if (body[0] !== XLOG_DATA || body.length <= XLOG_HEAD) {
        throw misread('the stream holds a message that is neither log nor keepalive')
      } else {
        const asking = this.#reading.message(
          { buffer: body, from: XLOG_HEAD, to: body.length },
          items,
        )
        if (asking !== undefined) await asking
      }
    }
  }
}

/** Items, whether more may come, and why not. */
interface Made {
  readonly items: Items
  readonly more: boolean
  readonly failed: { readonly error: unknown } | null
}

/** What was made, before what was thrown; true when more may come. */
async function* handOn({ items, more, failed }: Made): AsyncGenerator<Items, boolean, undefined> {
  if (items.length > 0) yield items
  if (failed !== null) throw failed.error
  return more
}

/** Reading in windows failed for a reason that streaming may not have. */
class WindowsFailed extends Error {
  override readonly name = 'WindowsFailed'
}

function failed(error: unknown): never {
  if (error instanceof Fault) throw new WindowsFailed(`${error.code} ${error.detail.what}`)
  throw new WindowsFailed(error instanceof Error ? error.message : String(error))
}

async function next(walsender: Walsender, signal: AbortSignal): Promise<readonly Buffer[]> {
  try {
    return await walsender.next()
  } catch (error) {
    if (signal.aborted) return []
    throw error
  }
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
