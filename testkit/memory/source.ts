import { randomUUID } from 'node:crypto'
import { Bell } from '../../src/async/deferred.ts'
import type { Change, StreamItem } from '../../src/model/change.ts'
import type { Identities } from '../../src/model/checkpoint.ts'
import { Fault, type Finding } from '../../src/model/fault.ts'
import type { Comparison, Position, Positions } from '../../src/model/position.ts'
import type { SourceReader } from '../../src/model/reader.ts'
import {
  type Blueprint,
  type Sequence,
  type Table,
  tableName,
  type Vocabulary,
} from '../../src/model/table.ts'
import { frame } from '../../src/model/tuple.ts'
import type {
  Chunk,
  Estimate,
  LogState,
  Selection,
  Snapshot,
  Source,
  SourceTraits,
} from '../../src/source/source.ts'
import type { LogRecord, MemoryDatabase, Slot } from './database.ts'
import { Life } from './life.ts'
import { Rows, type State } from './rows.ts'
import { inRuns } from './runs.ts'

const LANE = 'log'

export interface MemorySourceOptions {
  readonly database: MemoryDatabase
  readonly mirror: string
  readonly life?: Life
  /** Log records of a burst. */
  readonly burst?: number
  /** Rows of a chunk. */
  readonly chunk?: number
  readonly selection?: Selection
  readonly onAcknowledge?: (positions: Positions) => void
}

/** The memory database as a source. */
export class MemorySource implements Source {
  readonly traits: SourceTraits = { dialect: 'memory', wholeTransactions: true }
  readonly label: string
  readonly place: string
  readonly #options: MemorySourceOptions
  readonly #database: MemoryDatabase
  readonly #life: Life

  constructor(options: MemorySourceOptions) {
    this.#options = options
    this.#database = options.database
    this.#life = options.life ?? new Life()
    this.place = options.database.place
    this.label = `memory ${this.place.slice(0, 8)}`
  }

  preflight(): Promise<readonly Finding[]> {
    return this.#call('preflight', () => [])
  }

  inspect(): Promise<Blueprint> {
    return this.#call('inspect', () => {
      const all = [...this.#database.committed().values()].map(({ table }) => table)
      const tables = all.filter((table) => this.#selected(table))
      return { dialect: 'memory', tables, native: null }
    })
  }

  estimates(tables: readonly Table[]): Promise<readonly Estimate[]> {
    return this.#call('estimates', () => {
      const rows = new Rows(this.#database.committed())
      return tables.map(({ id }) => ({ rows: rows.all(id).length, bytes: null }))
    })
  }

  encodings(): { readonly stream: readonly string[]; readonly copy: readonly string[] } {
    return { stream: ['values'], copy: ['values'] }
  }

  identity(): Promise<Identities> {
    return this.#call('identity', () => ({
      database: { value: this.place, changed: 'HF-L106' },
      slot: { value: this.#slot().made, changed: 'HF-L105' },
    }))
  }

  range(): Promise<{ readonly from: Positions; readonly head: Positions }> {
    return this.#call('range', () => {
      const { confirmed } = this.#slot()
      return { from: this.#at(confirmed ?? 0), head: this.#at(this.#database.head) }
    })
  }

  compare(a: Position, b: Position): Comparison {
    if (a.log !== b.log) return 'unrelated'
    if (a.order === b.order) return 'equal'
    return a.order < b.order ? 'before' : 'after'
  }

  /** This log is never put back. */
  confirm(): Promise<void> {
    return Promise.resolve()
  }

  position(_lane: string, token: string): Position {
    return { log: this.place, order: BigInt(token), token }
  }

  prepare(tables: readonly Table[]): Promise<void> {
    const { mirror } = this.#options
    return this.#call('prepare', () => {
      const ids = new Set(tables.map(({ id }) => id))
      this.#database.slots.set(mirror, { made: randomUUID(), tables: ids, confirmed: null })
    })
  }

  snapshot({ keep }: { readonly keep: boolean }): Promise<Snapshot> {
    return this.#call('snapshot', () => {
      const { head } = this.#database
      if (keep) this.#slot().confirmed = head
      return this.#view(this.#database.committed(), this.#at(head))
    })
  }

  async *stream(
    after: Positions,
    _options: { readonly tables: readonly Table[]; readonly encoding: string },
    signal: AbortSignal,
  ): AsyncIterable<readonly StreamItem[]> {
    await this.#call('stream', () => undefined)
    const cursor = new Cursor(this.#database.log, this.#startOf(after), this.#slot().tables)
    const arrived = new Bell()
    const wake = (): void => arrived.ring()
    this.#database.watchers.add(arrived)
    signal.addEventListener('abort', wake)
    try {
      while (!signal.aborted) {
        await this.#life.pass({ side: 'source', call: 'burst', when: 'before' })
        const items = cursor.next(this.#options.burst ?? 100, (number) => this.#at(number))
        if (items.length > 0) yield items
        else await arrived.wait()
      }
    } finally {
      this.#database.watchers.delete(arrived)
      signal.removeEventListener('abort', wake)
    }
  }

  acknowledge(durable: Positions): void {
    if (this.#life.dead) return
    const slot = this.#slot()
    for (const { order } of durable.values())
      slot.confirmed = Math.max(slot.confirmed ?? 0, Number(order))
    this.#options.onAcknowledge?.(durable)
  }

  fence(): Promise<Positions> {
    return this.#call('fence', () => this.#at(this.#database.head))
  }

  look(tables: readonly Table[]): Promise<void> {
    return this.#call('look', () => {
      const missing = tables.find(({ id }) => !this.#database.committed().has(id))
      if (missing === undefined) return
      throw new Fault('HF-S206', { what: `${tableName(missing)} is gone` })
    })
  }

  vocabularies(): Promise<readonly Vocabulary[]> {
    return this.#call('vocabularies', () => [])
  }
  sequences(): Promise<readonly Sequence[]> {
    return this.#call('sequences', () => [])
  }

  log(): Promise<LogState> {
    return this.#call('log', () => ({ retainedBytes: null, limitBytes: null }))
  }

  reader(): Promise<SourceReader> {
    throw new Error('the memory database is compared by its contents')
  }

  destroy(): Promise<readonly string[]> {
    const { mirror } = this.#options
    return this.#call('destroy', () =>
      this.#database.slots.delete(mirror) ? [`the log kept for ${mirror}`] : [],
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #call<T>(call: string, effect: () => T): Promise<T> {
    return this.#life.call('source', call, effect)
  }

  #at(number: number): Positions {
    const position = { log: this.place, order: BigInt(number), token: String(number) }
    return new Map([[LANE, position]])
  }

  #slot(): Slot {
    const slot = this.#database.slots.get(this.#options.mirror)
    if (slot !== undefined) return slot
    throw new Fault('HF-L103', { what: `nothing is kept for mirror ${this.#options.mirror}` })
  }

  /** What was acknowledged is not sent again, whatever is asked for: it might be gone. */
  #startOf(after: Positions): number {
    const wanted = Number(after.get(LANE)?.order ?? 0n)
    return Math.max(wanted, this.#slot().confirmed ?? 0)
  }

  #selected(table: Table): boolean {
    const { selection } = this.#options
    if (selection === undefined) return true
    const { include, exclude } = selection
    const name = tableName(table)
    return (include.length === 0 || include.includes(name)) && !exclude.includes(name)
  }

  #view(state: State, positions: Positions): Snapshot {
    const size = this.#options.chunk ?? 1000
    const rows = new Rows(state)
    const life = this.#life
    return {
      positions,
      chunks: (table) =>
        this.#call('chunks', () => {
          const all = rows.all(table.id)
          const of = Math.max(1, Math.ceil(all.length / size))
          return Array.from({ length: of }, (_, index): Chunk => {
            const range = all.slice(index * size, (index + 1) * size)
            return { table, index, of, rows: range.length, bytes: range.length * 100, range }
          })
        }),
      async *read({ table, index }, _encoding, signal) {
        await life.pass({ side: 'source', call: 'read', when: 'before' })
        const chunk = rows.all(table.id).slice(index * size, (index + 1) * size)
        for (let at = 0; at < chunk.length; at += 10) {
          signal.throwIfAborted()
          yield frame(chunk.slice(at, at + 10))
        }
        await life.pass({ side: 'source', call: 'read', when: 'after' })
      },
      async [Symbol.asyncDispose]() {},
    }
  }
}

