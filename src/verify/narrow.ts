import type { Print } from '../model/reader.ts'

/** Rows of both ends with one hash. */
export interface Pair {
  readonly hash: bigint
  readonly source: readonly Print[]
  readonly target: readonly Print[]
}

/** Reads a list in bursts row by row, and gives the rows of one hash together. */
class Groups {
  readonly #bursts: AsyncIterator<readonly Print[]>
  #burst: readonly Print[] = []
  #at = 0
  #ended = false

  constructor(list: AsyncIterable<readonly Print[]>) {
    this.#bursts = list[Symbol.asyncIterator]()
  }

  /** True when a row is there to look at; only a burst that was used up makes it wait. */
  async fill(): Promise<boolean> {
    while (this.#at >= this.#burst.length && !this.#ended) {
      const next = await this.#bursts.next()
      this.#ended = next.done === true
      this.#burst = next.done === true ? [] : next.value
      this.#at = 0
    }
    return this.#at < this.#burst.length
  }

  get ready(): boolean {
    return this.#at < this.#burst.length
  }

  get hash(): bigint | null {
    return this.#burst[this.#at]?.hash ?? null
  }

  /** Takes the rows of this hash out. */
  async take(hash: bigint): Promise<Print[]> {
    const rows: Print[] = []
    while ((this.ready || (await this.fill())) && this.hash === hash) {
      const row = this.#burst[this.#at++]
      if (row !== undefined) rows.push(row)
    }
    return rows
  }

  async close(): Promise<void> {
    await this.#bursts.return?.()
  }
}

/** Goes through two lists in ascending order of hash side by side. */
export async function* sideBySide(
  source: AsyncIterable<readonly Print[]>,
  target: AsyncIterable<readonly Print[]>,
): AsyncGenerator<Pair, void, undefined> {
  const ours = new Groups(source)
  const theirs = new Groups(target)
  try {
    for (;;) {
      await Promise.all([ours.fill(), theirs.fill()])
      const [a, b] = [ours.hash, theirs.hash]
      if (a === null && b === null) return
      const hash = a === null || (b !== null && b < a) ? b : a
      if (hash === null) return
      yield {
        hash,
        source: a === hash ? await ours.take(hash) : [],
        target: b === hash ? await theirs.take(hash) : [],
      }
    }
  } finally {
    await Promise.all([ours.close(), theirs.close()])
  }
}

/** No rows. */
export async function* nothing(): AsyncGenerator<readonly Print[], void, undefined> {}
