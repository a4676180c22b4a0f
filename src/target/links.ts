/** Idle connections kept while tables are copied, and afterwards. */
const MOST_IDLE = 8
const SETTLED_IDLE = 1

/** What is known of a connection that can be lent. */
export interface Lendable {
  readonly session: AsyncDisposable & { readonly lost: AbortSignal }
}

/** Connections that are opened when needed and kept for the next one who needs one. */
export class Links<Link extends Lendable> implements AsyncDisposable {
  readonly #open: () => Promise<Link>
  readonly #breakOff: (link: Link) => void
  readonly #idle: Link[] = []
  readonly #lent = new Set<Link>()
  #closed = false
  #most = MOST_IDLE

  /** `breakOff` ends a connection without a word, so that what waits for an answer fails. */
  constructor(how: {
    readonly open: () => Promise<Link>
    readonly breakOff: (link: Link) => void
  }) {
    this.#open = how.open
    this.#breakOff = how.breakOff
  }

  /** Lends a connection; one that failed in the meantime is closed afterwards. */
  async use<T>(work: (link: Link) => Promise<T>): Promise<T> {
    const link = this.#take() ?? (await this.#open())
    let healthy = false
    this.#lent.add(link)
    try {
      const result = await work(link)
      healthy = true
      return result
    } finally {
      this.#lent.delete(link)
      const keep = healthy && !link.session.lost.aborted && !this.#closed
      if (keep && this.#idle.length < this.#most) this.#idle.push(link)
      else await link.session[Symbol.asyncDispose]()
    }
  }

  /** The copy is over: from now on few are needed at once. */
  async settle(): Promise<void> {
    this.#most = SETTLED_IDLE
    const spare = this.#idle.splice(SETTLED_IDLE)
    await Promise.all(spare.map(({ session }) => session[Symbol.asyncDispose]()))
  }

  /** Closes what is lent, so that whoever uses it fails now. */
  breakOff(): void {
    this.#closed = true
    for (const link of this.#lent) this.#breakOff(link)
  }

  #take(): Link | undefined {
    let link = this.#idle.pop()
    while (link?.session.lost.aborted === true) link = this.#idle.pop()
    return link
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    const idle = this.#idle.splice(0)
    await Promise.all(idle.map((link) => link.session[Symbol.asyncDispose]()))
  }
}
