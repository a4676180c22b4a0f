import { orAborted } from '../../async/abort.ts'
import { Bell } from '../../async/deferred.ts'
import type { Session } from '../../dialect/postgres/connect.ts'
import { faultOf } from '../../dialect/postgres/errors.ts'
import type { Fault } from '../../model/fault.ts'
import { misread } from './bytes.ts'
import { errorOf, type ServerMessage, Wire } from './wire.ts'

/** Bytes that are handed on in one piece, about, and that may wait before the socket is paused. */
const PIECE = 64 << 10
const ENOUGH = 512 << 10

const COPY_OUT = 0x48
const COPY_DATA = 0x64
const COPY_DONE = 0x63
const COMMAND_COMPLETE = 0x43
const READY = 0x5a
const ERROR = 0x45
const NOTICE = 0x4e
const PARAMETER_STATUS = 0x53
const NOTIFICATION = 0x41

/** What is being received of one COPY. */
class Receiver {
  readonly #session: Session
  readonly #wire: Wire
  readonly #arrived = new Bell()
  #pieces: Buffer[] = []
  #bytes = 0
  #error: Fault | null = null
  #done = false
  /** The server said that all rows have come. */
  #whole = false
  readonly #lost = (): void => this.#fail(this.#session.lost.reason)

  constructor(session: Session) {
    this.#session = session
    this.#wire = new Wire(session.client, {
      take: (message) => this.#take(message),
      arrived: () => this.#pace(),
      failed: (error) => this.#fail(error),
    })
    session.lost.addEventListener('abort', this.#lost)
  }

  ask(sql: string): void {
    this.#wire.query(sql)
  }

  /** The next piece; null at the end. Throws the Fault of the server or the connection. */
  async next(signal: AbortSignal): Promise<Buffer | null> {
    while (this.#bytes < PIECE && !this.#done) {
      this.#wire.resume()
      using _bytes = this.#session.owed()
      await orAborted(this.#arrived.wait(), signal)
    }
    if (this.#error !== null) throw this.#error
    if (this.#bytes === 0) return null
    return this.#gather()
  }

  /** Small pieces together, a large one as it is. */
  #gather(): Buffer {
    let [count, bytes] = [0, 0]
    for (const piece of this.#pieces) {
      if (count > 0 && bytes + piece.length > PIECE) break
      count++
      bytes += piece.length
    }
    const pieces = this.#pieces.splice(0, count)
    this.#bytes -= bytes
    const [only] = pieces
    return count === 1 && only !== undefined ? only : Buffer.concat(pieces, bytes)
  }

  /** Gives the session back to its driver, or ends it when the server is not through. */
  release(): void {
    this.#session.lost.removeEventListener('abort', this.#lost)
    if (this.#done) this.#wire.release()
    else this.#session.client.connection.stream.destroy()
  }

  #pace(): void {
    if (this.#bytes >= PIECE || this.#done) this.#arrived.ring()
    if (this.#bytes >= ENOUGH) this.#wire.pause()
  }

  #take({ tag, body }: ServerMessage): void {
    switch (tag) {
      case COPY_DATA:
        this.#pieces.push(body)
        this.#bytes += body.length
        return
      case COPY_DONE:
        this.#whole = true
        return
      case READY:
        if (!this.#whole && this.#error === null) throw misread('a copy ended without its end')
        this.#done = true
        return
      case ERROR:
        this.#error ??= this.#named(errorOf(body))
        return
      case COPY_OUT:
      case COMMAND_COMPLETE:
      case NOTICE:
      case PARAMETER_STATUS:
      case NOTIFICATION:
        return
      default:
        throw misread(`the server sent a message of the unknown kind ${tag}`)
    }
  }

  #named(error: unknown): Fault {
    return faultOf(error, { side: 'source', doing: 'copying rows', label: this.#session.label })
  }

  #fail(error: unknown): void {
    this.#error ??= this.#named(error)
    this.#done = true
    this.#arrived.ring()
  }
}

/**
 * The bytes of a COPY … TO STDOUT, untouched, in pieces of any length. Nothing is read ahead of
 * the consumer by more than half a megabyte. Stopping before the end ends the session.
 */
export async function* copyOut(
  session: Session,
  sql: string,
  signal: AbortSignal,
): AsyncIterable<Buffer> {
  signal.throwIfAborted()
  session.lost.throwIfAborted()
  const receiver = new Receiver(session)
  receiver.ask(sql)
  try {
    for (;;) {
      const piece = await receiver.next(signal)
      if (piece === null) return
      yield piece
    }
  } finally {
    receiver.release()
  }
}
