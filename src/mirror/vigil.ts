import { every } from '../async/clock.ts'
import type { Checkpoint } from '../model/checkpoint.ts'
import { asFault, type Fault } from '../model/fault.ts'
import type { Positions } from '../model/position.ts'
import type { Table } from '../model/table.ts'
import type { Source } from '../source/source.ts'
import type { Target } from '../target/target.ts'
import { type Course, headIn } from './course.ts'

export interface Vigil extends AsyncDisposable {
  /** Aborted, with the Fault as reason, when a look found what must end the stream. */
  readonly broken: AbortSignal
  /** What is done once more when the stream has ended well; `arrived`: at its goal. */
  conclude(arrived: boolean): Promise<void>
}

export interface VigilOptions {
  readonly source: Source
  readonly target: Target
  readonly checkpoint: Checkpoint
  /** Those of its tables that are followed. */
  readonly followed: readonly Table[]
  readonly course: Course
}

/** Milliseconds between two looks. */
const ACKNOWLEDGE = 1_000
const HEAD = 2_000
const CATALOGUE = 10_000

/**
 * What goes on beside the loop: acknowledging what has become durable while nothing is applied,
 * looking at the source's head and catalogue, keeping sequences and labels in step, building indexes and
 * foreign keys as soon as every table has passed its start.
 */
export async function watchOver(options: VigilOptions): Promise<Vigil> {
  const { source, target, checkpoint, followed, course } = options
  const broken = new AbortController()
  const finish = finisher(options)
  const learner = new Learner(options)
  await finish()
  await learner.learn()
  const acknowledge = async (): Promise<void> => {
    const positions = await target.durable()
    source.acknowledge(positions)
    course.watch({ kind: 'durable', positions })
    await finish()
    learner.refuse()
  }
  const head = async (): Promise<void> => {
    const [range, log] = [await source.range(), await source.log()]
    const own = headIn(range.head, checkpoint.positions)
    course.watch({ kind: 'source', head: own, ...log })
  }
  const sequences = async (): Promise<void> => target.setSequences(await source.sequences())
  const catalogue = async (): Promise<void> => {
    await source.look(followed)
    await learner.learn()
    await sequences()
  }
  const failed = (error: unknown): void => broken.abort(asFault(error))
  const tickers = [
    every(ACKNOWLEDGE, acknowledge, failed),
    every(HEAD, head, failed),
    every(CATALOGUE, catalogue, failed),
  ]
  const stop = async (): Promise<void> => {
    for (const ticker of tickers) await ticker.stop()
  }
  return {
    broken: broken.signal,
    conclude: async (arrived) => {
      await stop()
      if (arrived) await finish()
      await sequences()
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** Builds what comes after the copy, once, when every table stands at or past its start. */
function finisher({ target, checkpoint, course }: VigilOptions): () => Promise<void> {
  const starts = checkpoint.tables.flatMap(({ start }) => (start === null ? [] : [start]))
  let finished = checkpoint.finished
  return async () => {
    if (finished || !starts.every((start) => course.reached(course.durable, start))) return
    await target.finish()
    finished = true
  }
}

/** Keeps the lists that columns take their values from in step; asks the target when they change. */
class Learner {
  readonly #options: VigilOptions
  readonly #tables: readonly Table[]
  #known = '[]'
  #renamed: { readonly fault: Fault; readonly after: Positions } | null = null

  constructor(options: VigilOptions) {
    this.#options = options
    this.#tables = options.followed
  }

  async learn(): Promise<void> {
    const { source, target, course } = this.#options
    const vocabularies = await source.vocabularies(this.#tables)
    const now = JSON.stringify(vocabularies)
    if (now === this.#known) return
    const { said, renamed } = await target.learn(vocabularies)
    for (const text of said) course.watch({ kind: 'notice', text })
    this.#known = now
    if (renamed !== null) this.#renamed = { fault: renamed, after: await source.fence() }
  }

  /** Throws what a renaming means, once the rows from before it, with the old name, are applied. */
  refuse(): void {
    if (this.#renamed === null) return
    const { fault, after } = this.#renamed
    const { course } = this.#options
    if (course.reached(course.durable, after)) throw fault
  }
}
