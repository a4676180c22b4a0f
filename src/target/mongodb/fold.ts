import { BSON, type Document } from 'mongodb'
import type { Connection } from '../../dialect/mongodb/connect.ts'
import type { JsonForm } from '../../dialect/mongodb/values.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { Tuple } from '../../model/tuple.ts'
import { CHANGES } from './config.ts'
import { Layout } from './layout.ts'

/** Values come as the server has them, not as the nearest number of the language. */
export const raw = { promoteValues: false, promoteLongs: false, promoteBuffers: false } as const

const BURST = 1000

interface Of {
  readonly table: Table
  readonly json: JsonForm
}

/** The rows that a history comes to: what it would be for if it could not be told from them. */
export class Fold {
  readonly #on: Connection
  readonly #mirror: string
  readonly #layout: Layout
  #emptied = ''

  constructor(on: Connection, mirror: string, { table, json }: Of) {
    this.#on = on
    this.#mirror = mirror
    this.#layout = new Layout(table, json)
  }

  /** The rows of these keys, or of all. */
  async *rows(keys: readonly Tuple[] | null): AsyncGenerator<Tuple, void, undefined> {
    this.#emptied = await this.#lastTruncate()
    if (this.#layout.key === null) yield* this.#counted()
    else yield* this.#keyed(keys)
  }

  #find(which: Document, order: Document) {
    const table = tableName(this.#layout.table)
    const filter = { mirror: this.#mirror, table, ...which }
    return this.#on.db
      .collection(CHANGES)
      .find(filter, { ...raw, batchSize: BURST })
      .sort(order)
  }

  async #lastTruncate(): Promise<string> {
    const last = await this.#find({ op: 'truncate' }, { at: -1 }).limit(1).next()
    return last === null ? '' : String(last['at'])
  }

  async *#keyed(keys: readonly Tuple[] | null): AsyncGenerator<Tuple, void, undefined> {
    const ids = keys?.map((key) => this.#layout.keyFields(key))
    const which = ids === undefined ? { op: ROWS } : { op: ROWS, key: { $in: ids } }
    let name: string | null = null
    let state: Document | null = null
    for await (const change of this.#find(which, { key: 1, at: 1 })) {
      const next = nameOf(change)
      if (next !== name) {
        if (state !== null) yield this.#layout.tuple(state)
        state = null
        name = next
      }
      state = await this.#after(state, change)
    }
    if (state !== null) yield this.#layout.tuple(state)
  }

  /** The row after a change of its key; null when it is gone. */
  async #after(state: Document | null, change: Document): Promise<Document | null> {
    if (String(change['at']) <= this.#emptied) return null
    const after: Document | null = change['after'] ?? null
    const kept: readonly string[] = change['unchanged'] ?? []
    if (after === null || kept.length === 0) return after
    const moved: Document | null = change['moved_from'] ?? null
    const base = moved === null ? state : await this.#before(moved, String(change['at']))
    const filled: Document = { ...after }
    for (const name of kept) {
      const value: unknown = base !== null && Object.hasOwn(base, name) ? base[name] : null
      Object.defineProperty(filled, name, { value, enumerable: true, writable: true })
    }
    return filled
  }

  /** What the row of another key was before this place. */
  async #before(key: Document, at: string): Promise<Document | null> {
    let state: Document | null = null
    const which = { op: ROWS, key, at: { $lt: at } }
    for await (const change of this.#find(which, { at: 1 })) {
      state = await this.#after(state, change)
    }
    return state
  }

  /** Rows without a key are counted: they are told apart by what they hold. */
  async *#counted(): AsyncGenerator<Tuple, void, undefined> {
    const counts = new Map<string, { readonly row: Tuple; count: number }>()
    const count = (image: Document | null, add: number): void => {
      if (image === null) return
      const row = this.#layout.tuple(image)
      const place = this.#layout.place(row)
      const known = counts.get(place) ?? { row, count: 0 }
      known.count += add
      if (known.count === 0) counts.delete(place)
      else counts.set(place, known)
    }
    for await (const change of this.#find({ op: ROWS }, { at: 1 })) {
      if (String(change['at']) <= this.#emptied) continue
      const before: Document | null = change['before'] ?? null
      const after = await this.#after(before, change)
      count(before, -1)
      count(after, 1)
    }
    for (const { row, count: times } of counts.values()) {
      for (let left = times; left > 0; left--) yield row
    }
  }
}

const ROWS = { $in: ['copy', 'insert', 'update', 'delete'] }

/** Equal for equal keys. */
function nameOf(change: Document): string {
  return Buffer.from(BSON.serialize({ key: change['key'] })).toString('latin1')
}
