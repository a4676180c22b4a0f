import type { Positions } from '../../../model/position.ts'

/** `16/B374D848` as a number. */
export function lsnOf(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}

/**
 * What a crash of the target can no longer take back (promise 1). A commit that nobody waited for
 * is durable once the server has flushed its log past the place where it stood after the commit.
 */
export class Durable {
  #positions: Positions
  #flushed = 0n
  /** Commits that may not be flushed yet, oldest first. */
  #waiting: { readonly positions: Positions; readonly end: bigint }[] = []

  constructor(positions: Positions) {
    this.#positions = positions
  }

  get positions(): Positions {
    return this.#positions
  }

  /** A commit that ended at or before `end`, or one that the server has flushed (null). */
  committed(positions: Positions, end: bigint | null): void {
    if (end === null) {
      this.#positions = positions
      this.#waiting = []
    } else {
      this.#waiting.push({ positions, end })
      this.flushed(this.#flushed)
    }
  }

  /** Lanes were added, which is on disk. */
  added(lanes: Positions): void {
    const more = (positions: Positions): Positions => new Map([...positions, ...lanes])
    this.#positions = more(this.#positions)
    this.#waiting = this.#waiting.map(({ positions, end }) => ({ positions: more(positions), end }))
  }

  /** The server has its log on disk up to here. */
  flushed(to: bigint): void {
    if (to > this.#flushed) this.#flushed = to
    let done = 0
    for (const { end, positions } of this.#waiting) {
      if (end > this.#flushed) break
      this.#positions = positions
      done++
    }
    if (done > 0) this.#waiting.splice(0, done)
  }
}
