import { orAborted } from '../../../async/abort.ts'
import { every, monotonic, type Ticker, within } from '../../../async/clock.ts'
import { Bell } from '../../../async/deferred.ts'
import { point } from '../../../async/point.ts'
import { connect, type Session } from '../../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../../dialect/postgres/errors.ts'
import type { CatchUp as CatchUpSource } from '../../source.ts'
import { formatLsn, type Lsn, parseLsn } from '../position.ts'
import { text } from '../rows.ts'
import type { Messages } from './frames.ts'
import { firstWindow, isNear, isWorthMoving, nextWindow, patience } from './options.ts'
import { LogReader, type LogReaderOptions, type ReaderMemory, type Window } from './reader.ts'

export interface CatchUpOptions extends LogReaderOptions {
  readonly from: Lsn
  readonly settings: CatchUpSource
  /** Where the source's log ends now, flushed. */
  readonly head: () => Promise<Lsn>
}

/** What came: messages of the plugin, or the place up to which everything has come. */
export type Piece = Messages | Through

interface Through {
  readonly through: Lsn
  /** Reading goes on when this place is durable at the target. */
  readonly asked: boolean
}

/** A window on its way, what reads it, and how much log it spans. */
interface Planned {
  readonly window: Window
  readonly reader: LogReader
  readonly log: number
}

/** Windows end where a page may begin, whatever size the server's pages have (up to 64 kB). */
const PAGE = 0x10000n
/** Log and time after which the durable slot is moved, so that the source can recycle its log. */
const ADVANCE_BYTES = 1n << 30n
const ADVANCE_MS = 60_000
const LOOK_MS = 1_000

/**
 * Reads the log in windows, two sessions in turn: while one window is applied the server decodes
 * the next. Each goes on from a copy of the slot copy that the other one has moved, since decoding
 * begins anew at the last place where the server noted what was running. The durable slot follows what is durable at the target (promise 1).
 */
export class CatchUp implements AsyncDisposable {
  readonly #options: CatchUpOptions
  readonly #readers: LogReader[]
  readonly #keeper: Session
  readonly #ticker: Ticker
  readonly #moved = new Bell()
  #durable: Lsn
  #advanced: Lsn
  #advancedAt = monotonic()
  #failed: { readonly error: unknown } | null = null
  #planned: Lsn
  /** What reads the newest window. */
  #newest: LogReader | null = null
  #span = firstWindow()
  /** Some window has been read. */
  #known = false
  /** The newest window held no commit: what began in it is large or has been open for long. */
  #large = false

