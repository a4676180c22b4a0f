import { randomUUID } from 'node:crypto'
import type { Identities, TableMode, TableState } from '../../src/model/checkpoint.ts'
import { Fault } from '../../src/model/fault.ts'
import type { Table } from '../../src/model/table.ts'
import { contentsOf } from './database.ts'
import type { Life } from './life.ts'
import { Rows, type State } from './rows.ts'

/** A place as it is written down: nothing but text. */
export interface Token {
  readonly lane: string
  readonly token: string
}

export interface TableRecord {
  /** As JSON. */
  readonly table: string
  readonly target: TableState['target']
  readonly mode: TableMode
  readonly state: TableState['state']
  readonly start: readonly Token[] | null
  readonly chunks: readonly number[]
  readonly rowsCopied: number
}

/** A mirror's state as it is stored. */
export interface MirrorRecord {
  readonly epoch: bigint
  readonly settings: string
  readonly source: Identities
  readonly positions: readonly Token[]
  readonly tables: ReadonlyMap<string, TableRecord>
  readonly finished: boolean
}

export interface Image {
  readonly mirrors: ReadonlyMap<string, MirrorRecord>
  readonly tables: State
}

export interface Lease {
  readonly life: Life
  /** True once the holder looks dead to others, whatever it is. */
  abandoned: boolean
  readonly lost: AbortController
}

export const emptyMirror: MirrorRecord = {
  epoch: 0n,
  settings: '{}',
  source: {},
  positions: [],
  tables: new Map(),
  finished: false,
}

/**
 * The server behind a memory target: transactions that are visible at once and on disk once
 * flushed. A crash takes back what was not flushed and ends every connection.
 */
export class MemoryStore {
  readonly place = randomUUID()
  readonly leases = new Map<string, Lease>()
  /** Columns of a table (by id) that must be unique, checked row by row. */
  readonly unique = new Map<string, readonly number[]>()
  #now: Image = { mirrors: new Map(), tables: new Map() }
  #flushed: Image = this.#now
  #generation = 0

  get generation(): number {
    return this.#generation
  }

  get now(): Image {
    return this.#now
  }

  get flushed(): Image {
    return this.#flushed
  }

  flush(): void {
    this.#flushed = this.#now
  }

  crash(): void {
    this.#now = this.#flushed
    this.#generation++
    const gone = new Fault('HF-T201', { what: 'the target crashed' })
    for (const { lost } of this.leases.values()) lost.abort(gone)
    this.leases.clear()
  }

  /** Whoever holds the mirror looks dead from now on. */
  abandon(mirror: string): void {
    const lease = this.leases.get(mirror)
    if (lease !== undefined) lease.abandoned = true
  }

  /** All or nothing: `work` throws, or what it leaves is committed. */
  transact<T>(work: (transaction: StoreTransaction) => T): T {
    const transaction = new StoreTransaction(this.#now, this.unique)
    const result = work(transaction)
    this.#now = transaction.image
    return result
  }

  /** What each table holds, by table name. */
  contents(): ReadonlyMap<string, readonly string[]> {
    return contentsOf(this.#now.tables)
  }

  /** A row put in or taken out behind the mirror's back. */
  tamper(work: (rows: Rows) => void): void {
    this.transact(({ rows }) => work(rows))
  }
}

export class StoreTransaction {
  readonly rows: Rows
  readonly unique: ReadonlyMap<string, readonly number[]>
  readonly #mirrors: Map<string, MirrorRecord>

  constructor(image: Image, unique: ReadonlyMap<string, readonly number[]>) {
    this.rows = new Rows(image.tables)
    this.#mirrors = new Map(image.mirrors)
    this.unique = unique
  }

  get image(): Image {
    return { mirrors: this.#mirrors, tables: this.rows.state }
  }

  get names(): readonly string[] {
    return [...this.#mirrors.keys()]
  }

  mirror(name: string): MirrorRecord | null {
    return this.#mirrors.get(name) ?? null
  }

  remove(name: string): boolean {
    return this.#mirrors.delete(name)
  }

  change(name: string, over: Partial<MirrorRecord>): void {
    this.#mirrors.set(name, { ...(this.mirror(name) ?? emptyMirror), ...over })
  }

  changeTable(name: string, id: string, over: Partial<TableRecord>): void {
    const mirror = this.mirror(name) ?? emptyMirror
    const table = mirror.tables.get(id)
    if (table === undefined) throw new Error(`the mirror has no table ${id}`)
    this.change(name, { tables: new Map(mirror.tables).set(id, { ...table, ...over }) })
  }

  /** The table of the store that a table of the source is mirrored to. */
  stored(table: Table): Table {
    return this.rows.table(table.id)
  }
}
