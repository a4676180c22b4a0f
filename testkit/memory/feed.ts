import { Bell } from '../../src/async/deferred.ts'
import type { StreamItem } from '../../src/model/change.ts'

/** A stream that says what a test puts into it, burst by burst. */
export class Feed {
  readonly #bursts: (readonly StreamItem[])[] = []
  readonly #arrived = new Bell()
  #asked = false
  #end: { readonly error: unknown } | 'ended' | null = null
  /** Bursts that were handed over. */
  taken = 0
  /** True once the reader has left. */
  closed = false

  /** True while the reader has dealt with everything and waits for more. */
  get dry(): boolean {
    return this.#asked && this.#bursts.length === 0
  }

  push(...items: readonly StreamItem[]): void {
    this.#bursts.push(items)
    this.#arrived.ring()
  }

  end(): void {
    this.#end = 'ended'
    this.#arrived.ring()
  }

  fail(error: unknown): void {
    this.#end = { error }
    this.#arrived.ring()
  }

  async *stream(signal: AbortSignal): AsyncIterable<readonly StreamItem[]> {
    signal.addEventListener('abort', () => this.#arrived.ring())
    try {
      for (;;) {
        const burst = this.#bursts.shift()
        if (signal.aborted) return
        if (burst !== undefined) {
          this.taken++
          yield burst
        } else if (this.#end === 'ended') return
        else if (this.#end !== null) throw this.#end.error
        else {
          this.#asked = true
          await this.#arrived.wait()
          this.#asked = false
        }
      }
    } finally {
      this.closed = true
    }
  }
}
