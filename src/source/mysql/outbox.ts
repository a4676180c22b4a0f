import type { StreamItem } from '../../model/change.ts'
import { Changes } from '../../model/changes.ts'
import { Run } from '../../model/run.ts'
import type { Passage } from './passage.ts'

/**
 * What was read and is not handed on yet: whole transactions, many as one run, and behind them the
 * changes of the open one. Nothing is made for a row or an ordinary transaction.
 */
export class Outbox {
  readonly #passage: Passage
  #items: StreamItem[] = []
  #changes = Changes.empty()
  /** Where the changes of the open transaction begin. */
  #start = 0
  #ends: number[] = []

  constructor(passage: Passage) {
    this.#passage = passage
  }

  /** To which the open transaction adds its changes. */
  get changes(): Changes {
    return this.#changes
  }

  /** How many the open transaction has added. */
  get open(): number {
    return this.#changes.length - this.#start
  }

  push(item: StreamItem): void {
    this.handOn()
    this.#items.push(item)
  }

  /** The open transaction, which was passed last, ended there: it goes with others. */
  whole(file: string, position: number): void {
    if (!this.#passage.fits(file)) this.handOn()
    this.#passage.place(position)
    this.#start = this.#changes.length
    this.#ends.push(this.#start)
  }

  /** Takes out the changes of the open transaction. */
  opened(): Changes {
    this.handOn()
    const changes = this.#changes
    this.#changes = Changes.empty()
    return changes
  }

  /** The changes of the open transaction are none. */
  drop(): void {
    if (this.open > 0) this.opened()
  }

  /** Everything that can be handed on. */
  drain(): readonly StreamItem[] {
    this.handOn()
    const items = this.#items
    this.#items = []
    return items
  }

  /** The whole transactions are a run of their own. */
  handOn(): void {
    if (this.#ends.length === 0) return
    const all = this.#changes
    const rest = all.length > this.#start
    const run = new Run(rest ? all.slice(0, this.#start) : all, this.#ends, this.#passage.take())
    this.#changes = rest ? all.rest(this.#start) : Changes.empty(all.length)
    this.#start = 0
    this.#ends = []
    this.#items.push({ kind: 'run', run })
  }
}
