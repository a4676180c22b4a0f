import type { Step } from '../model/batch.ts'
import { type Changes, INSERT, UPDATE } from '../model/changes.ts'
import type { TableMode } from '../model/checkpoint.ts'
import type { Table } from '../model/table.ts'
import { Tuples } from '../model/tuples.ts'
import { isWhole, merge, presentCells } from './cells.ts'
import { KeyIndex, sameCells } from './keyindex.ts'

/** It stood at the target before these changes. */
const EXISTED = 1
/** What was born here and is gone again: as if nothing had been. */
const NOTHING = 0
const BORN = 2
/** The source says that it was born here; it may have said so before. */
const TOLD = 3

/**
 * The changes of a table with a key, one entry for each key that was touched. As long as there are
 * only inserts no key is looked at: the target's own index refuses what is there already.
 */
export class KeyedWork {
  readonly table: Table
  readonly #key: readonly number[]
  /** Rows are written whether they are there or not. */
  readonly #puts: boolean
  /** Rows that the source deletes stay. */
  readonly #keeps: boolean
  readonly #steps: Step[]
  readonly #index: KeyIndex
  /** Inserted rows that are not in the index yet; null once there is more than inserts. */
  #inserts: Tuples | null
  /** By entry: its image after the changes, unchanged cells allowed when it existed; none: gone. */
  #rows = new Tuples()
  /** By entry: finds it, when it is gone and had existed. */
  #olds = new Tuples()
  #states: number[] = []

  constructor(options: {
    readonly table: Table
    readonly key: readonly number[]
    readonly mode: TableMode
    readonly steps: Step[]
  }) {
    this.table = options.table
    this.#key = options.key
    this.#index = new KeyIndex(options.key)
    this.#puts = options.mode === 'merge' || options.mode === 'put'
    this.#keeps = options.mode === 'merge'
    this.#steps = options.steps
    this.#inserts = this.#puts ? null : new Tuples()
  }