/** Reads the log once, leaving out what committed at or before a number. */
class Cursor {
  readonly #log: readonly LogRecord[]
  readonly #known: ReadonlySet<string>
  readonly #tables: ReadonlySet<string>
  readonly #begun = new Set<string>()
  #at = 0
  #reached: number
  #told: number

  constructor(log: readonly LogRecord[], after: number, tables: ReadonlySet<string>) {
    this.#log = log
    this.#tables = tables
    this.#reached = after
    this.#told = after
    const past = log.filter((record) => record.kind === 'commit' && record.number <= after)
    this.#known = new Set(past.map(({ transaction }) => transaction))
  }

  /** What has arrived, up to `most` records; progress when all of it was for others. */
  next(most: number, positions: (number: number) => Positions): readonly StreamItem[] {
    const items: StreamItem[] = []
    while (this.#at < this.#log.length && items.length < most) {
      const record = this.#log[this.#at++]
      if (record === undefined || this.#known.has(record.transaction)) continue
      const item = this.#item(record, positions)
      if (item !== null) items.push(item)
    }
    if (this.#at === this.#log.length && this.#reached > this.#told) {
      this.#told = this.#reached
      items.push({ kind: 'progress', positions: positions(this.#reached) })
    }
    return inRuns(items, this.#begun)
  }

  #item(record: LogRecord, positions: (number: number) => Positions): StreamItem | null {
    if (record.kind === 'discard') return record
    const changes = record.changes.flatMap((change) => this.#wanted(change))
    const { transaction } = record
    if (record.kind === 'part') {
      if (changes.length === 0) return null
      this.#begun.add(transaction)
      return { ...record, changes }
    }
    const { number } = record
    this.#reached = number
    if (changes.length === 0 && !this.#begun.has(transaction)) return null
    this.#told = number
    return {
      kind: 'commit',
      transaction,
      changes,
      positions: positions(number),
      committedAt: BigInt(number) * 1_000_000n,
    }
  }

  #wanted(change: Change): readonly Change[] {
    if (change.kind === 'truncate') {
      const tables = change.tables.filter(({ id }) => this.#tables.has(id))
      return tables.length === 0 ? [] : [{ ...change, tables }]
    }
    const { id, identity } = change.kind === 'schema' ? change.to : change.table
    if (!this.#tables.has(id)) return []
    const lost = identity.by === 'none' && (change.kind === 'update' || change.kind === 'delete')
    return lost ? [] : [change]
  }
}
