import { Turn } from '../async/turn.ts'
import type { Lease } from './lease.ts'
import { type Lendable, Links } from './links.ts'

export interface HoldOptions<Link extends Lendable> {
  /** The main connection. */
  readonly link: Link
  readonly lease: Lease
  /** Opens a further connection. */
  readonly open: () => Promise<Link>
  /** Ends a connection without a word, so that what waits for an answer fails. */
  readonly breakOff: (link: Link) => void
  /** Runs work in a transaction that holds the epoch from its beginning. */
  readonly held: <T>(link: Link, work: (session: Link['session']) => Promise<T>) => Promise<T>
}

/** The connections of a claim, and what is done over them while it is held. */
export class Hold<Link extends Lendable> implements AsyncDisposable {
  /** Further connections. */
  readonly links: Links<Link>
  readonly #options: HoldOptions<Link>
  /** The main connection does one thing at a time. */
  readonly #turn = new Turn()

  constructor(options: HoldOptions<Link>) {
    const { link, lease, open, breakOff } = options
    this.#options = options
    this.links = new Links({ open, breakOff })
    const { lost } = link.session
    lost.addEventListener('abort', () => lease.lose(lost.reason))
    // Whoever waits for a server that does not answer is let go.
    lease.lost.addEventListener('abort', () => {
      breakOff(link)
      this.links.breakOff()
    })
  }

  get lost(): AbortSignal {
    return this.#options.lease.lost
  }

  /** Uses the main connection, between what else it does. */
  alone<T>(work: (session: Link['session']) => Promise<T>): Promise<T> {
    return this.#turn.take(() => work(this.#options.link.session))
  }
  /** A transaction on the main connection that holds the epoch. */
  write<T>(work: (session: Link['session']) => Promise<T>): Promise<T> {
    return this.#turn.take(() => this.#options.held(this.#options.link, work))
  }
  /** The same on a further connection. */
  aside<T>(work: (session: Link['session']) => Promise<T>): Promise<T> {
    return this.links.use((link) => this.#options.held(link, work))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.links[Symbol.asyncDispose]()
    await this.#options.lease[Symbol.asyncDispose]()
  }
}
