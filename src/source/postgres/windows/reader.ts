import { randomBytes } from 'node:crypto'
import { orAborted } from '../../../async/abort.ts'
import { Bell } from '../../../async/deferred.ts'
import { connect, type Session } from '../../../dialect/postgres/connect.ts'
import { ident, literal } from '../../../dialect/postgres/quote.ts'
import type { Endpoint } from '../../../model/endpoint.ts'
import { Fault } from '../../../model/fault.ts'
import { misread } from '../log/bytes.ts'
import { streamFault } from '../log/walsender.ts'
import { errorOf, Wire } from '../log/wire.ts'
import { formatLsn, type Lsn, parseLsn } from '../position.ts'
import { optional, text } from '../rows.ts'
import { type Messages, RowFrames } from './frames.ts'

export interface LogReaderOptions {
  readonly endpoint: Endpoint
  readonly mirror: string
  /** The durable slot; it stays where it is. */
  readonly slot: string
  readonly publications: readonly string[]
  readonly binary: boolean
}

/** Bytes of memory that the server may take. */
export interface ReaderMemory {
  readonly decoding: number
  readonly result: number
}

/** A window's log from its start back to where decoding begins; past it streaming is better. */
const FARTHEST = 1n << 30n
/** Two calls move the place where decoding begins further than one (logical.c). */
const WORTH_TWO = 256n << 20n
/** Bytes that may wait to be asked for before the socket is read no further. */
const ENOUGH = 4 << 20

/** A server sees within this time that nobody reads any more; sessions rest between windows. */
const SETTINGS = { client_connection_check_interval: '200ms', idle_session_timeout: '0' }

/** Why the log cannot be read in windows; streaming can go on. */
export class NoCatchUp extends Error {
  override readonly name = 'NoCatchUp'
}

/** Where a window reads. */
export interface WindowPlace {
  readonly from: Lsn
  readonly to: Lsn
  readonly memory: ReaderMemory
  /** The reader of the window before: its copy stands at `from` once that has been decoded. */
  readonly after: LogReader | null
  /** A transaction that lasts keeps decoding where it begins: moving the copy is in vain. */
  readonly held: boolean
}

/**
 * Reads the log behind a temporary copy of the mirror's slot through an ordinary session, which
 * sends in pieces of 8 kB where a walsender makes a system call for each message. The server holds
 * all changes of a window before it sends the first (logicalfuncs.c), so windows are bounded. The
 * copy goes with the session, or with the first error in it.
 */
export class LogReader implements AsyncDisposable {
  readonly #session: Session
  readonly #options: LogReaderOptions
  #copy: string
  /** What the copy holds begins here. */
  #confirmed: Lsn
  /** The copy is there for the newest window, and stays until the next one. */
  #prepared: Promise<void> = Promise.resolve()
  /** Where decoding began for the newest window, and how much lay before the window's start. */
  restart: Lsn = 0n
  before = 0

  private constructor(
    session: Session,
    options: LogReaderOptions,
    copy: { readonly name: string; readonly confirmed: Lsn },
  ) {
    this.#session = session
    this.#options = options
    this.#copy = copy.name
    this.#confirmed = copy.confirmed
  }

