import { orAborted } from '../../../async/abort.ts'
import { Bell } from '../../../async/deferred.ts'
import type { Session } from '../../../dialect/mysql/connect.ts'
import { faultOf } from '../../../dialect/mysql/errors.ts'
import { Bytes, misread } from '../log/bytes.ts'
import { errorPacket } from '../log/dump.ts'
import { commandPacket, Packets } from '../log/packets.ts'

/** Bytes that wait to be asked for before the socket is read no further. */
const ENOUGH = 512 << 10

const COM_QUIT = 0x01
const COM_QUERY = 0x03
const OK = 0x00
const EOF = 0xfe
const ERROR = 0xff

/** What of an answer is still to come. */
type Stage = 'head' | 'columns' | 'rows' | 'done'

/**
 * A session whose socket is read past its driver: rows come as the packets of the text protocol
 * (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html), of
 * which nothing is made but what the reader makes. One statement at a time.
 */
export class RawSession implements AsyncDisposable {
  readonly session: Session
  readonly #arrived = new Bell()
  #packets = new Packets(1)
  #stage: Stage = 'done'
  #columns = 0
  #rows: Buffer[] = []
  #bytes = 0
  #error: Error | null = null

  /** Takes over the session; it ends with this. */
  constructor(session: Session) {
    this.session = session
    const { socket, lost } = session
    socket.removeAllListeners('data')
    socket.on('data', (chunk) => this.#chunk(chunk))
    const gone = (): void => this.#fail(lost.reason)
    if (lost.aborted) gone()
    else lost.addEventListener('abort', gone, { once: true })
  }

  /** False when it cannot be used for another statement. */
  get usable(): boolean {
    return this.#idle && !this.session.lost.aborted && !this.session.socket.destroyed
  }
  /** All of the last answer has come. */
  get #idle(): boolean {
    return this.#stage === 'done'
  }

  /** Runs a statement without rows. Throws Fault. */
  async run(sql: string): Promise<void> {
    for await (const _ of this.rows(sql, never));
  }

  /**
   * The packets of the rows, many at once; they are read no faster than they are asked for. Who
   * stops before the end ends the session. Throws Fault.
   */
  async *rows(sql: string, signal: AbortSignal): AsyncGenerator<readonly Buffer[], void> {
    signal.throwIfAborted()
    this.session.lost.throwIfAborted()
    this.#packets = new Packets(1)
    this.#stage = 'head'
    this.#error = null
    this.session.socket.write(commandPacket(COM_QUERY, Buffer.from(sql, 'utf8')))
    try {
      for (;;) {
        while (this.#rows.length === 0 && !this.#idle) {
          await orAborted(this.#arrived.wait(), signal)
        }
        if (this.#error !== null) throw this.#error
        if (this.#rows.length === 0) return
        const rows = this.#rows
        this.#rows = []
        this.#bytes = 0
        this.session.socket.resume()
        yield rows
      }
    } catch (error) {
      signal.throwIfAborted()
      const { label } = this.session
      throw faultOf(error, { side: 'source', doing: 'reading rows', label })
    } finally {
      if (!this.#idle) this.session.socket.destroy()
      this.#rows = []
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { socket } = this.session
    if (socket.destroyed) return
    const sent = Promise.withResolvers<void>()
    if (this.#idle) socket.write(commandPacket(COM_QUIT), () => sent.resolve())
    else sent.resolve()
    await sent.promise
    socket.destroy()
  }

  #chunk(chunk: Buffer): void {
    try {
      this.#packets.push(chunk, (buffer, from, to) => this.#take(buffer.subarray(from, to)))
    } catch (error) {
      this.session.socket.destroy()
      this.#fail(error)
      return
    }
    if (this.#rows.length > 0) this.#arrived.ring()
    if (this.#bytes >= ENOUGH && !this.#idle) this.session.socket.pause()
  }

  #take(payload: Buffer): void {
    const [kind] = payload
    const stage = this.#stage
    const isEnd = stage === 'head' ? kind === OK : stage === 'rows' && isEof(payload)
    if (stage === 'done') throw misread('the server answers without having been asked')
    if (kind === ERROR) this.#end(errorPacket(payload))
    else if (isEnd) this.#end(null)
    else if (stage === 'head') {
      this.#columns = new Bytes(payload, 'an answer').packed()
      this.#stage = 'columns'
    } else if (stage === 'columns') {
      // One for each column, and an end.
      if (this.#columns-- === 0) this.#stage = 'rows'
    } else {
      this.#rows.push(payload)
      this.#bytes += payload.length
    }
  }

  #end(error: Error | null): void {
    this.#stage = 'done'
    this.#error = error
    this.#arrived.ring()
  }

  #fail(error: unknown): void {
    this.#error ??= error instanceof Error ? error : new Error(String(error))
    this.#stage = 'done'
    this.#arrived.ring()
  }
}

function isEof(payload: Buffer): boolean {
  return payload[0] === EOF && payload.length < 9
}

const never = new AbortController().signal
