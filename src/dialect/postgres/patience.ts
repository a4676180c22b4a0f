import { every, monotonic, type Ticker } from '../../async/clock.ts'

/** How often it is looked whether an answer is owed for too long. */
const LOOK_MS = 5_000
/** Silence after which the server is asked, over another connection, what it is doing. */
const SILENT_MS = 15_000

/** Bytes that have come and gone on a connection. */
export interface Traffic {
  readonly read: number
  readonly written: number
}

/** `waits`: the server waits for us although we wait for it, or does not know us at all. */
export type Word = 'works' | 'waits' | 'unreachable'

export interface PatienceOptions {
  readonly traffic: () => Traffic
  /** What the server's process of this connection is doing. */
  readonly ask: () => Promise<Word>
  /** The connection is dead although it looks open. */
  readonly dead: (silentMillis: number) => void
}

/**
 * Tells a connection that is dead from one whose server takes its time. A network that forgets a
 * connection says nothing to either end, and there is no limit to what a statement may rightly
 * take; so the server itself is asked, and must twice give the same bad answer.
 */
export class Patience {
  readonly #options: PatienceOptions
  readonly #ticker: Ticker
  #owed = 0
  #seen: Traffic = { read: 0, written: 0 }
  #quietSince = monotonic()
  #bad = 0

  constructor(options: PatienceOptions) {
    this.#options = options
    this.#ticker = every(
      LOOK_MS,
      () => this.#look(),
      () => undefined,
    )
  }

  /** The server owes an answer, or room for more, until this is disposed. */
  owed(): Disposable {
    if (this.#owed++ === 0) this.#rest()
    let over = false
    return {
      [Symbol.dispose]: () => {
        if (over) return
        over = true
        this.#owed--
      },
    }
  }

  stop(): void {
    this.#ticker[Symbol.dispose]()
  }

  #rest(): void {
    this.#quietSince = monotonic()
    this.#seen = this.#options.traffic()
    this.#bad = 0
  }

  async #look(): Promise<void> {
    if (this.#owed === 0) return
    const now = this.#options.traffic()
    if (now.read !== this.#seen.read || now.written !== this.#seen.written) return this.#rest()
    const silent = monotonic() - this.#quietSince
    if (silent < SILENT_MS) return
    const word = await this.#options.ask()
    const still = this.#options.traffic()
    if (this.#owed === 0 || still.read !== now.read || word === 'works') return this.#rest()
    this.#bad++
    if (this.#bad > 1) this.#options.dead(silent)
  }
}
