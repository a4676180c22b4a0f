import { randomInt, randomUUID } from 'node:crypto'
import { orAborted } from '../../../async/abort.ts'
import { every, monotonic, type Ticker } from '../../../async/clock.ts'
import { Bell } from '../../../async/deferred.ts'
import type { Session } from '../../../dialect/mysql/connect.ts'
import { faultOf } from '../../../dialect/mysql/errors.ts'
import { literal } from '../../../dialect/mysql/quote.ts'
import { Fault } from '../../../model/fault.ts'
import { misread } from './bytes.ts'
import type { DomainPosition } from './domains.ts'
import type { GtidSet } from './gtid.ts'
import { commandPacket, Packets } from './packets.ts'

/** Bytes that wait to be asked for before the socket is read no further. */
const ENOUGH = 1 << 20
const TICK_MS = 1_000
/** The server sends a sign of life after so much silence. */
const HEARTBEAT_MS = 5_000
/** Silence after which another connection asks whether the server still knows this one. */
const SILENT_MS = 30_000

const COM_BINLOG_DUMP = 0x12
const COM_BINLOG_DUMP_GTID = 0x1e
const OK = 0x00
const EOF = 0xfe
const ERROR = 0xff

/** Of another source's own servers, so that no replica of anybody is taken for us. */
const SERVER_IDS = { from: 0xe0000000, to: 0xffffffff } as const

/** Where in the log to begin. */
export type Start =
  | { readonly by: 'file'; readonly file: string; readonly position: bigint }
  | { readonly by: 'gtid'; readonly set: GtidSet }
  | { readonly by: 'domains'; readonly position: DomainPosition }

/** Events that came together, of which nothing is made. */
export interface Arrived {
  readonly buffer: Buffer
  /** Where each begins and ends in it, by turns. */
  readonly places: readonly number[]
}

/** Events as they came, each by itself, with its header. */
export function eventsIn(arrived: readonly Arrived[]): readonly Buffer[] {
  return arrived.flatMap(({ buffer, places }) =>
    Array.from({ length: places.length / 2 }, (_, i) =>
      buffer.subarray(places[2 * i], places[2 * i + 1]),
    ),
  )
}

export interface DumpOptions {
  readonly start: Start
  /** False when the server no longer knows this connection. */
  readonly alive: () => Promise<boolean>
  /** Milliseconds of silence after which that is asked; 30 s when absent. */
  readonly silence?: number
}

/**
 * A running dump of the log
 * (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication.html). Reading
 * stops while nobody asks. Nothing is ever said to the server about what was applied: it keeps its
 * log by its own rules.
 */
export class Dump implements AsyncDisposable {
  readonly #session: Session
  readonly #options: DumpOptions
  readonly #packets = new Packets(1)
  readonly #arrived = new Bell()
  readonly #ticker: Ticker
  readonly #receive: (chunk: Buffer) => void
  readonly #taken: (buffer: Buffer, from: number, to: number) => void
  #waiting: { readonly buffer: Buffer; readonly places: number[] }[] = []
  #bytes = 0
  #full = false
  #lastRead = monotonic()
  #fault: Fault | null = null

  private constructor(session: Session, options: DumpOptions) {
    this.#session = session
    this.#options = options
    this.#receive = (chunk) => this.#chunk(chunk)
    this.#taken = (buffer, from, to) => this.#take(buffer, from, to)
    const failed = (error: unknown): void => this.#fail(this.#named(error))
    session.lost.addEventListener('abort', () => failed(session.lost.reason))
    if (session.lost.aborted) failed(session.lost.reason)
    this.#ticker = every(TICK_MS, () => this.#tick(), failed)
  }

  /** Takes over the session; it ends with the dump. Throws Fault. */
  static async open(session: Session, options: DumpOptions): Promise<Dump> {
    try {
      for (const statement of preparations(session, options.start)) await session.query(statement)
    } catch (error) {
      await session[Symbol.asyncDispose]()
      throw error
    }
    const dump = new Dump(session, options)
    dump.#begin()
    return dump
  }

