import type { Writing } from './commands.ts'
import { AT_ONCE } from './config.ts'
import type { Gathered } from './pending.ts'
import { send } from './send.ts'

/** What is on its way to one collection. */
interface Flight {
  readonly collection: string
  readonly gathered: Gathered
  /** Never rejects. */
  readonly landed: Promise<void>
}

/**
 * Sends what was gathered while the next documents are made. Several commands are under way at once
 * only where each document is written by itself, and never two for one document: the second waits
 * until the first has landed.
 */
export class Sending {
  readonly #on: Writing
  readonly #most: number
  #flights: readonly Flight[] = []
  #failed: { readonly error: unknown } | null = null

  /** `alone`: one after the other, as the source did it. */
  constructor(on: Writing, options: { readonly alone: boolean }) {
    this.#on = on
    this.#most = options.alone || on.session !== null ? 1 : AT_ONCE
  }

  /** Returns when it is on its way. `gathered` must not change any more. */
  async send(collection: string, gathered: Gathered): Promise<void> {
    for (const flight of this.#flights) {
      if (flight.collection === collection && meet(flight.gathered, gathered)) await flight.landed
    }
    while (this.#flights.length >= this.#most) {
      await Promise.race(this.#flights.map(({ landed }) => landed))
    }
    this.#rethrow()
    const flight: Flight = { collection, gathered, landed: this.#fly(collection, gathered) }
    this.#flights = [...this.#flights, flight]
    void flight.landed.then(() => {
      this.#flights = this.#flights.filter((one) => one !== flight)
    })
    if (this.#most === 1) await this.landed()
  }

  /** Everything that was sent has landed. Throws what became of it. */
  async landed(): Promise<void> {
    await this.ended()
    this.#rethrow()
  }

  /** Nothing is under way any more, whatever became of it. */
  async ended(): Promise<void> {
    while (this.#flights.length > 0) await Promise.all(this.#flights.map(({ landed }) => landed))
  }

  async #fly(collection: string, gathered: Gathered): Promise<void> {
    try {
      await send(this.#on, collection, gathered)
    } catch (error) {
      this.#failed ??= { error }
    }
  }

  #rethrow(): void {
    if (this.#failed !== null) throw this.#failed.error
  }
}

/** True when both are about some document. */
function meet(a: Gathered, b: Gathered): boolean {
  for (const place of b.ops.keys()) if (a.ops.has(place)) return true
  for (const place of b.tallies.keys()) if (a.tallies.has(place)) return true
  return false
}
