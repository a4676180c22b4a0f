import { type Compare, covers, type Positions } from '../model/position.ts'
import type { Watch } from './options.ts'
import type { MirrorEvent } from './progress.ts'

/** The source's head in the lanes that are followed. */
export function headIn(head: Positions, lanes: Positions): Positions {
  return new Map([...head].filter(([lane]) => lanes.has(lane)))
}

/** Where a stream is to go; it follows the events and says when it has arrived. */
export class Course {
  readonly #compare: Compare
  readonly #head: Positions
  readonly #goal: Positions | null
  readonly #watch: Watch
  readonly #arrived = new AbortController()
  #caughtUp = false
  durable: Positions

  constructor(options: {
    readonly compare: Compare
    /** The source's head when the stream began: past it the mirror has caught up. */
    readonly head: Positions
    readonly goal: Positions | null
    readonly durable: Positions
    readonly watch: Watch
  }) {
    this.#compare = options.compare
    const lanes = options.durable
    this.#head = within(options.head, lanes)
    this.#goal = options.goal === null ? null : within(options.goal, lanes)
    this.#watch = options.watch
    this.durable = options.durable
  }

  /** Aborted once the goal is durable in the target. */
  get arrived(): AbortSignal {
    return this.#arrived.signal
  }

  /** True when reaching these positions is waited for, so that they are stored without delay. */
  readonly awaited = (positions: Positions): boolean =>
    (!this.#caughtUp && this.reached(positions, this.#head)) ||
    (this.#goal !== null && this.reached(positions, this.#goal))

  reached(positions: Positions, wanted: Positions): boolean {
    return covers(this.#compare, positions, wanted)
  }

  /** Passes the event on, and then what follows from it. */
  readonly watch: Watch = (event: MirrorEvent) => {
    this.#watch(event)
    if (event.kind !== 'applied' && event.kind !== 'durable') return
    if (!this.#caughtUp && this.reached(event.positions, this.#head)) {
      this.#caughtUp = true
      this.#watch({ kind: 'phase', phase: 'streaming', reason: null })
    }
    if (event.kind === 'applied') return
    this.durable = event.positions
    if (this.#goal !== null && this.reached(this.durable, this.#goal)) this.#arrived.abort()
  }
}

/** Lanes that began after the mirror had chosen its own are no part of where it goes. */
function within(wanted: Positions, lanes: Positions): Positions {
  return new Map([...wanted].filter(([lane]) => lanes.has(lane)))
}