  /**
   * All events that came since the last call, each with its header; waits for one. Throws the
   * Fault that ended the stream, and the signal's reason.
   */
  async next(signal: AbortSignal): Promise<readonly Arrived[]> {
    while (this.#waiting.length === 0) {
      if (this.#fault !== null) throw this.#fault
      await orAborted(this.#arrived.wait(), signal)
    }
    const events = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    if (this.#full) {
      this.#full = false
      this.#lastRead = monotonic()
      this.#session.socket.resume()
    }
    return events
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ticker.stop()
    this.#session.socket.off('data', this.#receive)
    // The server reads no command while it sends: a goodbye would wait for the whole log.
    this.#session.socket.destroy()
  }

  #begin(): void {
    const { socket } = this.#session
    // What comes from here on is not an answer that the driver knows.
    socket.removeAllListeners('data')
    socket.on('data', this.#receive)
    socket.write(dumpCommand(this.#options.start))
  }

  #chunk(chunk: Buffer): void {
    this.#lastRead = monotonic()
    try {
      this.#packets.push(chunk, this.#taken)
      if (this.#waiting.length > 0) this.#arrived.ring()
    } catch (error) {
      this.#session.socket.destroy()
      this.#fail(this.#named(error))
      return
    }
    if (this.#bytes < ENOUGH || this.#full) return
    this.#full = true
    this.#session.socket.pause()
  }

  #take(buffer: Buffer, from: number, to: number): void {
    if (buffer[from] === OK && to > from) {
      const last = this.#waiting.at(-1)
      if (last?.buffer === buffer) last.places.push(from + 1, to)
      else this.#waiting.push({ buffer, places: [from + 1, to] })
      this.#bytes += to - from
      return
    }
    const payload = buffer.subarray(from, to)
    if (payload[0] === ERROR) throw errorPacket(payload)
    if (payload[0] === EOF && payload.length < 9) throw new Error('the server ended the stream')
    throw misread('the stream holds a packet that is neither an event nor an end')
  }

  async #tick(): Promise<void> {
    const quiet = this.#full ? 0 : monotonic() - this.#lastRead
    if (quiet < (this.#options.silence ?? SILENT_MS) || (await this.#options.alive())) return
    const seconds = Math.round(quiet / 1000)
    const words = `has sent nothing for ${seconds} s and no longer knows the connection`
    const what = `the source at ${this.#session.label} ${words}`
    this.#fail(new Fault('HF-L108', { what, side: 'source' }))
  }

  #named(error: unknown): Fault {
    return dumpFault(error, this.#session.label)
  }

  #fail(fault: Fault): void {
    this.#fault ??= fault
    this.#arrived.ring()
  }
}

/** What a session has to say before the command: the variables of a replica's connection. */
function preparations(session: Session, start: Start): readonly string[] {
  const beat = HEARTBEAT_MS * 1_000_000
  const id = literal(randomUUID())
  // Servers before 8.0.26 know the first names, those of today the second ones.
  const both = [
    'SET @master_binlog_checksum = @@global.binlog_checksum',
    '@source_binlog_checksum = @@global.binlog_checksum',
    `@master_heartbeat_period = ${beat}`,
    `@source_heartbeat_period = ${beat}`,
    `@slave_uuid = ${id}`,
    `@replica_uuid = ${id}`,
  ].join(', ')
  if (session.version.flavour === 'mysql') return [both]
  // 4: it understands GTIDs and needs no event replaced by an older one.
  const mariadb = ['SET @mariadb_slave_capability = 4']
  if (start.by === 'domains') {
    mariadb.push(`@slave_connect_state = ${literal(start.position.toString())}`)
    mariadb.push('@slave_gtid_strict_mode = 1', '@slave_gtid_ignore_duplicates = 0')
  }
  return [both, mariadb.join(', ')]
}

function dumpCommand(start: Start): Buffer {
  const server = randomInt(SERVER_IDS.from, SERVER_IDS.to)
  if (start.by === 'gtid') {
    const set = start.set.encode()
    const body = Buffer.alloc(22 + set.length)
    body.writeUInt32LE(server, 2)
    body.writeUInt32LE(4, 10)
    body.writeUInt32LE(set.length, 18)
    set.copy(body, 22)
    return commandPacket(COM_BINLOG_DUMP_GTID, body)
  }
  const file = Buffer.from(start.by === 'file' ? start.file : '', 'utf8')
  const position = start.by === 'file' ? start.position : 4n
  if (position > 0xffffffffn) throw misread('a file of the log is not read from beyond 4 GiB')
  const body = Buffer.alloc(10 + file.length)
  body.writeUInt32LE(Number(position), 0)
  body.writeUInt32LE(server, 6)
  file.copy(body, 10)
  return commandPacket(COM_BINLOG_DUMP, body)
}

/** An ERR packet in the form of the driver's errors. */
export function errorPacket(payload: Buffer): Error {
  if (payload.length < 9) return misread('the stream holds an error that is cut off')
  const errno = payload.readUInt16LE(1)
  const sqlState = payload.toString('latin1', 4, 9)
  return Object.assign(new Error(payload.toString('utf8', 9)), { errno, sqlState })
}

/** What the server's errors mean on a dump (sql/rpl_binlog_sender.cc, MariaDB sql_repl.cc). */
export function dumpFault(error: unknown, label: string): Fault {
  const fault = faultOf(error, { side: 'source', doing: 'streaming', label })
  const { evidence } = fault.detail
  const words = evidence?.['server'] ?? ''
  const named = (code: Fault['code'], what: string): Fault =>
    new Fault(code, { what, side: 'source', ...(evidence === undefined ? {} : { evidence }) })
  if (/same server_(?:uuid|id)/i.test(words)) {
    return named('HF-L124', `the source at ${label} ended the reading of its log: “${words}”`)
  }
  switch (evidence?.['errno']) {
    case '1236':
    case '1220':
    case '1373':
    case '1789':
    case '1945':
    case '1955':
      return named('HF-L111', `the source at ${label} cannot send its log from there: “${words}”`)
    default:
      return fault
  }
}
