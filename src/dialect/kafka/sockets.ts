import { connect, isIP, type OnReadOpts, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { type MessagePort, parentPort } from 'node:worker_threads'
import { Frames, Room } from './frames.ts'

// The sockets of brokers, in a thread of their own: what they send is read while the records
// before it are decoded. This module is what the thread runs; `thread.ts` is its other end.

/** Where a socket leads to. */
export interface Address {
  readonly host: string
  readonly port: number
  /** Null for a listener without TLS. */
  readonly tls: Omit<ConnectionOptions, 'checkServerIdentity'> | null
  /** The certificate may be of any name. */
  readonly anyName: boolean
}

export type ToSockets =
  | { readonly kind: 'open'; readonly id: number; readonly address: Address }
  | { readonly kind: 'write'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: 'close'; readonly id: number }
  /** Nobody looks at this memory of an answer any more. */
  | { readonly kind: 'give'; readonly memory: ArrayBuffer }

export type FromSockets =
  | { readonly kind: 'opened'; readonly id: number }
  | { readonly kind: 'answer'; readonly id: number; readonly bytes: Uint8Array }
  /** The last that is heard of a socket, and why; null where the other end closed it. */
  | { readonly kind: 'gone'; readonly id: number; readonly why: Why | null }

/** What is left of an error between threads. */
export interface Why {
  readonly message: string
  readonly code: string
}

class Sockets {
  readonly #port: MessagePort
  readonly #room = new Room()
  readonly #open = new Map<number, Socket>()

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (message: ToSockets) => this.#take(message))
  }

  #take(message: ToSockets): void {
    if (message.kind === 'open') this.#connect(message.id, message.address)
    else if (message.kind === 'write') this.#open.get(message.id)?.write(message.bytes)
    else if (message.kind === 'close') this.#open.get(message.id)?.destroy()
    else this.#room.give(message.memory)
  }

  #connect(id: number, { host, port, tls, anyName }: Address): void {
    const frames = new Frames(this.#room)
    const onread: OnReadOpts = {
      buffer: () => frames.next,
      callback: (count) => this.#read(id, frames, count),
    }
    const how = { host, port, onread }
    const name = isIP(host) === 0 ? { servername: host } : {}
    const check = anyName ? { checkServerIdentity: () => undefined } : {}
    const socket = tls === null ? connect(how) : connectTls({ ...tls, ...name, ...check, ...how })
    let why: Why | null = null
    socket.setNoDelay(true)
    socket.once(tls === null ? 'connect' : 'secureConnect', () => this.#say({ kind: 'opened', id }))
    socket.on('error', ({ message, ...error }: NodeJS.ErrnoException) => {
      why ??= { message, code: error.code ?? '' }
    })
    socket.on('close', () => {
      this.#open.delete(id)
      this.#say({ kind: 'gone', id, why })
    })
    this.#open.set(id, socket)
  }

  #read(id: number, frames: Frames, count: number): boolean {
    try {
      for (const bytes of frames.take(count)) {
        this.#port.postMessage({ kind: 'answer', id, bytes }, [bytes.buffer as ArrayBuffer])
      }
    } catch (error) {
      this.#open.get(id)?.destroy(error instanceof Error ? error : new Error(String(error)))
    }
    return true
  }

  #say(message: FromSockets): void {
    this.#port.postMessage(message)
  }
}

if (parentPort !== null) new Sockets(parentPort)
