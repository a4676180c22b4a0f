import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { sleep } from '../src/async/clock.ts'

/** One client's way through the proxy. */
export interface ProxyConnection {
  readonly number: number
  readonly open: boolean
  /** The port from which the server sees it come. */
  readonly from: number
  /** Bytes that came from the client and from the server. */
  readonly sent: number
  readonly received: number
  /** The first that the client sent; names what it wants, unless it is encrypted. */
  readonly greeting: string
  /** Resets both sides, as a network does that forgets a connection. */
  cut(): void
  /** Cuts when this many more bytes have come from the server, or from the client. */
  cutAfter(bytes: number, from?: 'server' | 'client'): void
  /** Passes nothing on in either direction and says nothing, as a cable that was pulled. */
  freeze(): void
  /** Passes on what was held back, and from then on everything. */
  thaw(): void
  /** Passes on what the client says and holds back every answer, until `thaw`. */
  mute(): void
}

/** A TCP proxy on the loopback before a server. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** The same address, through the proxy. */
  url(url: string): string
  readonly connections: readonly ProxyConnection[]
  /** The open ones. */
  readonly open: readonly ProxyConnection[]
  cutAll(): void
  /** Freezes all connections and every new one until `thawAll`. */
  freezeAll(): void
  thawAll(): void
  /** Refuses new connections until `accept`; those that are open stay. */
  refuse(): Promise<void>
  accept(): Promise<void>
  /** Milliseconds that each piece waits before it is passed on, in both directions. */
  delay: number
  /** Bytes that pass in a millisecond, in each direction. */
  pace: number
}

interface Shared {
  delay: number
  pace: number
  frozen: boolean
}

/** The two sockets of a connection and what lies between them. */
class Way implements ProxyConnection {
  readonly number: number
  readonly #client: Socket
  readonly #server: Socket
  readonly #shared: Shared
  #sent = 0
  #received = 0
  #greeting = ''
  /** Bytes of each side that pass before the end. */
  readonly #most = { server: Number.POSITIVE_INFINITY, client: Number.POSITIVE_INFINITY }
  #open = true
  #thawed = Promise.withResolvers<void>()
  #audible = Promise.withResolvers<void>()

  constructor(
    number: number,
    sides: { readonly client: Socket; readonly server: Socket },
    shared: Shared,
  ) {
    this.number = number
    this.#client = sides.client
    this.#server = sides.server
    this.#shared = shared
    if (!shared.frozen) this.#thawed.resolve()
    this.#audible.resolve()
    for (const side of [this.#client, this.#server]) {
      side.setNoDelay(true)
      side.on('error', () => this.cut())
      side.on('close', () => {
        this.#open = false
      })
    }
    void this.#pass(this.#client, this.#server)
    void this.#pass(this.#server, this.#client)
  }

  get open(): boolean {
    return this.#open
  }
  get from(): number {
    return this.#server.localPort ?? 0
  }
  get sent(): number {
    return this.#sent
  }
  get received(): number {
    return this.#received
  }
  get greeting(): string {
    return this.#greeting
  }

  cut(): void {
    this.#open = false
    this.#client.resetAndDestroy()
    this.#server.destroy()
  }

  cutAfter(bytes: number, from: 'server' | 'client' = 'server'): void {
    this.#most[from] = bytes + (from === 'server' ? this.#received : this.#sent)
  }

  freeze(): void {
    this.#thawed.resolve()
    this.#thawed = Promise.withResolvers<void>()
  }

  thaw(): void {
    this.#thawed.resolve()
    this.#audible.resolve()
  }

  mute(): void {
    this.#audible.resolve()
    this.#audible = Promise.withResolvers<void>()
  }

  async #pass(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const piece of from) await this.#hand(piece as Buffer, from, to)
      await this.#thawed.promise
      to.end()
    } catch {
      this.cut()
    }
  }

  async #hand(piece: Buffer, from: Socket, to: Socket): Promise<void> {
    const wait = this.#shared.delay + piece.length / this.#shared.pace
    if (wait > 0) await sleep(wait)
    await this.#thawed.promise
    if (from === this.#server) await this.#audible.promise
    else if (this.#sent === 0) this.#greeting = piece.toString('latin1')
    const before = from === this.#server ? this.#received : this.#sent
    const most = from === this.#server ? this.#most.server : this.#most.client
    const passed = piece.subarray(0, Math.max(0, Math.min(piece.length, most - before)))
    if (from === this.#server) this.#received += passed.length
    else this.#sent += passed.length
    if (!to.destroyed && !to.write(passed)) await once(to, 'drain')
    if (before + passed.length >= most) this.#endBehind(to)
  }

  // This side gets all bytes up to the cut before the connection ends.
  #endBehind(side: Socket): void {
    this.#open = false
    side.destroySoon()
    if (side === this.#client) this.#server.destroy()
    else this.#client.resetAndDestroy()
  }
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen({ port, host: '127.0.0.1' })
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  return address.port
}

/** Starts a proxy before the server of this address. It does not keep the process alive. */
export async function startProxy(to: {
  readonly host?: string
  readonly port: number
}): Promise<TcpProxy> {
  const shared: Shared = { delay: 0, pace: Number.POSITIVE_INFINITY, frozen: false }
  const ways: Way[] = []
  const make = (): Server =>
    createServer({ allowHalfOpen: true }, (client) => {
      const server = connect({ host: to.host ?? '127.0.0.1', port: to.port, allowHalfOpen: true })
      ways.push(new Way(ways.length + 1, { client, server }, shared))
    }).unref()
  let listener = make()
  const port = await listen(listener, 0)
  const open = (): Way[] => ways.filter((way) => way.open)
  const refuse = async (): Promise<void> => {
    if (!listener.listening) return
    listener.close()
    // The event comes only when no connection is left; not listening is enough.
  }
  return {
    port,
    url(url) {
      const at = new URL(url)
      at.hostname = '127.0.0.1'
      at.port = String(port)
      return at.href
    },
    connections: ways,
    get open() {
      return open()
    },
    get delay() {
      return shared.delay
    },
    set delay(ms) {
      shared.delay = ms
    },
    get pace() {
      return shared.pace
    },
    set pace(bytes) {
      shared.pace = bytes
    },
    cutAll() {
      for (const way of open()) way.cut()
    },
    freezeAll() {
      shared.frozen = true
      for (const way of open()) way.freeze()
    },
    thawAll() {
      shared.frozen = false
      for (const way of open()) way.thaw()
    },
    refuse,
    async accept() {
      if (listener.listening) return
      listener = make()
      await listen(listener, port)
    },
    async [Symbol.asyncDispose]() {
      await refuse()
      for (const way of open()) way.cut()
    },
  }
}
