import type { Table } from '../../src/model/table.ts'
import type { Tuple } from '../../src/model/tuple.ts'
import { placeOf, widened } from './tables.ts'

/** A table and its rows by key; without a key, equal rows are kept together. */
export interface Stored {
  readonly table: Table
  readonly rows: ReadonlyMap<string, readonly Tuple[]>
}

export type State = ReadonlyMap<string, Stored>

/** Rows that can be changed; what they were made from stays as it is. */
export class Rows {
  readonly #state: Map<string, Stored>
  readonly #own = new Map<string, Map<string, readonly Tuple[]>>()

  constructor(state: State) {
    this.#state = new Map(state)
  }

  get state(): State {
    return this.#state
  }

  table(id: string): Table {
    return this.#stored(id).table
  }

  all(id: string): readonly Tuple[] {
    return [...this.#stored(id).rows.values()].flat()
  }

  has(id: string, place: string): boolean {
    return this.#stored(id).rows.has(place)
  }

  at(id: string, place: string): readonly Tuple[] {
    return this.#stored(id).rows.get(place) ?? []
  }

  /** False, with nothing done, when a row with that key is there. */
  tryPut(id: string, tuple: Tuple): boolean {
    const table = this.table(id)
    const place = placeOf(table, tuple)
    const there = this.at(id, place)
    if (there.length > 0 && table.identity.by === 'key') return false
    this.#writable(id).set(place, [...there, tuple])
    return true
  }

  put(id: string, tuple: Tuple): void {
    if (!this.tryPut(id, tuple)) throw new Error(`two rows of ${id} have one key`)
  }

  /** Removes one of the rows that are like this one. */
  take(id: string, tuple: Tuple): void {
    const place = placeOf(this.table(id), tuple)
    const [first, ...left] = this.at(id, place)
    if (first === undefined) throw new Error(`a row of ${id} is not there`)
    if (left.length > 0) this.#writable(id).set(place, left)
    else this.#writable(id).delete(place)
  }

  empty(id: string): void {
    this.#set(this.table(id))
  }

  /** A table, made or replaced, without rows. */
  make(table: Table): void {
    this.#set(table)
  }

  /** The same rows in a wider table. */
  reshape(id: string, to: Table): void {
    const kept = this.all(id)
    this.#set(to)
    for (const tuple of kept) this.put(id, widened(tuple, to))
  }

  #set(table: Table): void {
    const rows = new Map<string, readonly Tuple[]>()
    this.#own.set(table.id, rows)
    this.#state.set(table.id, { table, rows })
  }

  #writable(id: string): Map<string, readonly Tuple[]> {
    const own = this.#own.get(id)
    if (own !== undefined) return own
    const { table, rows } = this.#stored(id)
    const copy = new Map(rows)
    this.#own.set(id, copy)
    this.#state.set(id, { table, rows: copy })
    return copy
  }

  #stored(id: string): Stored {
    const stored = this.#state.get(id)
    if (stored === undefined) throw new Error(`there is no table ${id}`)
    return stored
  }
}
