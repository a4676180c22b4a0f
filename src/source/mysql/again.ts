import { DomainPosition } from './log/domains.ts'
import type { Passage } from './passage.ts'
import type { Passed, Place } from './place.ts'
import type { Gtid } from './trail.ts'

/** Transactions that were passed before and come again, where reading begins before what was passed. */
export class Again {
  readonly #passage: Passage
  /** What was passed of them so far. */
  #passed: Passed | null
  #over: boolean

  constructor(passage: Passage, from: Place['from']) {
    this.#passage = passage
    this.#over = from === null
    this.#passed = from?.passed?.clone() ?? null
  }

  /** After the first one that is new no other comes again. */
  get over(): boolean {
    return this.#over
  }

  /** True for one that begins there and comes again. */
  has(gtid: Gtid | null, file: string, start: number): boolean {
    if (this.#over) return false
    const known = gtid === null ? this.#passage.isBefore(file, start) : this.#passage.has(gtid)
    this.#over = !known
    return known
  }

  /** What was passed before the one that comes. */
  passed(): Passed | null {
    return this.#passed?.clone() ?? null
  }

  advance(gtid: Gtid | null): void {
    if (this.#passed instanceof DomainPosition && gtid?.kind === 'domain')
      this.#passed.advance(gtid)
  }
}
