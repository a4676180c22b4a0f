import { every, type Ticker } from '../async/clock.ts'
import { heal } from '../connect/heal.ts'
import { type Health, healthOf } from '../connect/health.ts'
import { lookAt, type Watched } from '../connect/look.ts'
import type { Watch } from '../mirror/options.ts'
import type { ConnectorProgress } from '../mirror/progress.ts'
import { asFault, type Fault } from '../model/fault.ts'

/** How a connector is, as a mirror tells of it. */
export function progressOf({ name, condition, state, tasks, faults }: Health): ConnectorProgress {
  return { name, condition, state, tasks, faults }
}

/** Milliseconds between two looks at what a worker says of its connectors. */
const LOOK = 5_000
/** Looks of which one asks each connector whether it can enter its database. */
const DEEP = 12
/** Looks at which a connector may be missing at its worker before it counts as gone. */
const MISSED = 24

/**
 * Looks after the connectors of a mirror while it runs: tells how they are, starts again what has
 * failed, and gives up when a person has to mend something or every attempt has failed.
 */
export class Warden implements AsyncDisposable {
  readonly #watched: readonly Watched[]
  readonly #watch: Watch
  readonly #broken = new AbortController()
  readonly #healing = new Map<string, Promise<void>>()
  readonly #ticker: Ticker
  #looks = 0
  #deaf = false
  #missed = 0

  constructor(watched: readonly Watched[], watch: Watch) {
    this.#watched = watched
    this.#watch = watch
    this.#ticker = every(
      LOOK,
      () => this.look(),
      (error) => this.#unheard(error),
    )
  }

  /** Aborted, with the Fault as reason, when a connector does not come back. */
  get broken(): AbortSignal {
    return this.#broken.signal
  }

  async look(): Promise<void> {
    const deep = this.#looks++ % DEEP === 0
    const seen = await Promise.all(
      this.#watched.map(async (one) => {
        if (deep) return await lookAt(one)
        return healthOf(await one.worker.status(one.name))
      }),
    )
    this.#deaf = false
    this.#missed = 0
    this.#tell(seen)
    for (const health of seen) if (health.condition === 'failed') this.#heal(health)
  }

  #tell(seen: readonly Health[]): void {
    this.#watch({ kind: 'connectors', connectors: seen.map(progressOf) })
  }

  #heal({ name }: Health): void {
    const one = this.#watched.find((watched) => watched.name === name)
    if (one === undefined || this.#healing.has(name)) return
    const notice = (text: string): void => this.#watch({ kind: 'notice', text })
    const healing = heal(one, (attempt, wait) =>
      notice(
        `connector ${name} has failed: attempt ${attempt} to start it again in ${wait / 1000} s`,
      ),
    )
      .then(({ condition, faults: [fault] }) => {
        if (condition === 'failed' && fault !== undefined) this.#giveUp(fault)
        else notice(`connector ${name} is ${condition} again`)
      })
      .catch((error: unknown) => this.#unheard(error))
      .finally(() => this.#healing.delete(name))
    this.#healing.set(name, healing)
  }

  #giveUp(fault: Fault): void {
    if (!this.#broken.signal.aborted) this.#broken.abort(fault)
  }

  /** A worker that is away stops nobody: its connectors are others' work, and topics stay. */
  #unheard(error: unknown): void {
    const fault = asFault(error)
    // A worker that was just started does not know of its connectors for a while.
    const comes = fault.code === 'HF-K403' && this.#missed++ < MISSED
    if (!fault.transient && !comes) this.#giveUp(fault)
    else if (!this.#deaf) this.#watch({ kind: 'notice', text: `${fault.code} ${fault.message}` })
    this.#deaf = true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ticker.stop()
  }
}
