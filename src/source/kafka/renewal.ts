import type { Origin } from '../../dialect/debezium/event.ts'
import { bigint, type Parts } from '../../dialect/debezium/place.ts'
import type { Change, SchemaChange, StreamItem } from '../../model/change.ts'
import { Changes, type RowSpan } from '../../model/changes.ts'
import type { Positions } from '../../model/position.ts'
import type { Table } from '../../model/table.ts'
import type { Lane } from './lane.ts'
import { emission, order } from './marks.ts'

/**
 * A snapshot that a connector took once more. Its rows replace those that there are, in one
 * transaction: rows that it does not hold are gone after it, and nobody sees the table half empty.
 */
export class Renewal {
  readonly parts: Parts
  /** The answer of the brokers that brought its last row; null as long as that has not come. */
  last: number | null = null
  readonly #id: string
  readonly origin: Origin
  readonly #table: Table
  /** Partitions that rows of it came from, or of those that it replaces; they wait for its end. */
  readonly #lanes: Set<Lane>
  /** Columns that its rows brought. */
  readonly grown: SchemaChange[] = []

  constructor(options: {
    readonly id: string
    readonly origin: Origin
    readonly table: Table
    readonly lanes: readonly Lane[]
  }) {
    this.#id = options.id
    this.origin = options.origin
    this.#table = options.table
    this.#lanes = new Set(options.lanes)
    this.parts = options.origin.place?.parts ?? []
  }

  get lanes(): Iterable<Lane> {
    return this.#lanes
  }

  /** True for a partition that rows of it came from. */
  holds(lane: Lane): boolean {
    return this.#lanes.has(lane)
  }

  /** True for a row of an older snapshot, which this one replaces. */
  follows({ snapshot, place }: Origin): boolean {
    if (snapshot === 'no' || snapshot === 'incremental') return false
    return place !== null && order(place.parts, this.parts) < 0
  }

  /** True for one of its rows. */
  has(origin: Origin | null): boolean {
    if (origin === null || origin.snapshot === 'no' || origin.snapshot === 'incremental')
      return false
    return origin.place !== null && order(origin.place.parts, this.parts) === 0
  }

  empty(items: StreamItem[]): void {
    const tables = [this.#table]
    const change: Change = { kind: 'truncate', tables, restartSequences: false }
    items.push({ kind: 'part', transaction: this.#id, sub: null, changes: [change] })
  }

  /** Columns that its rows have and the table had not. */
  grow(items: StreamItem[], changes: readonly SchemaChange[]): void {
    if (changes.length === 0) return
    this.grown.push(...changes)
    items.push({ kind: 'part', transaction: this.#id, sub: null, changes })
  }

  put(items: StreamItem[], lane: Lane, row: RowSpan): void {
    this.#lanes.add(lane)
    const last = items.at(-1)
    if (last?.kind === 'part' && last.transaction === this.#id && last.changes instanceof Changes) {
      last.changes.add(row.kind, row.table, row)
      return
    }
    const changes = Changes.empty()
    changes.add(row.kind, row.table, row)
    items.push({ kind: 'part', transaction: this.#id, sub: null, changes })
  }

  discard(items: StreamItem[]): void {
    items.push({ kind: 'discard', transaction: this.#id, sub: null })
  }

  commit(positions: Positions): StreamItem {
    const { committedAt } = this.origin
    return {
      kind: 'commit',
      transaction: this.#id,
      changes: [],
      positions,
      committedAt: bigint(committedAt),
    }
  }
}

/** True for a change that was made before this snapshot of the whole table was taken. */
export function isReplaced(origin: Origin | null, snapshot: Origin): boolean {
  if (origin === null || origin.place === null || origin.snapshot !== 'no') return false
  return origin.place.parts[0] !== null && emission(origin, snapshot) < 0
}
