/**
 * Something to wait for that may happen again and again: `wait` resolves at the next `ring`, at
 * once if one came since the last `wait`.
 */
export class Bell {
  #rung = false
  #waiting: PromiseWithResolvers<void> | null = null

  ring(): void {
    if (this.#waiting === null) {
      this.#rung = true
      return
    }
    this.#waiting.resolve()
    this.#waiting = null
  }

  async wait(): Promise<void> {
    if (this.#rung) {
      this.#rung = false
      return
    }
    this.#waiting ??= Promise.withResolvers<void>()
    await this.#waiting.promise
  }
}
