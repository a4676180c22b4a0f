import { connect, isIP, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
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
import { Frames, type Room } from './frames.ts'

type Callback = (error: Error | null, answer?: unknown) => void
type Parse = (correlation: number, api: number, version: number, reader: Reader) => unknown

/** A request that was sent. */
interface Waiting {
  readonly take: (answer: Buffer) => void
  readonly fail: (error: Error) => void
}

/** The part of the time that a proof of who asks holds for, after which it is told anew. */
const LASTING = 0.8

/**
 * A connection to one broker. What it answers is written by the socket where it stays, in memory
 * that is used again, where the client's own connection makes a piece of memory for each read and
 * one more for the whole. The client's requests can be sent over it as over one of its own.
 */
export class Line {
  readonly #options: BaseOptions
  readonly #label: string
  readonly #socket: Socket
  readonly #frames: Frames
  readonly #waiting = new Map<number, Waiting>()
  #sent = 0
  #failed: Error | null = null
  /** When the broker wants to be told again who asks; by the monotonic clock. */
  #until = Number.POSITIVE_INFINITY

  private constructor(options: BaseOptions, { host, port }: Broker, room: Room) {
    this.#options = options
    this.#label = `${host}:${port}`
    this.#frames = new Frames(room)
    const onread: OnReadOpts = {
      buffer: () => this.#frames.next,
      callback: (count) => this.#read(count),
    }
    const { tls } = options
    const name = isIP(host) === 0 ? { servername: host } : {}
    const how = { host, port, onread }
    this.#socket = tls === undefined ? connect(how) : connectTls({ ...tls, ...name, ...how })
    this.#socket.setNoDelay(true)
    this.#socket.on('error', (cause) => {
      this.#fail(new client.NetworkError(`Connection to ${this.#label} failed.`, { cause }))
    })
    this.#socket.on('close', () => this.#fail(new client.NetworkError('Connection closed')))
  }

  /** Throws NetworkError, TimeoutError, AuthenticationError, ResponseError. */
  static async open(options: BaseOptions, broker: Broker, room: Room): Promise<Line> {
    const line = new Line(options, broker, room)
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
    this.#socket.destroy()
  }

  /** As a connection of the client, for requests that are sent over one. */
  async ready(): Promise<Connection> {
    if (monotonic() > this.#until) await this.#prove()
    return this.#asConnection
  }

  /** All that the client's requests want of a connection is `send`. */
  get #asConnection(): Connection {
    return this as unknown as Connection
  }

  /** What the client's requests call; see `createAPI` of it. */
  send(
    api: number,
    version: number,
    payload: () => Writer,
    parse: Parse,
    tagged: boolean,
    answerTagged: boolean,
    callback: Callback,
  ): void {
    const id = (this.#sent + 1) & 0x7fff_ffff
    this.#sent = id
    const head = client.Writer.create().appendInt16(api).appendInt16(version).appendInt32(id)
    head.appendString(this.#options.clientId, false)
    if (tagged) head.appendTaggedFields()
    const bytes = head.appendFrom(payload()).prependLength().buffer
    const answered = this.#answered(id, bytes).then((answer) => {
      return parse(id, api, version, client.Reader.from(answer).skip(answerTagged ? 5 : 4))
    })
    answered.then((answer) => callback(null, answer), callback)
  }

  async #answered(id: number, bytes: Buffer): Promise<Buffer> {
    if (this.#failed !== null) throw this.#failed
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    this.#waiting.set(id, { take: resolve, fail: reject })
    this.#socket.write(bytes)
    return await within(this.#options.requestTimeout ?? Number.POSITIVE_INFINITY, promise, () => {
      const error = new client.TimeoutError('Request timed out')
      this.#socket.destroy(error)
      throw error
    })
  }

  #read(count: number): boolean {
    try {
      for (const answer of this.#frames.take(count)) {
        const id = answer.readInt32BE(0)
        const waiting = this.#waiting.get(id)
        if (waiting === undefined) {
          throw new client.UnexpectedCorrelationIdError(`Received unexpected response ${id}`)
        }
        this.#waiting.delete(id)
        waiting.take(answer)
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
      this.#socket.destroy()
    }
    return true
  }

  #fail(error: Error): void {
    this.#failed ??= error
    for (const { fail } of this.#waiting.values()) fail(this.#failed)
    this.#waiting.clear()
  }

  async #connected(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { tls, connectTimeout = Number.POSITIVE_INFINITY } = this.#options
    this.#socket.once(tls === undefined ? 'connect' : 'secureConnect', resolve)
    this.#socket.once('close', () => reject(this.#failed))
    await within(connectTimeout, promise, () => {
      throw new client.TimeoutError(`Connection to ${this.#label} timed out.`)
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
  if (mechanism === 'OAUTHBEARER') return await client.saslOAuthBearer.authenticate(api, line, token, {})
  if (mechanism === 'PLAIN') return await client.saslPlain.authenticate(api, line, username, password)
  const algorithm = mechanism === 'SCRAM-SHA-256' ? 'SHA-256' : 'SHA-512'
  return await client.saslScramSha.authenticate(api, line, algorithm, username, password)
}

/** The connections to the brokers of a cluster, opened as they are asked for. */
export class Lines {
  readonly #options: BaseOptions
  readonly #room: Room
  readonly #lines = new Map<string, Promise<Line>>()
  #closed = false

  constructor(options: BaseOptions, room: Room) {
    this.#options = options
    this.#room = room
  }

  /** Throws as `Line.open` does. */
  async to(broker: Broker): Promise<Connection> {
    if (this.#closed) throw new client.NetworkError('Connections are closed.')
    const name = `${broker.host}:${broker.port}`
    const line = await (this.#lines.get(name) ?? this.#open(name, broker))
    if (line.isOpen) return await line.ready()
    this.#lines.delete(name)
    return await this.to(broker)
  }

  #open(name: string, broker: Broker): Promise<Line> {
    const line = Line.open(this.#options, broker, this.#room)
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
