import { Fault } from '../../../model/fault.ts'
import type { Positions } from '../../../model/position.ts'
import type { Table } from '../../../model/table.ts'
import { LANE } from '../place.ts'
import { logEnd } from '../server.ts'
import type { ViewOptions } from './opening.ts'
import { Transactions } from './transactions.ts'

/** From MySQL 5.7 on a table that was emptied is not shown in a view from before. */
const TELLS_EMPTIED = 50_700

type Options = Pick<ViewOptions, 'control' | 'places' | 'follow'>

/**
 * Tables that were emptied since a view was opened. The server refuses to read a table in a view
 * that is older than its present form. An old one shows a table that was emptied as empty, and then
 * the log says that it was.
 */
export class Emptied {
  readonly #options: Options
  readonly #signal: AbortSignal
  /** By id, up to `looked`. */
  readonly #tables = new Set<string>()
  #looked: Positions
  #looking: Promise<void> = Promise.resolve()

  constructor(options: Options, since: Positions, signal: AbortSignal) {
    this.#options = options
    this.#looked = since
    this.#signal = signal
  }

  /** Asked after the table was read. */
  async has({ id }: Table): Promise<boolean> {
    const { flavour, number } = this.#options.control.version
    if (flavour === 'mariadb' || number >= TELLS_EMPTIED) return false
    const look = (): Promise<void> => this.#look()
    this.#looking = this.#looking.then(look, look)
    try {
      await this.#looking
    } catch (error) {
      // What came before the log could not be followed any more is known.
      if (!this.#tables.has(id)) throw error
    }
    return this.#tables.has(id)
  }

  /** Reads the log from where the last look ended to where it ends now. */
  async #look(): Promise<void> {
    const { control, places, follow } = this.#options
    const end = await logEnd(control, places.server)
    if (end === null || this.#reaches(places.at(end))) return
    const stop = new AbortController()
    const transactions = new Transactions()
    try {
      const until = AbortSignal.any([stop.signal, this.#signal])
      for await (const items of follow(this.#place(), until)) {
        for (const { positions, changes } of transactions.take(items)) {
          for (const change of changes) {
            if (change.kind === 'truncate') for (const { id } of change.tables) this.#tables.add(id)
          }
          this.#looked = positions
        }
        if (this.#reaches(places.at(end))) return
      }
    } finally {
      stop.abort()
    }
    this.#signal.throwIfAborted()
  }

  #reaches(wanted: Positions): boolean {
    const [a, b] = [this.#looked.get(LANE), wanted.get(LANE)]
    if (a === undefined || b === undefined) return false
    const how = this.#options.places.compare(a, b)
    return how === 'after' || how === 'equal'
  }

  #place(): ReturnType<ViewOptions['places']['placeOf']> {
    const position = this.#looked.get(LANE)
    if (position === undefined) throw new Fault('HF-X001', { what: 'a position has no lane' })
    return this.#options.places.placeOf(position)
  }
}
