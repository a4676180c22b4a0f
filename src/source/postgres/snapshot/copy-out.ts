import { orAborted } from '../../../async/abort.ts'
import { Bell } from '../../../async/deferred.ts'
import type { Session } from '../../../dialect/postgres/connect.ts'
import { faultOf } from '../../../dialect/postgres/errors.ts'
import type { Fault } from '../../../model/fault.ts'
import { misread } from '../log/bytes.ts'
import { errorOf, type ServerMessage, Wire } from '../log/wire.ts'
import { CopyRuns } from './copy-runs.ts'

/** Bytes that may wait before the socket is paused. */
const ENOUGH = 512 << 10

const NOTHING = Buffer.alloc(0)

const COPY_OUT = 0x48
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
  /** What has come, and how much of it was handed on. */
  #pieces: Buffer[] = []
  #taken = 0
  #bytes = 0
  #error: Fault | null = null
  #done = false
  /** The server said that all rows have come. */
  #whole = false
  readonly #lost = (): void => this.#fail(this.#session.lost.reason)

  constructor(session: Session) {
    this.#session = session
    const other = (message: ServerMessage): void => this.#take(message)
    const runs = new CopyRuns({ run: (messages) => this.#run(messages), other })
    this.#wire = new Wire(session.client, {
      take: other,
      cut: (chunk) => runs.push(chunk),
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
    while (this.#taken === this.#pieces.length && !this.#done) {
      this.#pieces = []
      this.#taken = 0
      this.#wire.resume()
      using _bytes = this.#session.owed()
      await orAborted(this.#arrived.wait(), signal)
    }
    if (this.#error !== null) throw this.#error
    const piece = this.#pieces[this.#taken]
    if (piece === undefined) return null
    this.#pieces[this.#taken++] = NOTHING
    this.#bytes -= piece.length
    return piece
  }

  /** Gives the session back to its driver, or ends it when the server is not through. */
  release(): void {
    this.#session.lost.removeEventListener('abort', this.#lost)
    if (this.#done) this.#wire.release()
    else this.#session.client.connection.stream.destroy()
  }

  #pace(): void {
    if (this.#bytes > 0 || this.#done) this.#arrived.ring()
    if (this.#bytes >= ENOUGH) this.#wire.pause()
  }

  #run(messages: Buffer): void {
    this.#pieces.push(messages)
    this.#bytes += messages.length
  }

  #take({ tag, body }: ServerMessage): void {
    switch (tag) {
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
 * The CopyData messages of a COPY … TO STDOUT, untouched, whole ones in each piece. Nothing is read
 * ahead of the consumer by more than half a megabyte. Stopping before the end ends the session.
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