  /** Throws NoCatchUp where the server, the role or the slot does not allow it; Fault. */
  static async open(options: LogReaderOptions): Promise<LogReader> {
    const { endpoint, mirror, slot } = options
    const settings = SETTINGS
    const session = await connect(endpoint, {
      side: 'source',
      mirror,
      purpose: 'catch-up',
      settings,
    })
    try {
      const [row] = await session.query(SLOT, [slot])
      const refused = row === undefined ? 'the slot is gone' : optional(row, 'refused')
      if (refused !== null) throw new NoCatchUp(refused)
      if (text(row ?? {}, 'pid') !== String(session.pid)) throw new NoCatchUp('a pooler is between')
      const name = await copyOf(session, { slot, mirrors: slot })
      const [copied] = await session.query(COPIED, [name])
      const confirmed = parseLsn(text(copied ?? {}, 'confirmed'))
      return new LogReader(session, options, { name, confirmed })
    } catch (error) {
      await session[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Begins to read the commits whose records start at or after `from` and before `to`. */
  window(place: WindowPlace): Window {
    const { to } = place
    const prepared = this.#prepare(place)
    this.#prepared = prepared.catch(() => undefined)
    return new Window(this.#session, {
      to,
      label: { slot: this.#options.slot, label: this.#session.label },
      sql: () => this.#sql(to),
      before: prepared,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What the server still sends nobody wants, and it does not listen while it sends.
    this.#session.client.connection.stream.destroy()
    await this.#session[Symbol.asyncDispose]()
  }

  async #prepare(place: WindowPlace): Promise<void> {
    const { after } = place
    if (after !== null && after !== this) {
      await after.#prepared
      await this.#follow(after)
    }
    await this.#stand(place)
  }

  /** Moves the copy to `from`; what committed before is not sent again. */
  async #stand({ from, memory, held }: WindowPlace): Promise<void> {
    const { query } = this.#session
    const kilobytes = (bytes: number): string => `${Math.max(64, Math.floor(bytes / 1024))}kB`
    await query(
      `SET logical_decoding_work_mem = ${literal(kilobytes(memory.decoding))};
       SET work_mem = ${literal(kilobytes(memory.result))}`,
    )
    let restart = await this.#restart()
    if (from > this.#confirmed) {
      await this.#advance(from)
      restart = await this.#restart()
    }
    if (from - restart > WORTH_TWO && !held) {
      // The copy may stand past `from`, at the end of the record that the window before ended in.
      await this.#advance(this.#confirmed)
      restart = await this.#restart()
    }
    this.restart = restart
    this.before = Number(from - restart)
    if (from - restart <= FARTHEST) return
    throw new NoCatchUp('a transaction has been open for long, or is large')
  }

  /**
   * Goes on where another reader stands. Moving the own copy there would decode all of it, while
   * the other one has been moved by its windows.
   */
  async #follow(other: LogReader): Promise<void> {
    await this.#session.query('SELECT pg_drop_replication_slot($1)', [this.#copy])
    this.#copy = await copyOf(this.#session, { slot: other.#copy, mirrors: this.#options.slot })
  }

  async #advance(to: Lsn): Promise<void> {
    const sql = 'SELECT end_lsn FROM pg_replication_slot_advance($1, $2::pg_lsn)'
    await this.#session.query(sql, [this.#copy, formatLsn(to)])
    this.#confirmed = to
  }

  async #restart(): Promise<Lsn> {
    const [row] = await this.#session.query(COPIED, [this.#copy])
    this.#confirmed = parseLsn(text(row ?? {}, 'confirmed'))
    return parseLsn(text(row ?? {}, 'restart'))
  }

  #sql(to: Lsn): string {
    const { publications, binary } = this.#options
    const options = [
      ...["'proto_version'", "'1'"],
      ...["'publication_names'", literal(publications.map(ident).join(','))],
      ...(binary ? ["'binary'", "'true'"] : []),
    ]
    const call = `pg_logical_slot_get_binary_changes(${literal(this.#copy)}, ${literal(formatLsn(to))}, NULL, ${options.join(', ')})`
    return `COPY (SELECT data FROM ${call}) TO STDOUT (FORMAT binary)`
  }
}

/** Copies a slot for as long as the session lasts; returns the name, which tells whose it is. */
async function copyOf(
  session: Session,
  { slot, mirrors }: { readonly slot: string; readonly mirrors: string },
): Promise<string> {
  const name = `${mirrors.slice(0, 40)}_read_${randomBytes(6).toString('hex')}`
  await session.query('SELECT pg_copy_logical_replication_slot($1, $2, true)', [slot, name])
  return name
}

/** two_phase is lost in a copy; a standby that failover slots wait for would be overtaken. */
const SLOT = `
select pg_backend_pid() as pid, case when two_phase then 'the slot has two_phase'
  when to_jsonb(s)->>'failover' = 'true' then 'the slot is one for failover' end as refused
from pg_replication_slots s where slot_name = $1`

const COPIED = `
select restart_lsn as restart, confirmed_flush_lsn as confirmed
from pg_replication_slots where slot_name = $1`

const COPY_OUT = 0x48
const COPY_DONE = 0x63
const COMMAND_COMPLETE = 0x43
const READY = 0x5a
const ERROR = 0x45
const NOTICE = 0x4e
const PARAMETER_STATUS = 0x53
const NOTIFICATION = 0x41

