import { setImmediate } from 'node:timers/promises'

/** Resolves once sockets were looked at and what they wait for was begun. */
export async function breath(): Promise<void> {
  await setImmediate()
}

/** Lets one piece of work after the other have something. */
export class Turn {
  #last: Promise<unknown> = Promise.resolve()

  take<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work)
    this.#last = run.catch(() => undefined)
    return run
  }
}
