/** Batches for which something is not tried after it was in vain; doubled each time. */
const FIRST = 16
const MOST = 1024

/** Something that pays when it goes well, and is let be for a while when it did not. */
export class Doubt {
  #batches = FIRST / 2
  #left = 0

  /** Asked once for each batch: true while it is let be. */
  stands(): boolean {
    if (this.#left === 0) return false
    this.#left--
    return true
  }

  /** It was in vain. */
  raise(): void {
    this.#batches = Math.min(MOST, this.#batches * 2)
    this.#left = this.#batches
  }
}
