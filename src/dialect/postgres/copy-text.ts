import type { Duplex } from 'node:stream'
import { Bell } from '../../async/deferred.ts'
import type { Session } from './connect.ts'
import { faultOf } from './errors.ts'

/** Bytes that may wait before the socket is paused. */
const ENOUGH = 512 << 10

interface Wire {
  query(text: string): void
  readonly stream: Duplex
}

/** One COPY … TO STDOUT through the driver, which hands out one row at a time. */
class Copy {
  readonly #sql: string
  readonly #arrived = new Bell()
  readonly #ready = Promise.withResolvers<void>()
  #stream: Duplex | null = null
  #rows: Buffer[] = []
  #bytes = 0
  #error: Error | null = null
  #done = false
  #unwanted = false

  constructor(sql: string) {
    this.#sql = sql
  }

  submit(connection: Wire): void {
    this.#stream = connection.stream
    connection.query(this.#sql)
  }

  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}

  /** The driver uses the memory again. */
  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    if (this.#unwanted) return
    this.#rows.push(Buffer.from(chunk))
    this.#bytes += chunk.length
    this.#arrived.ring()
    if (this.#bytes >= ENOUGH) this.#stream?.pause()
  }

  handleError(error: Error): void {
    this.#error ??= error
    this.handleReadyForQuery()
  }

  handleReadyForQuery(): void {
    this.#done = true
    this.#arrived.ring()
    this.#ready.resolve()
  }

  /** What has come; null at the end. */
  async next(): Promise<Buffer | null> {
    while (this.#rows.length === 0 && !this.#done) await this.#arrived.wait()
    if (this.#error !== null) throw this.#error
    if (this.#rows.length === 0) return null
    const piece = Buffer.concat(this.#rows, this.#bytes)
    this.#rows = []
    this.#bytes = 0
    this.#stream?.resume()
    return piece
  }

  /** Lets the rest pass, so that the session can be used again. */
  async end(): Promise<void> {
    this.#unwanted = true
    this.#stream?.resume()
    await this.#ready.promise
  }
}

/**
 * The rows of a COPY … TO STDOUT in the text format, many in a piece, inside the session's
 * transaction. Nothing is read ahead by more than half a megabyte. Throws Fault.
 */
export async function* copyText(
  session: Session,
  sql: string,
): AsyncGenerator<Buffer, void, undefined> {
  session.lost.throwIfAborted()
  const copy = new Copy(sql)
  session.client.query(copy)
  try {
    for (;;) {
      const piece = await answered(session, copy)
      if (piece === null) return
      yield piece
    }
  } catch (error) {
    const { side, label } = session
    throw faultOf(error, { side, doing: 'reading rows', label })
  } finally {
    await copy.end()
  }
}

async function answered(session: Session, copy: Copy): Promise<Buffer | null> {
  using _answer = session.owed()
  return await copy.next()
}
