import type { Duplex } from 'node:stream'
import pg from 'pg'
import type { Session } from './connect.ts'
import { Pipe } from './pipe.ts'

/** What one statement of an exchange gave. */
export interface Outcome {
  /** Rows as text, for statements that were executed with `rows: true`; else empty. */
  readonly rows: readonly (readonly (string | null)[])[]
  /** `UPDATE 3`, `COPY 100`, … */
  readonly tag: string
}

/** The server refused a statement, or the connection ended. */
export class ExchangeError extends Error {
  /** What the statement that failed was labelled with; null when the connection ended. */
  readonly label: unknown
  /** The server said it, so that it holds nothing of what was sent. */
  readonly refused: boolean

  constructor(error: Error, label: unknown) {
    super(error.message, { cause: error })
    this.name = 'ExchangeError'
    this.label = label
    this.refused = error instanceof pg.DatabaseError
  }
}

interface Wire {
  readonly stream: Duplex
}

/**
 * Many statements in one round trip: everything is written without waiting, followed by one Sync.
 * The first statement that fails makes the server skip the rest
 * (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING).
 */
class Exchange {
  readonly done = Promise.withResolvers<readonly Outcome[]>()
  readonly #write: (pipe: Pipe) => Promise<void>
  readonly #owed: () => Disposable
  readonly #outcomes: Outcome[] = []
  #rows: (string | null)[][] = []
  #answered = 0
  #pipe: Pipe | null = null
  #error: ExchangeError | null = null

  constructor(write: (pipe: Pipe) => Promise<void>, owed: () => Disposable) {
    this.#write = write
    this.#owed = owed
    // The writer reports a failure itself; until it does nobody else listens.
    this.done.promise.catch(() => {})
  }

  submit(connection: Wire): void {
    const pipe = new Pipe(connection.stream, this.#owed)
    this.#pipe = pipe
    this.#run(pipe).catch((error: unknown) => this.done.reject(error))
  }

  async #run(pipe: Pipe): Promise<void> {
    let thrown: { readonly error: unknown } | null = null
    try {
      await this.#write(pipe)
    } catch (error) {
      thrown = { error }
    }
    if (this.#error?.refused !== false) pipe.sync()
    if (this.#error !== null) throw this.#error
    const answer = this.#owed()
    const over = (): void => answer[Symbol.dispose]()
    this.done.promise.then(over, over)
    if (thrown !== null) {
      // The server's own words about the copy that was broken off are not wanted.
      this.#error = new ExchangeError(new Error('stopped by the writer'), null)
      throw thrown.error
    }
  }

  handleRowDescription(): void {}
  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}

  handleDataRow(message: { readonly fields: (string | null)[] }): void {
    if (this.#pipe?.keeps(this.#answered) === true) this.#rows.push(message.fields)
  }
  handleEmptyQuery(): void {
    this.handleCommandComplete({ text: '' })
  }
  handleCommandComplete(message: { readonly text: string }): void {
    if (this.#pipe?.keeps(this.#answered) === true) {
      this.#outcomes.push({ rows: this.#rows, tag: message.text })
      this.#rows = []
    }
    this.#answered++
  }
  handleError(error: Error): void {
    if (this.#error !== null) return
    this.#error = new ExchangeError(error, this.#pipe?.labelOf(this.#answered) ?? null)
    this.#pipe?.stop()
    // After a refusal the session is usable once the writer has ended the exchange.
    if (!this.#error.refused || this.#pipe?.synced === true) this.done.reject(this.#error)
  }
  handleReadyForQuery(): void {
    this.done.resolve(this.#outcomes)
  }
}

/**
 * Runs what `write` puts into the pipe as one round trip. Resolves to the outcomes of the
 * statements executed with `keep`, in order. Rejects with ExchangeError, or with what `write`
 * threw; the session can be used afterwards, a transaction that was begun is then failed.
 */
export async function exchange(
  session: Session,
  write: (pipe: Pipe) => Promise<void>,
): Promise<readonly Outcome[]> {
  const work = new Exchange(write, () => session.owed())
  session.client.query(work)
  return await work.done.promise
}
