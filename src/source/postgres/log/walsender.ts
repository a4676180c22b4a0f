import { every, monotonic, sleep, type Ticker, wallMicros } from '../../../async/clock.ts'
import { Bell } from '../../../async/deferred.ts'
import type { Session } from '../../../dialect/postgres/connect.ts'
import { faultOf } from '../../../dialect/postgres/errors.ts'
import { ident, literal } from '../../../dialect/postgres/quote.ts'
import { Fault } from '../../../model/fault.ts'
import { formatLsn, type Lsn } from '../position.ts'
import { misread } from './bytes.ts'
import { EPOCH_2000 } from './pgoutput.ts'
import { errorOf, type ServerMessage, Wire } from './wire.ts'

/** Bytes that wait to be asked for before the socket is read no further. */
const ENOUGH = 256 << 10
/** A read of fewer bytes means that the walsender writes message by message. */
const SMALL = 32 << 10
/**
 * So many small reads within a millisecond are a busy stream. A transaction of one row makes up to
 * three; a thousand of these in a second must not be held back.
 */
const BUSY = 16
/** The server ends a connection that it has not heard of for `wal_sender_timeout`, set below. */
const FEEDBACK_MS = 5_000
const TICK_MS = 1_000
/** Silence after which the server is asked for a sign, and after which its word is not waited for. */
const PING_MS = 10_000
const SILENT_MS = 30_000

export const WALSENDER_SETTINGS = { wal_sender_timeout: '60s' }

const COPY_BOTH = 0x57
const COPY_DATA = 0x64
const COPY_DONE = 0x63
const ERROR = 0x45
const NOTICE = 0x4e
const COMMAND_COMPLETE = 0x43
const READY = 0x5a
const PARAMETER_STATUS = 0x53
const NOTIFICATION = 0x41

export const KEEPALIVE = 0x6b
export const XLOG_DATA = 0x77
/** In an XLogData message the plugin's own begins here. */
export const XLOG_HEAD = 25

export interface StartOptions {
  readonly slot: string
  readonly after: Lsn
  readonly protocol: 1 | 2
  readonly publications: readonly string[]
  readonly binary: boolean
  /** False when the server no longer knows this walsender. */
  readonly alive: () => Promise<boolean>
  /** Ends whoever waits for more. */
  readonly signal: AbortSignal
}

/**
 * A running START_REPLICATION
 * (https://www.postgresql.org/docs/current/protocol-replication.html). Reading stops while nobody
 * asks; replies to the server go on (promise 1: nothing is reported as flushed that was not
 * acknowledged).
 */
export class Walsender implements AsyncDisposable {
  readonly #session: Session
  readonly #wire: Wire
  readonly #options: StartOptions
  readonly #arrived = new Bell()
  readonly #started = Promise.withResolvers<void>()
  readonly #ticker: Ticker
  #waiting: Buffer[] = []
  #bytes = 0
  #full = false
  #resting = false
  /** Small reads since a moment that is no longer than a millisecond ago. */
  #streak = 0
  #streakFrom = 0
  #lastRead = monotonic()
  #fault: Fault | null = null
  #received: Lsn = 0n
  #flushed: Lsn = 0n
  #reported: Lsn = 0n
  #lastReport = monotonic()

