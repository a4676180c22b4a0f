import type { Fault } from '../../src/model/fault.ts'

/** A moment of a process: before a call had its effect, or after it and before the reply. */
export interface Moment {
  readonly side: 'source' | 'target'
  readonly call: string
  readonly when: 'before' | 'after'
}

/**
 * What happens at a moment: nothing; the process dies; a Fault is thrown; or something is done or
 * waited for first (and what comes of it happens).
 */
export type Fate = undefined | 'die' | Fault | (() => void | Promise<void>)

export type Script = (moment: Moment) => Fate

/**
 * The process that a source and a target are used by. When it dies, none of its calls has any
 * further effect or ever returns.
 */
export class Life {
  readonly #script: Script
  readonly #died = Promise.withResolvers<void>()
  #dead = false

  constructor(script: Script = () => undefined) {
    this.#script = script
  }

  get dead(): boolean {
    return this.#dead
  }

  /** Resolves when the process has died. */
  get died(): Promise<void> {
    return this.#died.promise
  }

  die(): void {
    this.#dead = true
    this.#died.resolve()
  }

  async call<T>(side: Moment['side'], call: string, effect: () => T | Promise<T>): Promise<T> {
    await this.pass({ side, call, when: 'before' })
    const result = await effect()
    await this.pass({ side, call, when: 'after' })
    return result
  }

  /** Goes through a moment: returns, throws, or never comes back. */
  async pass(moment: Moment): Promise<void> {
    if (!this.#dead) {
      const fate = this.#script(moment)
      if (fate === 'die') this.die()
      else if (typeof fate === 'function') await fate()
      else if (fate !== undefined) throw fate
    }
    if (this.#dead) await new Promise<never>(() => undefined)
  }
}
