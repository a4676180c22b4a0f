import assert from 'node:assert/strict'
import type { Run } from '../../src/mirror/options.ts'
import { session } from '../../src/mirror/session.ts'
import { asFault, Fault } from '../../src/model/fault.ts'
import { contentsOf, MemoryDatabase } from './database.ts'
import { type Fate, Life, type Moment } from './life.ts'
import { connectorsOf, mirrorOptions } from './pair.ts'
import { type Image, MemoryStore } from './store.ts'
import type { Workload } from './workload.ts'

/** One thing that goes wrong, at the `at`-th moment of a process. */
export interface Trouble {
  readonly kind: 'die' | 'source-lost' | 'target-lost' | 'crash' | 'refuse' | 'crash-and-die'
  readonly at: number
}

export interface TrialOptions {
  readonly work: Workload
  /** One for each process that is started. */
  readonly troubles: readonly Trouble[]
  /** Moments between two transactions of the source. */
  readonly pace: number
  readonly flushEvery: number
  readonly burst: number
  readonly chunk: number
  /** The first process copies everything while nothing is written and nothing goes wrong. */
  readonly calmBeginning?: boolean
}

const lost = {
  source: new Fault('HF-S101', { what: 'the connection to the source is lost' }),
  target: new Fault('HF-T201', { what: 'the connection to the target is lost' }),
  refused: new Fault('HF-T205', { what: 'the target refuses it' }),
}

/**
 * A mirror that is killed, cut off, refused and crashed under while the source goes on writing.
 * After every moment the target is compared with what the source held at the checkpoint.
 */
export class Trial {
  readonly database = new MemoryDatabase()
  readonly store = new MemoryStore()
  readonly #options: TrialOptions
  readonly #waiting: Workload['transactions'][number][]
  #moments = 0
  /** Faults that ended a process, and processes that died. */
  ends: string[] = []
  /** Looks at a target that was wholly copied. */
  compared = 0

  constructor(options: TrialOptions) {
    this.#options = options
    options.work.begin(this.database)
    this.#waiting = [...options.work.transactions]
  }

  async run(): Promise<void> {
    if (this.#options.calmBeginning === true) {
      const waiting = this.#waiting.splice(0)
      assert.equal(await this.#process(null), 'caught-up')
      this.#waiting.push(...waiting)
    }
    for (const trouble of this.#options.troubles) this.ends.push(await this.#process(trouble))
    for (;;) {
      const end = await this.#process(null)
      this.ends.push(end)
      assert.equal(end, 'caught-up')
      if (this.#waiting.length === 0) break
      this.#next()
    }
    // What was written while the last process ended is for one more.
    assert.equal(await this.#process(null), 'caught-up')
    assert.deepEqual([...this.store.contents()], [...this.database.contents()])
  }

  #next(): void {
    this.#waiting.shift()?.(this.database)
  }

  /** Runs a mirror until it has caught up, fails or dies. */
  async #process(trouble: Trouble | null): Promise<string> {
    const { flushEvery, burst, chunk } = this.#options
    const { database, store } = this
    let moments = 0
    const life: Life = new Life((moment) => {
      this.#look()
      if (++this.#moments % this.#options.pace === 0) this.#next()
      return trouble !== null && ++moments === trouble.at ? this.#fate(trouble, moment) : undefined
    })
    const source = { burst, chunk, onAcknowledge: () => this.#lookAtAcknowledged() }
    const run: Run = {
      options: mirrorOptions({ until: 'caught-up' }),
      watch: () => undefined,
      drain: new AbortController().signal,
      goal: null,
      opened: false,
      connectors: connectorsOf({ database, store, life, source, flushEvery }),
    }
    const ended = session(run).then(
      ({ ended: how }) => how,
      (error) => {
        if (error instanceof assert.AssertionError) throw error
        const fault = asFault(error)
        if (fault.entry.class === 'internal') throw fault
        return fault.code
      },
    )
    const end = await Promise.race([ended, life.died.then(() => 'died')])
    life.die()
    this.#look()
    return end
  }

  #fate({ kind }: Trouble, moment: Moment): Fate {
    switch (kind) {
      case 'die':
        return 'die'
      case 'source-lost':
        return moment.side === 'source' ? lost.source : lost.target
      case 'target-lost':
        return moment.side === 'target' ? lost.target : lost.source
      case 'refuse':
        return moment.side === 'target' && moment.when === 'before' ? lost.refused : undefined
      case 'crash':
        return () => this.store.crash()
      case 'crash-and-die':
        this.store.crash()
        return 'die'
    }
  }

  /** Promises 2, 4 and 6: what stands there is a state that the source had, and it says which. */
  #look(): void {
    this.#lookAt(this.store.now)
    this.#lookAt(this.store.flushed)
  }

  #lookAt(image: Image): void {
    const record = image.mirrors.get('m')
    const position = record?.positions[0]?.token
    if (record === undefined || position === undefined) return
    const reached = Number(position)
    const tables = [...record.tables.values()]
    const whole = tables.every(
      ({ state, start }) => state === 'copied' && Number(start?.[0]?.token) <= reached,
    )
    if (!whole) return
    this.compared++
    assert.deepEqual([...contentsOf(image.tables)], [...this.database.contents(reached)])
  }

  /** Promise 1: nothing is acknowledged that the store could still lose. */
  #lookAtAcknowledged(): void {
    const confirmed = this.database.slots.get('m')?.confirmed ?? 0
    const durable = Number(this.store.flushed.mirrors.get('m')?.positions[0]?.token ?? 0)
    assert.ok(confirmed <= durable, `${confirmed} was acknowledged, ${durable} is durable`)
  }
}
