import { EventEmitter } from 'node:events'
import type { Session } from '../../../../src/dialect/postgres/connect.ts'
import { Fault } from '../../../../src/model/fault.ts'

/** The end of a connection that says what a test wants, as far as a session's reader sees it. */
export class Line {
  readonly #stream = Object.assign(new EventEmitter(), {
    writable: true,
    write: () => true,
    pause: () => undefined,
    resume: () => undefined,
    destroy: () => undefined,
  })
  readonly #lost = new AbortController()
  readonly session = {
    client: { connection: { stream: this.#stream } },
    label: 'a server',
    lost: this.#lost.signal,
    owed: () => ({ [Symbol.dispose]: () => undefined }),
    [Symbol.asyncDispose]: async () => undefined,
  } as unknown as Session

  says(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += 50) {
      this.#stream.emit('data', Buffer.from(bytes.subarray(at, at + 50)))
    }
  }

  ends(): void {
    this.#lost.abort(new Fault('HF-S101', { what: 'the connection ended' }))
  }
}
