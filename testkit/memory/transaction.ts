import type { Change } from '../../src/model/change.ts'
import type { Table } from '../../src/model/table.ts'
import { type Tuple, textsOf, tupleOf } from '../../src/model/tuple.ts'
import type { MemoryDatabase } from './database.ts'
import { Rows } from './rows.ts'
import { placeOf, type Row, textTable } from './tables.ts'

/** A change as its (sub-)transaction made it, and what it does to the rows. */
interface Done {
  readonly sub: string | null
  readonly change: Change
  readonly redo: (rows: Rows) => void
}

/** The first cells of a row, or some by name; the first of several rows is meant. */
export type Find = Row | Readonly<Record<string, string | null>>

/**
 * A transaction of the memory database. Its writer sees what was committed when it began and its
 * own changes; others see them when it has committed. A change that is at odds with what another
 * transaction committed meanwhile is an error of the test that makes it.
 */
export class MemoryTransaction {
  readonly id: string
  readonly #database: MemoryDatabase
  readonly #parts: number
  readonly #base: ReturnType<MemoryDatabase['committed']>
  #view: Rows
  #done: Done[] = []
  #sent = 0
  #announced = false
  #sub: string | null = null
  #subs = 0
  #open = true

  constructor(database: MemoryDatabase, options: { readonly id: string; readonly parts: number }) {
    this.#database = database
    this.id = options.id
    this.#parts = options.parts
    this.#base = database.committed()
    this.#view = new Rows(this.#base)
  }

  insert(id: string, row: Row): void {
    const table = this.#view.table(id)
    const tuple = tupleOf([...row])
    this.#do({ kind: 'insert', table, row: tuple, old: null }, (rows) => rows.put(id, tuple))
  }

  /** Sets columns by name; columns named `big…` that keep their value travel as unchanged. */
  update(id: string, find: Find, set: Readonly<Record<string, string | null>>): void {
    const table = this.#view.table(id)
    const before = this.#find(id, find)
    const cells = textsOf(before)
    const after = table.columns.map(({ name }, i) =>
      Object.hasOwn(set, name) ? (set[name] ?? null) : (cells[i] ?? null),
    )
    const row = tupleOf(
      table.columns.map(({ name }, i) =>
        name.startsWith('big') && !Object.hasOwn(set, name) ? undefined : (after[i] ?? null),
      ),
    )
    const whole = tupleOf(after)
    const moved = placeOf(table, whole) !== placeOf(table, before)
    const old = table.identity.by === 'row' || moved ? this.#identity(table, before) : null
    this.#do({ kind: 'update', table, row, old }, (rows) => {
      rows.take(id, before)
      rows.put(id, whole)
    })
  }

  delete(id: string, find: Find): void {
    const table = this.#view.table(id)
    const before = this.#find(id, find)
    const old = this.#identity(table, before)
    this.#do({ kind: 'delete', table, row: null, old }, (rows) => rows.take(id, before))
  }

  truncate(ids: readonly string[]): void {
    const tables = ids.map((id) => this.#view.table(id))
    this.#do({ kind: 'truncate', tables, restartSequences: false }, (rows) => {
      for (const id of ids) rows.empty(id)
    })
  }

  /** A nullable column at the end; its rows hold null. */
  addColumn(id: string, name: string): void {
    const from = this.#view.table(id)
    const columns = [...from.columns.map((column) => column.name), name]
    const to = textTable({ id, name: from.name, columns, identity: from.identity })
    this.#do({ kind: 'schema', from, to }, (rows) => rows.reshape(id, to))
  }

  table(id: string): Table {
    return this.#view.table(id)
  }

  /** What follows is a sub-transaction of its own; one that is open is released. */
  savepoint(): void {
    this.#sub = `${this.id}.${++this.#subs}`
  }

  release(): void {
    this.#sub = null
  }

  /** Takes back what was done since the savepoint, if there is one. */
  rollbackTo(): void {
    const sub = this.#sub
    this.#sub = null
    if (sub === null) return
    const sent = this.#done.slice(0, this.#sent)
    if (sent.some((done) => done.sub === sub))
      this.#database.append({ kind: 'discard', transaction: this.id, sub })
    this.#sent = sent.filter((done) => done.sub !== sub).length
    this.#done = this.#done.filter((done) => done.sub !== sub)
    this.#view = this.#redone(this.#base)
  }

  /** The rows of a table as this transaction sees them. */
  rows(id: string): readonly Tuple[] {
    return this.#view.all(id)
  }

  rollback(): void {
    this.#end()
    if (this.#announced) this.#database.append({ kind: 'discard', transaction: this.id, sub: null })
  }

  /** Returns the number of the commit. */
  commit(): number {
    this.#end()
    if (this.#announced) this.#send()
    const changes = this.#done.slice(this.#sent).map(({ change }) => change)
    const rows = this.#redone(this.#database.committed())
    return this.#database.commit({ transaction: this.id, changes, state: rows.state })
  }

  #end(): void {
    if (!this.#open) throw new Error('the transaction has ended')
    this.#open = false
  }

  #do(change: Change, redo: (rows: Rows) => void): void {
    redo(this.#view)
    this.#done.push({ sub: this.#sub, change, redo })
    if (this.#done.length - this.#sent >= this.#parts) this.#send()
  }

  /** Logs what was done since the last time, one part for each run of one sub-transaction. */
  #send(): void {
    let run: Change[] = []
    let sub: string | null = null
    const flush = (): void => {
      if (run.length > 0)
        this.#database.append({ kind: 'part', transaction: this.id, sub, changes: run })
      run = []
    }
    for (const done of this.#done.slice(this.#sent)) {
      if (done.sub !== sub) flush()
      sub = done.sub
      run.push(done.change)
    }
    flush()
    this.#sent = this.#done.length
    this.#announced = true
  }

  /** What these rows become by everything that was done. */
  #redone(base: ReturnType<MemoryDatabase['committed']>): Rows {
    const rows = new Rows(base)
    for (const { redo } of this.#done) redo(rows)
    return rows
  }

  #find(id: string, find: Find): Tuple {
    const { columns } = this.table(id)
    const wanted: Readonly<Record<string, string | null>> = Array.isArray(find)
      ? Object.fromEntries(find.map((cell, i) => [columns[i]?.name, cell]))
      : find
    const found = this.rows(id).find((tuple) => {
      const cells = textsOf(tuple)
      return columns.every(
        ({ name }, i) => !Object.hasOwn(wanted, name) || wanted[name] === cells[i],
      )
    })
    if (found === undefined) throw new Error(`no row of ${id} has ${JSON.stringify(find)}`)
    return found
  }

  /** The whole row, or its key with null in the other cells. */
  #identity(table: Table, tuple: Tuple): Tuple {
    const { identity } = table
    if (identity.by !== 'key') return tuple
    return tupleOf(textsOf(tuple).map((cell, i) => (identity.columns.includes(i) ? cell : null)))
  }
}