  private constructor(options: CatchUpOptions, readers: LogReader[], keeper: Session) {
    this.#options = options
    this.#readers = readers
    this.#keeper = keeper
    this.#planned = options.from
    this.#durable = 0n
    this.#advanced = options.from
    this.#ticker = every(
      LOOK_MS,
      () => this.#look(),
      (error) => {
        this.#failed ??= { error }
        this.#moved.ring()
      },
    )
  }

  /** Throws NoCatchUp, and Fault, when streaming is to be used instead. */
  static async open(options: CatchUpOptions): Promise<CatchUp> {
    const { endpoint, mirror } = options
    const readers = [await LogReader.open(options)]
    try {
      const second = await LogReader.open(options).catch(oneIsEnough)
      if (second !== null) readers.push(second)
      const keeper = await connect(endpoint, { side: 'source', mirror, purpose: 'advance' })
      point('windows-opened')
      return new CatchUp(options, readers, keeper)
    } catch (error) {
      for (const reader of readers) await reader[Symbol.asyncDispose]()
      throw error
    }
  }

  /**
   * Until little is left, and what was read is durable at the target: a walsender decodes all that
   * is not once more, on processors that the target wants then. What came last before an error may
   * be a part of a transaction.
   */
  async *pieces(signal: AbortSignal): AsyncGenerator<Piece, void, undefined> {
    do {
      yield* this.#windows(signal)
      if (this.#durable < this.#planned) yield { through: this.#planned, asked: true }
      await this.#settled(signal)
    } while (!isNear(this.#options.settings, (await this.#options.head()) - this.#planned))
  }

  async *#windows(signal: AbortSignal): AsyncGenerator<Piece, void, undefined> {
    /** Begun, in the order of the log. */
    const begun: Planned[] = []
    for (;;) {
      await this.#begin(begun)
      const current = begun.shift()
      if (current === undefined) return
      const { window } = current
      // Nothing is named that is on its way: it would be held until the next one has come.
      while (await window.some(signal)) {
        if (this.#failed !== null) throw this.#failed.error
        yield window.take()
      }
      yield { through: window.to, asked: false }
      point('window-read')
      this.#learn(current)
    }
  }

  /**
   * As many windows as there are readers, as soon as one of them is free: while one is applied the
   * next is decoded, and where the target waits for a window, two are decoded at once.
   */
  async #begin(begun: Planned[]): Promise<void> {
    const most = this.#mayOverlap ? this.#readers.length : 1
    while (begun.length < most) {
      const next = await this.#plan()
      if (next === null) return
      begun.push(next)
    }
  }

  /** Waits while the target gets on. */
  async #settled(signal: AbortSignal): Promise<void> {
    while (this.#durable < this.#planned) {
      const moved = this.#moved.wait().then(() => true)
      const going = await orAborted(
        within(patience(), moved, () => false),
        signal,
      )
      if (this.#failed !== null) throw this.#failed.error
      if (!going) return
    }
  }

  /** How large the next window may be, and what it needs. */
  #learn({ window, reader, log }: Planned): void {
    const { messages, bytes } = window
    const { before } = reader
    const { result: memory } = this.#memory
    this.#span = nextWindow(this.#span, { log, messages, bytes, memory, before })
    this.#known = true
    this.#large = messages === 0
  }

  /**
   * Not before the first window has shown how much comes of how much log, and not where a
   * transaction is so large that it needs all the memory.
   */
  get #mayOverlap(): boolean {
    return this.#known && !this.#large && this.#readers.length > 1
  }

  /** For people: that windows are read, and what that may take at the source. */
  get description(): string {
    const most = Math.round(this.#options.settings.memory / 2 ** 20)
    const sessions = this.#readers.length === 1 ? 'one session' : 'two sessions'
    const how = `in windows by ${sessions} with at most ${most} MiB of memory there`
    return `far behind the source: its log is read ${how}`
  }

  acknowledge(lsn: Lsn): void {
    if (lsn <= this.#durable) return
    this.#durable = lsn
    this.#moved.ring()
  }

  /** Ends reading; the durable slot is moved up, so that streaming need not decode all again. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ticker.stop()
    await Promise.all(this.#readers.map((reader) => reader[Symbol.asyncDispose]()))
    if (this.#failed === null) await this.#conclude().catch(() => undefined)
    await this.#keeper[Symbol.asyncDispose]()
  }

  /** Each reader may be decoding, and hold a result. */
  get #memory(): ReaderMemory {
    const { memory } = this.#options.settings
    // A result that goes to a file costs far less than a transaction that does.
    if (this.#large) return { decoding: (memory / 8) * 7, result: memory / 8 }
    const decoding = memory / 8
    return { decoding, result: memory / this.#readers.length - decoding }
  }

  /** The window behind the newest one, begun; null when too little is left. */
  async #plan(): Promise<Planned | null> {
    const { settings, head } = this.#options
    const from = this.#planned
    const end = await head()
    if (isNear(settings, end - from)) return null
    const wanted = from + BigInt(Math.floor(this.#span))
    // What would be left over is too little for a window of its own; inside of a transaction each
    // begins by decoding all that came before it.
    const rest = this.#large ? this.#span : this.#span / 4
    const last = wanted + BigInt(Math.floor(rest)) > end
    const page = pageAfter(wanted)
    const to = last || page > end ? end : page
    this.#planned = to
    const after = this.#newest
    const reader = this.#readers.find((one) => one !== after) ?? this.#readers[0]
    if (reader === undefined) return null
    this.#newest = reader
    const place = { from, to, memory: this.#memory, after, held: this.#large }
    return { window: reader.window(place), reader, log: Number(to - from) }
  }

  async #look(): Promise<void> {
    if (this.#failed !== null) return
    const due = monotonic() - this.#advancedAt >= ADVANCE_MS
    if (due || this.#durable - this.#advanced >= ADVANCE_BYTES) await this.#advance()
  }

  /** Twice: the first call moves the place from which is decoded one step only (logical.c). */
  async #conclude(): Promise<void> {
    const sql = 'SELECT restart_lsn AS restart FROM pg_replication_slots WHERE slot_name = $1'
    const [row] = await this.#keeper.query(sql, [this.#options.slot])
    const restart = parseLsn(text(row ?? {}, 'restart'))
    const reached = this.#readers.reduce(
      (most, one) => (one.restart > most ? one.restart : most),
      0n,
    )
    if (isWorthMoving({ restart, reached, durable: this.#durable })) await this.#advance()
  }

  async #advance(): Promise<void> {
    const to = this.#durable
    if (to === 0n) return
    const sql = 'SELECT pg_replication_slot_advance($1, $2::pg_lsn)'
    for (let i = 0; i < 2; i++) {
      await this.#keeper.query(sql, [this.#options.slot, formatLsn(to)])
    }
    point('slot-advanced')
    this.#advanced = to
    this.#advancedAt = monotonic()
  }
}

/**
 * Where a window may end. A server takes the commits up to the first record that ends at or after
 * the end of the window, and leaves out those that begin before its start (logicalfuncs.c,
 * snapbuild.c). Both cut at the same commit where a record ends or a page begins, but not inside
 * the head of a page.
 */
function pageAfter(lsn: Lsn): Lsn {
  return (lsn + PAGE - 1n) & ~(PAGE - 1n)
}

/** Slots may be scarce; one reader works alone. */
function oneIsEnough(error: unknown): null {
  if (sqlstateOf(error) === '53400') return null
  throw error
}