  private constructor(session: Session, options: StartOptions) {
    this.#session = session
    this.#options = options
    options.signal.addEventListener('abort', this.#wake)
    this.#wire = new Wire(session.client, {
      take: (message) => this.#take(message),
      arrived: (bytes) => this.#pace(bytes),
      failed: (error) => this.#fail(this.#named(error)),
    })
    session.lost.addEventListener('abort', () => this.#fail(this.#named(session.lost.reason)))
    if (session.lost.aborted) this.#fail(this.#named(session.lost.reason))
    this.#ticker = every(
      TICK_MS,
      () => this.#tick(),
      (error) => this.#fail(this.#named(error)),
    )
  }

  /** Takes over the session; it ends with the walsender. Throws Fault. */
  static async start(session: Session, options: StartOptions): Promise<Walsender> {
    const walsender = new Walsender(session, options)
    try {
      walsender.#wire.query(startCommand(options))
      await walsender.#started.promise
      return walsender
    } catch (error) {
      await walsender[Symbol.asyncDispose]()
      throw error
    }
  }

  /**
   * The bodies of all CopyData messages that came since the last call; waits until they end a
   * transaction, tell of a place, or are many. Throws the Fault that ended the stream, and the
   * signal's reason.
   */
  async next(): Promise<readonly Buffer[]> {
    const { signal } = this.#options
    while (this.#waiting.length === 0) {
      if (this.#fault !== null) throw this.#fault
      signal.throwIfAborted()
      await this.#arrived.wait()
    }
    const bodies = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    if (this.#full) {
      this.#full = false
      this.#lastRead = monotonic()
      this.#flow()
    }
    return bodies
  }

  readonly #wake = (): void => this.#arrived.ring()

  /** More has come than was asked for, so that reading waits. */
  get full(): boolean {
    return this.#full
  }

  /** Everything before `lsn` was read; no promise that it is kept anywhere. */
  received(lsn: Lsn): void {
    if (lsn > this.#received) this.#received = lsn
  }

  /** Everything before `lsn` is durable at the target. */
  acknowledge(lsn: Lsn): void {
    if (lsn <= this.#flushed) return
    this.#flushed = lsn
    if (monotonic() - this.#lastReport > TICK_MS / 4) this.#report(false)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal.removeEventListener('abort', this.#wake)
    await this.#ticker.stop()
    if (this.#flushed > this.#reported) this.#report(false)
    this.#wire.discard()
    await this.#session[Symbol.asyncDispose]()
  }

  #take({ tag, body }: ServerMessage): void {
    switch (tag) {
      case COPY_DATA:
        if (body[0] === KEEPALIVE && body[17] === 1) this.#report(false)
        this.#waiting.push(body)
        this.#bytes += body.length
        if (this.#bytes >= SMALL || !isInside(body)) this.#arrived.ring()
        return
      case COPY_BOTH:
        this.#started.resolve()
        return
      case ERROR:
        this.#fail(this.#named(errorOf(body)))
        return
      case NOTICE:
        this.#notice(body)
        return
      case COPY_DONE:
      case COMMAND_COMPLETE:
        this.#fail(this.#named(new Error('Connection terminated')))
        return
      case READY:
      case PARAMETER_STATUS:
      case NOTIFICATION:
        return
      default:
        throw misread(`the server sent a message of the unknown kind ${tag}`)
    }
  }

  /** From 18 on a missing publication is no error but a warning, and its rows are left out. */
  #notice(body: Buffer): void {
    const notice = errorOf(body)
    if (notice.code !== '55000') return
    this.#fail(
      new Fault('HF-S206', {
        what: `the source streams without a publication of the mirror: “${notice.message}”`,
        side: 'source',
        evidence: { sqlstate: notice.code, server: notice.message },
      }),
    )
  }

  /** Stops reading when enough waits, and lets a busy stream gather for a millisecond. */
  #pace(bytes: number): void {
    const now = monotonic()
    this.#lastRead = now
    if (bytes >= SMALL || now - this.#streakFrom >= 1) {
      this.#streak = 0
      this.#streakFrom = now
    }
    if (bytes < SMALL) this.#streak++
    if (this.#bytes >= ENOUGH) this.#full = true
    if (this.#streak >= BUSY && !this.#resting) this.#rest()
    this.#flow()
  }

  #rest(): void {
    this.#resting = true
    const woken = (): void => {
      this.#resting = false
      this.#flow()
    }
    sleep(1).then(woken, woken)
  }

  #flow(): void {
    if (this.#full || this.#resting) this.#wire.pause()
    else this.#wire.resume()
  }

  async #tick(): Promise<void> {
    const now = monotonic()
    const quiet = this.#full ? 0 : now - this.#lastRead
    const due = now - this.#lastReport >= FEEDBACK_MS
    if (due || this.#flushed > this.#reported) this.#report(quiet > PING_MS)
    if (quiet < SILENT_MS || (await this.#options.alive())) return
    this.#fail(
      new Fault('HF-L108', {
        what: `the source at ${this.#session.label} has sent nothing for ${Math.round(quiet / 1000)} s and no longer knows the connection`,
        side: 'source',
      }),
    )
  }

  /** Standby status update: written, flushed and applied position, clock, reply wanted. */
  #report(reply: boolean): void {
    const message = Buffer.alloc(39)
    message[0] = COPY_DATA
    message.writeInt32BE(38, 1)
    message[5] = 0x72
    const written = this.#received > this.#flushed ? this.#received : this.#flushed
    message.writeBigUInt64BE(written, 6)
    message.writeBigUInt64BE(this.#flushed, 14)
    message.writeBigUInt64BE(this.#flushed, 22)
    message.writeBigInt64BE(wallMicros() - EPOCH_2000, 30)
    message[38] = reply ? 1 : 0
    this.#wire.write(message)
    this.#reported = this.#flushed
    this.#lastReport = monotonic()
  }

  #named(error: unknown): Fault {
    const { slot } = this.#options
    return streamFault(error, { slot, label: this.#session.label })
  }

  #fail(fault: Fault): void {
    this.#fault ??= fault
    this.#started.promise.catch(() => undefined)
    this.#started.reject(this.#fault)
    this.#arrived.ring()
  }
}

/** What pgoutput says from the beginning of a transaction, or of a part of one, up to its end. */
const INSIDE: ReadonlySet<number> = new Set(Buffer.from('BSORYIUDT'))

/** True for a message that another one of its transaction follows. */
function isInside(body: Buffer): boolean {
  return body[0] === XLOG_DATA && INSIDE.has(body[XLOG_HEAD] ?? 0)
}

function startCommand(options: StartOptions): string {
  const { slot, after, protocol, publications, binary } = options
  const names = publications.map(ident).join(',')
  const settings = [
    `proto_version ${literal(String(protocol))}`,
    `publication_names ${literal(names)}`,
    `messages 'true'`,
    ...(binary ? [`binary 'true'`] : []),
    ...(protocol === 2 ? [`streaming 'on'`] : []),
  ]
  return `START_REPLICATION SLOT ${ident(slot)} LOGICAL ${formatLsn(after)} (${settings.join(', ')})`
}

/** No language of messages changes these: reorderbuffer.c, relcache.c. */
const UNREADABLE =
  /^(?:could not map file(?:node|number) .* to relation OID|could not open relation with OID|pg_attribute catalog is missing )/

/**
 * What the server's errors mean on a stream: walsender.c, slot.c, logical.c, xlogreader.c and
 * pgoutput.c of PostgreSQL.
 */
export function streamFault(
  error: unknown,
  at: { readonly slot: string; readonly label: string },
): Fault {
  const fault = faultOf(error, { side: 'source', doing: 'streaming', label: at.label })
  const evidence = fault.detail.evidence
  const words = evidence?.['server'] ?? ''
  const named = (code: Fault['code'], what: string): Fault =>
    new Fault(code, { what, side: 'source', ...(evidence === undefined ? {} : { evidence }) })
  switch (evidence?.['sqlstate']) {
    case '55006':
      return named('HF-L104', `the slot ${at.slot} at ${at.label} is in use: “${words}”`)
    case '55000':
    case '58P01':
      return named('HF-L101', `the slot ${at.slot} at ${at.label} lost changes: “${words}”`)
    case '42704':
      return words.includes('publication')
        ? named('HF-S206', `a publication is missing at ${at.label}: “${words}”`)
        : named('HF-L103', `the slot ${at.slot} is missing at ${at.label}: “${words}”`)
    case 'XX000':
      return UNREADABLE.test(words)
        ? named('HF-L110', `the slot ${at.slot} at ${at.label} cannot read on: “${words}”`)
        : fault
    case '53300':
    case '53400':
      return named('HF-S204', `there is no free walsender at ${at.label}: “${words}”`)
    default:
      return fault
  }
}
