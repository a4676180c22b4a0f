import type { Step } from '../model/batch.ts'
import type { RowChange } from '../model/change.ts'
import type { TableMode } from '../model/checkpoint.ts'
import type { Table } from '../model/table.ts'
import type { Tuple } from '../model/tuple.ts'
import { keyOf, merge, presentCells } from './cells.ts'

/** What is to become of one row. */
interface Entry {
  /** It stood at the target before these changes. */
  readonly existed: boolean
  /** Its image after them, unchanged cells allowed when it existed; null when it is gone. */
  row: Tuple | null
  /** Finds it, for a row that is gone. */
  old: Tuple | null
}

/** The changes of a table with a key, one entry for each key that was touched. */
export class KeyedWork {
  readonly table: Table
  readonly #key: readonly number[]
  readonly #merge: boolean
  readonly #steps: Step[]
  readonly #entries = new Map<string, Entry>()

  constructor(options: {
    readonly table: Table
    readonly key: readonly number[]
    readonly mode: TableMode
    readonly steps: Step[]
  }) {
    this.table = options.table
    this.#key = options.key
    this.#merge = options.mode === 'merge'
    this.#steps = options.steps
  }

  add(change: RowChange): void {
    const { kind, row, old } = change
    if (kind === 'insert') this.#insert(requireTuple(row))
    else if (kind === 'update') this.#update(requireTuple(row), old)
    else if (!this.#merge) this.#delete(requireTuple(old))
  }

  #insert(row: Tuple): void {
    const key = keyOf(row, this.#key)
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      this.#entries.set(key, { existed: false, row, old: null })
    } else if (entry.row === null || this.#merge) {
      entry.row = row
    } else {
      // A second insert of a living row: the target is to refuse it, not we to hide it.
      this.flush()
      this.#entries.set(key, { existed: false, row, old: null })
    }
  }

  #update(row: Tuple, old: Tuple | null): void {
    const key = keyOf(old ?? row, this.#key)
    if (old !== null && keyOf(row, this.#key) !== key) {
      this.flush()
      this.#steps.push({
        kind: 'update',
        table: this.table,
        set: presentCells(row),
        rows: [row],
        old: [old],
      })
      return
    }
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      this.#entries.set(key, { existed: true, row, old: null })
    } else if (entry.row !== null) {
      entry.row = merge(entry.row, row)
    } else {
      // An update of a row that is gone: the target's count of rows is to tell.
      this.flush()
      this.#entries.set(key, { existed: true, row, old: null })
    }
  }

  #delete(old: Tuple): void {
    const key = keyOf(old, this.#key)
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      this.#entries.set(key, { existed: true, row: null, old })
    } else if (entry.row === null) {
      this.flush()
      this.#entries.set(key, { existed: true, row: null, old })
    } else if (entry.existed) {
      entry.row = null
      entry.old = old
    } else {
      this.#entries.delete(key)
    }
  }

  /** Deletes first, then updates, then inserts, so that values of unique columns are free again. */
  flush(): void {
    const gone: Tuple[] = []
    const born: Tuple[] = []
    const changed = new Map<string, { readonly set: readonly number[]; readonly rows: Tuple[] }>()
    for (const { existed, row, old } of this.#entries.values()) {
      if (row !== null && !existed) born.push(row)
      else if (row !== null) this.#sort(row, changed, born)
      else if (old !== null) gone.push(old)
    }
    this.#entries.clear()
    const { table } = this
    if (gone.length > 0) this.#steps.push({ kind: 'delete', table, old: gone })
    for (const { set, rows } of changed.values()) {
      this.#steps.push({ kind: 'update', table, set, rows, old: null })
    }
    const existing = this.#merge ? 'overwrite' : 'refuse'
    if (born.length > 0) this.#steps.push({ kind: 'insert', table, rows: born, existing })
  }

  /** Updates with the same columns go together; merging writes whole rows whether there or not. */
  #sort(
    row: Tuple,
    changed: Map<string, { readonly set: readonly number[]; readonly rows: Tuple[] }>,
    born: Tuple[],
  ): void {
    const set = presentCells(row)
    if (this.#merge && set.length === this.table.columns.length) {
      born.push(row)
      return
    }
    const shape = set.join()
    const group = changed.get(shape)
    if (group === undefined) changed.set(shape, { set, rows: [row] })
    else group.rows.push(row)
  }
}

function requireTuple(tuple: Tuple | null): Tuple {
  if (tuple === null) throw new TypeError('a row change without the tuple that its kind needs')
  return tuple
}
