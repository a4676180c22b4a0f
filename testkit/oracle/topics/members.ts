import { MirrorProcess, type MirrorSetup } from '../mirror.ts'
import type { Random } from '../random.ts'

/** Processes of one mirror that there may be at once. */
const MOST = 3
const PATIENCE = 120_000

/** The processes that run a mirror: one alone, or several that share it and come and go. */
export class Members implements AsyncDisposable {
  readonly shared: boolean
  readonly #setup: MirrorSetup
  readonly #halted = Promise.withResolvers<never>()
  readonly #here: MirrorProcess[] = []
  /** All that there were. */
  readonly #all: MirrorProcess[] = []

  constructor(setup: MirrorSetup, { shared }: { readonly shared: boolean }) {
    this.shared = shared
    this.#setup = { ...setup, ...(shared ? { flags: ['--share'] } : {}) }
    this.#halted.promise.catch(() => undefined)
  }

  /** Rejects when one of them gives up. */
  get halted(): Promise<never> {
    return this.#halted.promise
  }

  get starts(): number {
    return this.#all.reduce((sum, { starts }) => sum + starts, 0)
  }
  get kills(): number {
    return this.#all.reduce((sum, { kills }) => sum + kills, 0)
  }
  get deaths(): Readonly<Record<string, number>> {
    const all: Record<string, number> = {}
    for (const { deaths } of this.#all) {
      for (const [at, count] of Object.entries(deaths)) all[at] = (all[at] ?? 0) + count
    }
    return all
  }

  /** One more begins. */
  start(): MirrorProcess {
    const made = new MirrorProcess(this.#setup)
    made.halted.catch((error) => this.#halted.reject(error))
    this.#here.push(made)
    this.#all.push(made)
    made.start()
    return made
  }

  any(random: Random): MirrorProcess {
    return random.pick(this.#here)
  }

  /** One more comes, or one goes, asked to or killed; says which, and mostly waits until it is so. */
  async rebalance(random: Random): Promise<string> {
    const count = this.#here.length
    if (count === 1 || (count < MOST && random.chance(0.4))) {
      const { child } = this.start()
      if (random.chance(0.3)) return 'one more comes'
      await child?.line(/lanes are followed by this process/, { within: PATIENCE })
      return 'one more came'
    }
    const going = this.any(random)
    this.#here.splice(this.#here.indexOf(going), 1)
    if (random.chance(0.5)) {
      await going[Symbol.asyncDispose]()
      return 'one is lost'
    }
    await ended(going)
    return 'one left'
  }

  /** None of them may end itself at a point any longer. */
  async disarm(): Promise<void> {
    for (const one of this.#here) await one.disarm()
  }

  /** Each applies what it has read, and ends. */
  async stop(): Promise<void> {
    for (const one of this.#here.splice(0)) await ended(one)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((one) => one[Symbol.asyncDispose]()))
  }
}

async function ended(one: MirrorProcess): Promise<void> {
  const end = await one.stop()
  const lines = one.child?.lines ?? []
  // One that was asked before it listened has done nothing.
  const early = end?.signal === 'SIGTERM' && lines.length === 0
  if (end?.code === 0 || early) return
  const tail = lines.slice(-25).join('\n')
  throw new Error(`the mirror stopped with ${end?.code ?? end?.signal}:\n${tail}`)
}