  /** Takes the change number `i`, which is one of a row of this table. */
  add(changes: Changes, i: number): void {
    const kind = changes.kind(i)
    if (kind === INSERT) {
      if (this.#inserts !== null) changes.rowInto(this.#inserts, i)
      else this.#insert(rowOf(changes, i))
      return
    }
    if (this.#inserts !== null) this.#indexInserts(this.#inserts)
    if (kind === UPDATE)
      this.#update(rowOf(changes, i), changes.oldFrom(i) < 0 ? null : oldOf(changes, i))
    else if (!this.#keeps) this.#delete(oldOf(changes, i))
  }

  #indexInserts(inserts: Tuples): void {
    this.#inserts = null
    for (let i = 0; i < inserts.length; i++) {
      this.#insert({ buffer: inserts.buffer(i), from: inserts.from(i), to: inserts.to(i) })
    }
  }

  /** Where a target is merged into, rows are mostly there. */
  get #birth(): number {
    if (!this.#puts) return BORN
    return this.#keeps ? EXISTED : TOLD
  }

  #find({ buffer, from, to }: Span): number {
    return this.#index.add(buffer, from, to)
  }

  #insert(row: Span): void {
    const entry = this.#find(row)
    if (entry < 0) this.#push(this.#birth, row, null)
    else if (!this.#rows.has(entry) || this.#puts) {
      this.#rows.set(entry, row)
      if (this.#states[entry] === NOTHING) this.#states[entry] = BORN
    } else {
      // A second insert of a living row: the target is to refuse it, not we to hide it.
      this.#again(BORN, row, null)
    }
  }

  #update(row: Span, old: Span | null): void {
    if (old !== null && !sameCells(this.#key, row, old)) {
      this.#move(row, old)
      return
    }
    const entry = this.#find(row)
    if (entry < 0) this.#push(EXISTED, row, null)
    else if (this.#rows.has(entry)) this.#overwrite(entry, row)
    else if (this.#states[entry] === NOTHING) this.#set(entry, EXISTED, { row, old: null })
    else if (this.#puts && isWhole(row.buffer, row.from)) this.#rows.set(entry, row)
    // An update of a row that is gone: the target's count of rows is to tell.
    else this.#again(EXISTED, row, null)
  }

  /** The row gets another key: everything before comes first. */
  #move(row: Span, old: Span): void {
    this.flush()
    this.#inserts = null
    const set = presentCells(row.buffer, row.from)
    const [rows, olds] = [tuplesOf(row), tuplesOf(old)]
    this.#steps.push({ kind: 'update', table: this.table, set, rows, old: olds })
  }

  #overwrite(entry: number, row: Span): void {
    if (isWhole(row.buffer, row.from)) {
      this.#rows.set(entry, row)
      return
    }
    const merged = merge(this.#rows.at(entry), row.buffer.subarray(row.from, row.to))
    this.#rows.set(entry, { buffer: merged, from: 0, to: merged.length })
  }

  #delete(old: Span): void {
    const entry = this.#find(old)
    if (entry < 0) this.#push(EXISTED, null, old)
    else if (this.#rows.has(entry)) {
      const existed = this.#states[entry] !== BORN
      this.#set(entry, existed ? EXISTED : NOTHING, { row: null, old: existed ? old : null })
    } else if (this.#states[entry] === NOTHING) this.#set(entry, EXISTED, { row: null, old })
    else if (!this.#puts) this.#again(EXISTED, null, old)
  }

  #push(state: number, row: Span | null, old: Span | null): void {
    this.#states.push(state)
    if (row === null) this.#rows.skip()
    else this.#rows.add(row.buffer, row.from, row.to)
    if (old === null) this.#olds.skip()
    else this.#olds.add(old.buffer, old.from, old.to)
  }

  #set(
    entry: number,
    state: number,
    { row, old }: { readonly row: Span | null; readonly old: Span | null },
  ): void {
    this.#states[entry] = state
    if (row === null) this.#rows.clear(entry)
    else this.#rows.set(entry, row)
    if (old === null) this.#olds.clear(entry)
    else this.#olds.set(entry, old)
  }

  /** A new beginning behind all that was, with this change as its first. */
  #again(state: number, row: Span | null, old: Span | null): void {
    this.flush()
    this.#inserts = null
    const key = row ?? old
    if (key !== null) this.#find(key)
    this.#push(state, row, old)
  }

  /** Deletes first, then updates, then inserts, so that values of unique columns are free again. */
  flush(): void {
    const gone = new Tuples()
    const born = this.#inserts ?? new Tuples()
    const told = new Tuples()
    const changed = new Map<readonly number[], Tuples>()
    for (let entry = 0; entry < this.#states.length; entry++) {
      if (this.#rows.has(entry)) this.#sort(entry, changed, { born, told })
      else if (this.#olds.has(entry)) take(this.#olds, entry, gone)
    }
    this.#clear()
    const { table } = this
    const absent = this.#puts ? ({ absent: 'pass' } as const) : {}
    if (gone.length > 0) this.#steps.push({ kind: 'delete', table, old: gone, ...absent })
    for (const [set, rows] of changed) {
      this.#steps.push({ kind: 'update', table, set, rows, old: null })
    }
    const existing = this.#puts ? 'overwrite' : 'refuse'
    if (born.length > 0) this.#steps.push({ kind: 'insert', table, rows: born, existing })
    if (told.length > 0)
      this.#steps.push({ kind: 'insert', table, rows: told, existing, fresh: true })
  }

  #clear(): void {
    this.#inserts = this.#puts ? null : new Tuples()
    if (this.#index.size === 0) return
    this.#index.clear()
    this.#rows = new Tuples()
    this.#olds = new Tuples()
    this.#states = []
  }

  /** Updates with the same columns go together; whole rows are put where that is asked for. */
  #sort(
    entry: number,
    changed: Map<readonly number[], Tuples>,
    { born, told }: { readonly born: Tuples; readonly told: Tuples },
  ): void {
    const state = this.#states[entry]
    if (state !== EXISTED) {
      take(this.#rows, entry, state === TOLD ? told : born)
      return
    }
    const set = presentCells(this.#rows.buffer(entry), this.#rows.from(entry))
    if (this.#puts && isWhole(this.#rows.buffer(entry), this.#rows.from(entry))) {
      take(this.#rows, entry, born)
      return
    }
    const group = changed.get(set) ?? new Tuples()
    changed.set(set, group)
    take(this.#rows, entry, group)
  }
}

/** A tuple where it stands. */
interface Span {
  readonly buffer: Buffer
  readonly from: number
  readonly to: number
}

function rowOf(changes: Changes, i: number): Span {
  const from = changes.rowFrom(i)
  if (from < 0) throw new TypeError('a row change without the row that its kind needs')
  return { buffer: changes.rowBuffer(i), from, to: changes.rowTo(i) }
}

function oldOf(changes: Changes, i: number): Span {
  const from = changes.oldFrom(i)
  if (from < 0) throw new TypeError('a row change without the tuple that finds its row')
  return { buffer: changes.oldBuffer(i), from, to: changes.oldTo(i) }
}

function take(from: Tuples, entry: number, into: Tuples): void {
  into.add(from.buffer(entry), from.from(entry), from.to(entry))
}

function tuplesOf({ buffer, from, to }: Span): Tuples {
  const made = new Tuples()
  made.add(buffer, from, to)
  return made
}
