import type {
  BaseOptions,
  Broker,
  Connection,
  Reader,
  SASLOptions,
  Writer,
} from '@platformatic/kafka'
import { monotonic, within } from '../../async/clock.ts'
import { client } from './client.ts'
import { CONNECT_MS, SILENT_MS } from './connect.ts'
import type { Pipe, SocketThread } from './thread.ts'

type Callback = (error: Error | null, answer?: unknown) => void
type Parse = (correlation: number, api: number, version: number, reader: Reader) => unknown

/** A request as the client makes it, and whether it and its answer have tagged fields. */
type Sending = [
  api: number,
  version: number,
  payload: () => Writer,
  parse: Parse,
  tagged: boolean,
  answerTagged: boolean,
  callback: Callback,
]

/** A request that was sent. */
interface Waiting {
  readonly take: (answer: Buffer) => void
  readonly fail: (error: Error) => void
}

/** The requests that say who asks. */
const PROOFS: ReadonlySet<number> = new Set([
  client.saslHandshakeV1.api.key,
  client.saslAuthenticateV2.api.key,
])
/** The part of the time that a proof of who asks holds for, after which it is told anew. */
const LASTING = 0.8

/**
 * A connection to one broker. A thread of its own reads what it answers, into memory that is used
 * again, where the client's connection makes a piece of memory for each read and one more for the
 * whole. The client's requests can be sent over it as over one of its own.
 */
export class Line {
  readonly #options: BaseOptions
  readonly #label: string
  readonly #pipe: Pipe
  readonly #opened = Promise.withResolvers<void>()
  readonly #waiting = new Map<number, Waiting>()
  #sent = 0
  #failed: Error | null = null
  /** When the broker wants to be told again who asks; by the monotonic clock. */
  #until = Number.POSITIVE_INFINITY
  /** It is being told: the broker takes nothing else meanwhile. */
  #proving: Promise<void> | null = null

  private constructor(options: BaseOptions, broker: Broker, thread: SocketThread) {
    this.#options = options
    this.#label = `${broker.host}:${broker.port}`
    this.#opened.promise.catch(() => undefined)
    this.#pipe = thread.open(broker, options, {
      opened: () => this.#opened.resolve(),
      answered: (answer) => this.#take(answer),
      gone: (cause) => {
        const what = cause === null ? 'closed' : `to ${this.#label} failed.`
        this.#fail(new client.NetworkError(`Connection ${what}`, cause === null ? {} : { cause }))
      },
    })
  }

  /** Throws NetworkError, TimeoutError, AuthenticationError, ResponseError. */
  static async open(options: BaseOptions, broker: Broker, thread: SocketThread): Promise<Line> {
    const line = new Line(options, broker, thread)
    try {
      await line.#connected()
      await line.#prove()
      return line
    } catch (error) {
      line.close()
      throw error
    }
  }

  get isOpen(): boolean {
    return this.#failed === null
  }

  close(): void {
    this.#pipe.close()
  }

  /** As a connection of the client, for requests that are sent over one. */
  async ready(): Promise<Connection> {
    if (monotonic() > this.#until) {
      this.#proving ??= this.#prove().finally(() => {
        this.#proving = null
      })
      await this.#proving
    }
    return this.#asConnection
  }

  /** All that the client's requests want of a connection is `send`. */
  get #asConnection(): Connection {
    return this as unknown as Connection
  }

  /** What the client's requests call; see `createAPI` of it. */
  send(...[api, version, payload, parse, tagged, answerTagged, callback]: Sending): void {
    const id = (this.#sent + 1) & 0x7fff_ffff
    this.#sent = id
    const head = client.Writer.create().appendInt16(api).appendInt16(version).appendInt32(id)
    head.appendString(this.#options.clientId, false)
    if (tagged) head.appendTaggedFields()
    const bytes = head.appendFrom(payload()).prependLength().buffer
    const answered = this.#answered(id, bytes, PROOFS.has(api) ? null : this.#proving).then(
      (answer) => {
        return parse(id, api, version, client.Reader.from(answer).skip(answerTagged ? 5 : 4))
      },
    )
    answered.then((answer) => callback(null, answer), callback)
  }

  async #answered(id: number, bytes: Buffer, after: Promise<void> | null): Promise<Buffer> {
    if (after !== null) await after
    if (this.#failed !== null) throw this.#failed
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    this.#waiting.set(id, { take: resolve, fail: reject })
    this.#pipe.write(bytes)
    return await within(SILENT_MS, promise, () => {
      throw this.#fail(new client.TimeoutError('Request timed out'))
    })
  }

  #take(answer: Buffer): void {
    const id = answer.readInt32BE(0)
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (waiting !== undefined) waiting.take(answer)
    else this.#fail(new client.UnexpectedCorrelationIdError(`Received unexpected response ${id}`))
  }

  /** Nothing more goes over it. */
  #fail(error: Error): Error {
    const failed = this.#failed ?? error
    this.#failed = failed
    this.#opened.reject(failed)
    for (const { fail } of this.#waiting.values()) fail(failed)
    this.#waiting.clear()
    this.close()
    return failed
  }

  async #connected(): Promise<void> {
    await within(CONNECT_MS, this.#opened.promise, () => {
      throw this.#fail(new client.TimeoutError(`Connection to ${this.#label} timed out.`))
    })
  }

  /** Tells the broker who asks, where it wants to know. */
  async #prove(): Promise<void> {
    const { sasl } = this.#options
    if (sasl === undefined) return
    await client.saslHandshakeV1.api.async(this.#asConnection, sasl.mechanism)
    const { sessionLifetimeMs } = await prove(this.#asConnection, sasl)
    const lasts = Number(sessionLifetimeMs)
    this.#until = lasts > 0 ? monotonic() + lasts * LASTING : Number.POSITIVE_INFINITY
  }
}

