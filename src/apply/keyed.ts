import type { Step } from '../model/batch.ts'
import type { RowChange } from '../model/change.ts'
import type { TableMode } from '../model/checkpoint.ts'
import type { Table } from '../model/table.ts'
import type { Tuple } from '../model/tuple.ts'
import { merge, presentCells } from './cells.ts'
import { KeyIndex } from './keyindex.ts'

/**
 * The changes of a table with a key, one entry for each key that was touched. As long as there are
 * only inserts no key is looked at: the target's own index refuses what is there already.
 */
export class KeyedWork {
  readonly table: Table
  readonly #merge: boolean
  readonly #steps: Step[]
  readonly #index: KeyIndex
  /** Inserted rows that are not in the index yet; null once there is more than inserts. */
  #inserts: Tuple[] | null
  /** By entry: its image after the changes, unchanged cells allowed when it existed; null: gone. */
  readonly #rows: (Tuple | null)[] = []
  /** By entry: finds it, when it is gone. */
  readonly #olds: (Tuple | null)[] = []
  /** By entry: it stood at the target before these changes. */
  readonly #existed: boolean[] = []

  constructor(options: {
    readonly table: Table
    readonly key: readonly number[]
    readonly mode: TableMode
    readonly steps: Step[]
  }) {
    this.table = options.table
    this.#index = new KeyIndex(options.key)
    this.#merge = options.mode === 'merge'
    this.#steps = options.steps
    this.#inserts = this.#merge ? null : []
  }

  add(change: RowChange): void {
    const { kind, row, old } = change
    if (kind === 'insert') {
      if (this.#inserts === null) this.#insert(requireTuple(row))
      else this.#inserts.push(requireTuple(row))
      return
    }
    if (this.#inserts !== null) this.#indexInserts(this.#inserts)
    if (kind === 'update') this.#update(requireTuple(row), old)
    else if (!this.#merge) this.#delete(requireTuple(old))
  }

  #indexInserts(inserts: readonly Tuple[]): void {
    this.#inserts = null
    for (const row of inserts) this.#insert(row)
  }

  #insert(row: Tuple): void {
    const entry = this.#index.add(row)
    if (entry < 0) {
      this.#push({ existed: false, row, old: null })
    } else if (this.#rows[entry] === null || this.#merge) {
      this.#rows[entry] = row
    } else {
      // A second insert of a living row: the target is to refuse it, not we to hide it.
      this.#again({ existed: false, row, old: null })
    }
  }

  #update(row: Tuple, old: Tuple | null): void {
    if (old !== null && !this.#index.same(row, old)) {
      this.flush()
      this.#inserts = null
      this.#steps.push({
        kind: 'update',
        table: this.table,
        set: presentCells(row),
        rows: [row],
        old: [old],
      })
      return
    }
    const entry = this.#index.add(row)
    const image = entry < 0 ? null : this.#rows[entry]
    if (entry < 0) this.#push({ existed: true, row, old: null })
    else if (image != null) this.#rows[entry] = merge(image, row)
    else if (this.#isNothing(entry)) this.#set(entry, { existed: true, row, old: null })
    // An update of a row that is gone: the target's count of rows is to tell.
    else this.#again({ existed: true, row, old: null })
  }

  #delete(old: Tuple): void {
    const entry = this.#index.add(old)
    const change = { existed: true, row: null, old }
    if (entry < 0) this.#push(change)
    else if (this.#rows[entry] !== null) {
      const existed = this.#existed[entry] ?? false
      this.#set(entry, { existed, row: null, old: existed ? old : null })
    } else if (this.#isNothing(entry)) this.#set(entry, change)
    else this.#again(change)
  }

  /** What was born here and is gone again: as if nothing had been. */
  #isNothing(entry: number): boolean {
    return this.#rows[entry] === null && this.#existed[entry] === false
  }

  #push({ existed, row, old }: Entry): void {
    this.#rows.push(row)
    this.#olds.push(old)
    this.#existed.push(existed)
  }

  #set(entry: number, { existed, row, old }: Entry): void {
    this.#rows[entry] = row
    this.#olds[entry] = old
    this.#existed[entry] = existed
  }

  /** A new beginning behind all that was, with this change as its first. */
  #again(change: Entry): void {
    this.flush()
    this.#inserts = null
    this.#index.add(requireTuple(change.row ?? change.old))
    this.#push(change)
  }

  /** Deletes first, then updates, then inserts, so that values of unique columns are free again. */
  flush(): void {
    const gone: Tuple[] = []
    const born: Tuple[] = this.#inserts ?? []
    const changed = new Map<readonly number[], { readonly rows: Tuple[] }>()
    for (let entry = 0; entry < this.#rows.length; entry++) {
      const row = this.#rows[entry] ?? null
      const old = this.#olds[entry] ?? null
      if (row !== null && this.#existed[entry] !== true) born.push(row)
      else if (row !== null) this.#sort(row, changed, born)
      else if (old !== null) gone.push(old)
    }
    this.#clear()
    const { table } = this
    if (gone.length > 0) this.#steps.push({ kind: 'delete', table, old: gone })
    for (const [set, { rows }] of changed) {
      this.#steps.push({ kind: 'update', table, set, rows, old: null })
    }
    const existing = this.#merge ? 'overwrite' : 'refuse'
    if (born.length > 0) this.#steps.push({ kind: 'insert', table, rows: born, existing })
  }

  #clear(): void {
    this.#inserts = this.#merge ? null : []
    this.#rows.length = 0
    this.#olds.length = 0
    this.#existed.length = 0
    if (this.#index.size > 0) this.#index.clear()
  }

  /** Updates with the same columns go together; merging writes whole rows whether there or not. */
  #sort(
    row: Tuple,
    changed: Map<readonly number[], { readonly rows: Tuple[] }>,
    born: Tuple[],
  ): void {
    const set = presentCells(row)
    if (this.#merge && set.length === this.table.columns.length) {
      born.push(row)
      return
    }
    const group = changed.get(set)
    if (group === undefined) changed.set(set, { rows: [row] })
    else group.rows.push(row)
  }
}

/** What has become of one row. */
interface Entry {
  readonly existed: boolean
  readonly row: Tuple | null
  readonly old: Tuple | null
}

function requireTuple(tuple: Tuple | null): Tuple {
  if (tuple === null) throw new TypeError('a row change without the tuple that its kind needs')
  return tuple
}