interface WindowOptions {
  readonly to: Lsn
  readonly label: { readonly slot: string; readonly label: string }
  readonly sql: () => string
  /** What must be done before the query. */
  readonly before: Promise<void>
}

/** The messages between two places in the log, on their way. */
export class Window {
  readonly to: Lsn
  readonly #session: Session
  readonly #options: WindowOptions
  readonly #lost = (): void => this.#fail(this.#session.lost.reason)
  readonly #arrived = new Bell()
  readonly #asked: Promise<void>
  #wire: Wire | null = null
  readonly #frames = new RowFrames()
  #waiting: Messages[] = []
  #held = 0
  #asking = false
  #done = false
  #error: unknown = null
  /** What has come so far. */
  messages = 0
  bytes = 0

  constructor(session: Session, options: WindowOptions) {
    this.to = options.to
    this.#session = session
    this.#options = options
    session.lost.addEventListener('abort', this.#lost)
    this.#asked = this.#ask().catch((error: unknown) => this.#fail(error))
  }

  /**
   * Waits for messages; false at the end. The server decodes the whole window before it sends the
   * first, so that the next one may begin then.
   */
  async some(signal: AbortSignal): Promise<boolean> {
    await orAborted(this.#asked, signal)
    this.#asking = true
    while (this.#waiting.length === 0 && !this.#done) {
      this.#wire?.resume()
      using _messages = this.#session.owed()
      await orAborted(this.#arrived.wait(), signal)
    }
    this.#asking = false
    if (this.#error !== null) throw this.#error
    return this.#waiting.length > 0
  }

  /** What came first of what was waited for. */
  take(): Messages {
    const first = this.#waiting.shift()
    if (first === undefined) throw new Error('nothing has come')
    this.#held -= weightOf(first)
    return first
  }

  async #ask(): Promise<void> {
    await this.#options.before
    this.#session.lost.throwIfAborted()
    this.#wire = new Wire(this.#session.client, {
      take: ({ tag, body }) => this.#other(tag, body),
      cut: (chunk) => this.#frames.push(chunk, this.#sink),
      arrived: () => this.#pace(),
      failed: (error) => this.#fail(error),
    })
    this.#wire.query(this.#options.sql())
  }

  #pace(): void {
    if (this.#waiting.length > 0 || this.#done) this.#arrived.ring()
    // A message that somebody waits for may be longer than what else is enough.
    const asked = this.#asking && this.#waiting.length === 0
    const enough = this.#held + this.#frames.held >= ENOUGH
    if (enough && !asked && !this.#done) this.#wire?.pause()
  }

  readonly #sink = {
    rows: (messages: Messages): void => {
      const bytes = weightOf(messages)
      this.#waiting.push(messages)
      this.#held += bytes
      this.bytes += bytes
      this.messages += messages.ends.length / 2
    },
    other: (tag: number, body: Buffer): void => this.#other(tag, body),
  }

  #other(tag: number, body: Buffer): void {
    switch (tag) {
      case READY:
        this.#done = true
        this.#session.lost.removeEventListener('abort', this.#lost)
        this.#wire?.release()
        return
      case ERROR:
        this.#error ??= streamFault(errorOf(body), this.#options.label)
        return
      case NOTICE:
        this.#notice(body)
        return
      case COPY_OUT:
      case COPY_DONE:
      case COMMAND_COMPLETE:
      case PARAMETER_STATUS:
      case NOTIFICATION:
        return
      default:
        throw misread(`the server sent a message of the unknown kind ${tag}`)
    }
  }

  /** From 18 on a missing publication is no error but a warning, and its rows are left out. */
  #notice(body: Buffer): void {
    const { code, message } = errorOf(body)
    if (code !== '55000') return
    this.#error ??= new Fault('HF-S206', {
      what: `the source reads its log without a publication of the mirror: “${message}”`,
      side: 'source',
      evidence: { sqlstate: code, server: message },
    })
  }

  #fail(error: unknown): void {
    if (this.#done) return
    this.#error ??= error
    this.#done = true
    this.#arrived.ring()
  }
}

function weightOf({ ends }: Messages): number {
  return (ends.at(-1) ?? 0) - (ends[0] ?? 0)
}
