/** Which rows of a transaction have come, by their numbers from 1 on in each topic. */
export class Numbers {
  readonly #upTo = new Map<string, number>()
  readonly #ahead = new Map<string, Set<number>>()

  /** All up to here have come. */
  upTo(topic: string): number {
    return this.#upTo.get(topic) ?? 0
  }

  add(topic: string, number: number): void {
    let next = this.upTo(topic) + 1
    const ahead = this.#ahead.get(topic)
    if (number > next) this.#ahead.set(topic, (ahead ?? new Set()).add(number))
    if (number !== next) return
    while (ahead?.delete(next + 1) === true) next++
    this.#upTo.set(topic, next)
  }
}
