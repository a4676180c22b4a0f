import { randomUUID } from 'node:crypto'
import type { Bell } from '../../src/async/deferred.ts'
import type { Change } from '../../src/model/change.ts'
import type { Identity, Table } from '../../src/model/table.ts'
import { Rows, type State } from './rows.ts'
import { sorted, textTable } from './tables.ts'
import { MemoryTransaction } from './transaction.ts'

/** What the log consists of; `commit` has its number, from 1 without gaps. */
export type LogRecord =
  | {
      readonly kind: 'part'
      readonly transaction: string
      readonly sub: string | null
      readonly changes: readonly Change[]
    }
  | { readonly kind: 'discard'; readonly transaction: string; readonly sub: string | null }
  | {
      readonly kind: 'commit'
      readonly transaction: string
      readonly changes: readonly Change[]
      readonly number: number
    }

/** What is kept for one mirror. */
export interface Slot {
  readonly made: string
  readonly tables: ReadonlySet<string>
  /** The number of the newest commit that was acknowledged; null before the first snapshot. */
  confirmed: number | null
}

/** A transactional store of rows with a log of its commits, for tests of the core. */
export class MemoryDatabase {
  readonly place = randomUUID()
  readonly slots = new Map<string, Slot>()
  readonly log: LogRecord[] = []
  readonly watchers = new Set<Bell>()
  /** What every table held after each commit, by its number. */
  readonly history: State[] = [new Map()]
  #made = 0

  /** A table of text columns. Tables are made before anything reads. */
  table(name: string, columns: readonly string[], identity: Identity): Table {
    const id = String(100 + ++this.#made)
    const table = textTable({ id, name, columns, identity })
    const rows = new Rows(this.committed())
    rows.make(table)
    this.history[this.head] = rows.state
    return table
  }

  /** The number of the newest commit. */
  get head(): number {
    return this.history.length - 1
  }

  committed(): State {
    return this.history[this.head] ?? new Map()
  }

  /** `parts`: the number of changes after which an open transaction writes them into the log. */
  begin(options: { readonly parts?: number } = {}): MemoryTransaction {
    const parts = options.parts ?? Number.POSITIVE_INFINITY
    return new MemoryTransaction(this, { id: `x${randomUUID()}`, parts })
  }

  /** One transaction; returns the number of its commit. */
  write(work: (transaction: MemoryTransaction) => void, parts?: number): number {
    const transaction = this.begin(parts === undefined ? {} : { parts })
    work(transaction)
    return transaction.commit()
  }

  /** For `MemoryTransaction`. */
  commit(commit: {
    readonly transaction: string
    readonly changes: readonly Change[]
    readonly state: State
  }): number {
    const number = this.history.push(commit.state) - 1
    const { transaction, changes } = commit
    this.append({ kind: 'commit', transaction, changes, number })
    return number
  }

  /** For `MemoryTransaction`. */
  append(record: LogRecord): void {
    this.log.push(record)
    for (const bell of this.watchers) bell.ring()
  }

  /** What each table held after a commit, by table name. */
  contents(number = this.head): ReadonlyMap<string, readonly string[]> {
    const state = this.history[number] ?? new Map()
    return contentsOf(state)
  }
}

export function contentsOf(state: State): ReadonlyMap<string, readonly string[]> {
  const named = [...state.values()].map(
    ({ table, rows }) => [table.name, sorted([...rows.values()].flat())] as const,
  )
  return new Map(named.sort(([a], [b]) => (a < b ? -1 : 1)))
}