/** Brokers that name topics by id know the newest version of this request. */
async function prove(
  line: Connection,
  { mechanism, username = '', password = '', token = '' }: SASLOptions,
): Promise<{ readonly sessionLifetimeMs: bigint }> {
  const { api } = client.saslAuthenticateV2
  if (mechanism === 'OAUTHBEARER')
    return await client.saslOAuthBearer.authenticate(api, line, token, {})
  if (mechanism === 'PLAIN')
    return await client.saslPlain.authenticate(api, line, username, password)
  const algorithm = mechanism === 'SCRAM-SHA-256' ? 'SHA-256' : 'SHA-512'
  return await client.saslScramSha.authenticate(api, line, algorithm, username, password)
}

/** The connections to the brokers of a cluster, opened as they are asked for. */
export class Lines {
  readonly #options: BaseOptions
  readonly #thread: SocketThread
  readonly #lines = new Map<string, Promise<Line>>()
  #closed = false

  constructor(options: BaseOptions, thread: SocketThread) {
    this.#options = options
    this.#thread = thread
  }

  /** Throws as `Line.open` does. */
  async to(broker: Broker): Promise<Connection> {
    if (this.#closed) throw new client.NetworkError('Connections are closed.')
    const name = `${broker.host}:${broker.port}`
    const known = this.#lines.get(name) ?? this.#open(name, broker)
    const line = await known
    if (line.isOpen) return await line.ready()
    // Somebody else may have opened another one meanwhile.
    if (this.#lines.get(name) === known) this.#lines.delete(name)
    return await this.to(broker)
  }

  #open(name: string, broker: Broker): Promise<Line> {
    const line = Line.open(this.#options, broker, this.#thread)
    this.#lines.set(name, line)
    line.catch(() => this.#lines.delete(name))
    return line
  }

  async close(): Promise<void> {
    this.#closed = true
    const opened = await Promise.allSettled(this.#lines.values())
    for (const one of opened) if (one.status === 'fulfilled') one.value.close()
  }
}
