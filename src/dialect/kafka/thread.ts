import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { BaseOptions, Broker } from '@platformatic/kafka'
import type { Address, FromSockets, ToSockets, Why } from './sockets.ts'

/** Who hears of a socket. */
export interface Listener {
  opened(): void
  answered(answer: Buffer): void
  /** Nothing more comes; null: the other end closed it. */
  gone(why: Error | null): void
}

/** A socket of the thread. */
export interface Pipe {
  write(bytes: Buffer): void
  close(): void
}

const GONE = new Error('the thread of its sockets has ended')

/** The thread that reads sockets; it begins with the first one. */
export class SocketThread {
  #worker: Worker | null = null
  readonly #listeners = new Map<number, Listener>()
  #count = 0

  open({ host, port }: Broker, { tls }: BaseOptions, listener: Listener): Pipe {
    const id = this.#count++
    const { checkServerIdentity: own, ...facts } = tls ?? {}
    const anyName = own !== undefined
    const address: Address = { host, port, tls: tls === undefined ? null : facts, anyName }
    this.#listeners.set(id, listener)
    this.#worker ??= this.#begin()
    this.#say({ kind: 'open', id, address })
    return {
      write: (bytes) => this.#say({ kind: 'write', id, bytes }),
      close: () => this.#say({ kind: 'close', id }),
    }
  }

  /** Nobody looks at this memory of an answer any more. */
  give(memory: ArrayBuffer): void {
    this.#worker?.postMessage({ kind: 'give', memory }, [memory])
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #say(message: ToSockets): void {
    this.#worker?.postMessage(message)
  }

  #begin(): Worker {
    const worker = new Worker(new URL(`./sockets${extname(import.meta.url)}`, import.meta.url))
    let why: Error = GONE
    worker.on('message', (message: FromSockets) => this.#hear(message))
    worker.on('error', (error: Error) => {
      why = error
    })
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null
      for (const listener of this.#listeners.values()) listener.gone(why)
      this.#listeners.clear()
    })
    return worker
  }

  #hear(message: FromSockets): void {
    const listener = this.#listeners.get(message.id)
    if (message.kind === 'opened') listener?.opened()
    else if (message.kind === 'answer') {
      const { buffer, byteOffset, length } = message.bytes
      listener?.answered(Buffer.from(buffer, byteOffset, length))
    } else {
      this.#listeners.delete(message.id)
      listener?.gone(errorOf(message.why))
    }
  }
}

function errorOf(why: Why | null): Error | null {
  return why === null ? null : Object.assign(new Error(why.message), { code: why.code })
}
