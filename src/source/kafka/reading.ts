import {
  type Origin,
  type RowEvent,
  type TruncateEvent,
  tupleAt,
} from '../../dialect/debezium/event.ts'
import type { Change, SchemaChange, StreamItem } from '../../model/change.ts'
import { Changes, DELETE, INSERT, type RowSpan, UPDATE } from '../../model/changes.ts'
import { Fault } from '../../model/fault.ts'
import type { Positions } from '../../model/position.ts'
import { type Table, tableName } from '../../model/table.ts'
import type { Tuple } from '../../model/tuple.ts'
import { type Entry, Lane } from './lane.ts'
import { isAhead, isInSnapshot, isLast, isOlder, isWhole, judge, marked, order } from './marks.ts'
import { Merge, originOf } from './merge.ts'
import { gone, Moves } from './moves.ts'
import { type LanePlace, laneOf, positionAt } from './place.ts'
import { isReplaced, Renewal } from './renewal.ts'
import { Shapes } from './shapes.ts'
import { concernsAll, Together } from './together.ts'

export interface ReadingOptions {
  readonly log: string
  readonly table: Table
  /** Of the partitions of the topic that are followed here. */
  readonly places: readonly LanePlace[]
  /** How many the topic has. */
  readonly partitions: number
  /** Told of each event that was told before. */
  readonly again: (table: Table) => void
}

/**
 * Puts the events of one topic in an order that ends where the source does. Each partition is in
 * order by itself. Events of several are taken in the order that their connector told them in, so
 * that a truncate, a snapshot that is taken anew and a row that changes its key find the rows that
 * they are about.
 */
export class TopicReading {
  readonly lanes: readonly Lane[]
  readonly #log: string
  readonly #shapes: Shapes
  readonly #again: (table: Table) => void
  readonly #merge: Merge
  readonly #pairs: Moves
  readonly #together: Together
  #items: StreamItem[] = []
  #renewal: Renewal | null = null
  /** Columns that the next row brings. */
  readonly #grown: SchemaChange[] = []
  /** Rows of the first snapshot are on their way. */
  #begins = false
  #commits = 0

  constructor({ log, table, places, partitions, again }: ReadingOptions) {
    this.#log = log
    this.#shapes = new Shapes(table)
    this.#again = again
    this.lanes = places.map((place) => new Lane(log, place))
    this.#merge = new Merge(this.lanes)
    this.#pairs = new Moves(this.lanes)
    this.#together = new Together(log, { lanes: this.lanes, topic: table.id, partitions })
  }

  get name(): string {
    return this.#shapes.table.id
  }

  /** True when it cannot go on before it is told where the partitions end now. */
  get asks(): boolean {
    return (
      this.#merge.asks ||
      this.#isEnding ||
      this.lanes.some(({ hold }) => hold !== null && hold.ends === null)
    )
  }

  /** The last row of a snapshot came; others may still be in other partitions. */
  get #isEnding(): boolean {
    const last = this.#renewal?.last ?? null
    return last !== null && !this.#merge.knows(last)
  }

  ends(ends: ReadonlyMap<number, bigint>): void {
    this.#merge.ends(ends)
    for (const { hold } of this.lanes) if (hold !== null) hold.ends ??= ends
  }

  /** Everything that can go on goes on. What it throws comes after the items before it. */
  drain(items: StreamItem[]): void {
    this.#items = items
    try {
      for (;;) {
        const coming = this.#nextRenewal()
        for (const lane of this.lanes) this.#passOver(lane, coming)
        if (this.#nextRenewal() !== coming) continue
        const lane = this.#merge.next()
        const entry = lane?.head
        if (lane === null || entry === undefined || !this.#take(lane, entry)) break
      }
      if (this.#isComplete()) this.#settle()
    } finally {
      for (const lane of this.lanes) {
        if (lane.replaced !== null || this.#renewal?.holds(lane) === true) continue
        lane.caughtUp()
        lane.progress(items)
      }
    }
  }

  /** What changes nothing waits for nobody. */
  #passOver(lane: Lane, coming: Origin | null): void {
    for (let entry = lane.head; entry !== undefined; entry = lane.head) {
      const { event, joined } = entry
      if (joined) {
        if (event.kind === 'row') lane.marks = marked(lane.marks, event.origin)
      } else if (event.kind === 'row' || event.kind === 'truncate') {
        if (!this.#isAgain(lane, entry, coming)) return
        this.#again(this.#shapes.table)
      } else if (event.kind === 'tombstone' && event.key !== null && !lane.isSaid(entry)) return
      lane.pass(entry)
    }
  }

  #isAgain(lane: Lane, entry: Entry, coming: Origin | null): boolean {
    const { event } = entry
    const origin = originOf(entry)
    const shares = event.kind === 'row' && event.op !== 'update' && event.op !== 'delete'
    const verdict = judge(lane.marks, origin, shares)
    if (verdict === 'back') throw this.#wentBack(lane, entry)
    if (verdict === 'again') return true
    if (origin === null || !isWhole(origin)) {
      const renewed = this.#renewal?.origin ?? coming
      if (renewed === null || !isReplaced(origin, renewed)) return false
      lane.replaced = origin
      return true
    }
    return (
      this.#renewal?.follows(origin) === true ||
      this.lanes.some(({ marks }) => isOlder(marks, origin))
    )
  }

  /** Of a snapshot that comes next in some partition; it holds what became of changes before it. */
  #nextRenewal(): Origin | null {
    for (const { head } of this.lanes) {
      const next = head === undefined ? null : originOf(head)
      if (next !== null && isWhole(next) && !this.#isBeside(next)) return next
    }
    return null
  }

  /** False when the entry has to wait. */
  #take(lane: Lane, entry: Entry): boolean {
    const { event } = entry
    if (concernsAll(event)) this.#together.require(lane, entry)
    if (event.kind === 'row' && event.origin !== null && isWhole(event.origin)) {
      return this.#read(lane, entry, event)
    }
    if (event.kind === 'truncate') this.#together.requireInOrder(lane, entry)
    this.#settle()
    // No row of a snapshot is carried out later than what came after it.
    if (this.#begins) for (const one of this.lanes) one.flush(this.#items)
    this.#begins = false
    if (event.kind === 'row') return this.#row(lane, entry, event)
    if (event.kind === 'truncate') this.#empty(lane, entry, event)
    else this.#tombstone(lane, entry)
    return true
  }

  #row(lane: Lane, entry: Entry, event: RowEvent): boolean {
    if (event.op === 'delete' && event.newKey !== null) return this.#moves(lane, entry, event)
    if (event.oldKey !== null) return this.#arrives(lane, entry, event)
    this.#emit(lane, entry, event)
    return true
  }

  /** A row of a snapshot. */
  #read(lane: Lane, entry: Entry, event: RowEvent): boolean {
    const { origin } = event
    if (origin === null || this.#isBeside(origin)) {
      // Which snapshot is the first one is known in all partitions from its first row on.
      if (origin !== null) for (const one of this.lanes) one.expect(origin)
      this.#begins = true
      this.#emit(lane, entry, event)
      return true
    }
    if (this.#renewal?.has(origin) !== true) this.#together.requireInOrder(lane, entry)
    this.#renew(lane, entry, event)
    return true
  }

  /**
   * True when rows of this snapshot may be put beside what there is: nothing came before it, or
   * others of its rows took the place of what did.
   */
  #isBeside({ place }: Origin): boolean {
    if (place === null) return true
    if (this.#renewal !== null) return false
    if (this.#together.whole && this.lanes.every(({ marks }) => marks.length === 0)) return true
    return this.lanes.some(({ marks }) => {
      const mark = marks.find(({ log }) => log === place.log)
      return mark?.snapshot != null && order(mark.snapshot, place.parts) === 0
    })
  }

  #emit(lane: Lane, entry: Entry, event: RowEvent): void {
    const { table, buffer, from, to } = this.#fitted(event, lane, entry)
    lane.marks = marked(lane.marks, event.origin)
    lane.pass(entry)
    const at = event.origin?.committedAt ?? null
    const kind = event.partial || event.op === 'update' ? UPDATE : INSERT
    const none = { from: -1, to: -1, oldFrom: -1, oldTo: -1 }
    const span: RowSpan =
      event.op === 'delete'
        ? { ...none, kind: DELETE, table, buffer, oldFrom: from, oldTo: to }
        : { ...none, kind, table, buffer, from, to }
    if (this.#grown.length === 0) {
      lane.change(span, at)
      return
    }
    const changes = Changes.empty()
    changes.add(span)
    this.#commit([...changes], [lane], at)
  }

  /** The tuple of an event as the table has its columns. */
  #fitted(event: RowEvent, lane: Lane, entry: Entry) {
    let fitted = this.#shapes.of(event.table)
    if (fitted === null) {
      this.#together.require(lane, entry)
      this.#grown.push(this.#shapes.grow(event.table))
      fitted = this.#shapes.of(event.table)
    }
    if (fitted === null) throw new TypeError('a table that was just grown does not fit')
    const span = event.op === 'delete' ? gone(event) : event.row
    if (span.from < 0) throw this.#incomplete(event)
    const { table } = fitted
    if (fitted.same) return { table, buffer: event.buffer, ...span }
    const buffer = fitted.fit(event.buffer.subarray(span.from, span.to))
    return { table, buffer, from: 0, to: buffer.length }
  }

  /** A commit of its own, after all that was handed on. */
  #commit(changes: readonly Change[], lanes: readonly Lane[], at: bigint | null): void {
    for (const lane of this.lanes) lane.flush(this.#items)
    const transaction = `${this.name} ${this.#commits++}`
    const positions = this.#positions(lanes)
    const all = [...this.#grown.splice(0), ...changes]
    this.#items.push({ kind: 'commit', transaction, changes: all, positions, committedAt: at })
  }

  #positions(lanes: readonly Lane[]): Positions {
    return new Map(
      lanes.map((lane) => {
        lane.told()
        return [laneOf(lane), positionAt(this.#log, lane.place)]
      }),
    )
  }

  /** A row went, and no delete said so before. */
  #tombstone(lane: Lane, entry: Entry): void {
    const key = entry.event.kind === 'tombstone' ? entry.event.key : null
    lane.pass(entry)
    if (key === null) return
    const { table } = this.#shapes
    const span = { oldFrom: 0, oldTo: key.length }
    lane.change({ kind: DELETE, table, buffer: key, from: -1, to: -1, ...span }, null)
  }

  #empty(lane: Lane, entry: Entry, event: TruncateEvent): void {
    // What another partition told of newer rows cannot be told apart from what this empties.
    const ahead = this.lanes.find(({ marks }) => {
      return isAhead(marks, event.origin) || isInSnapshot(marks, event.origin)
    })
    if (ahead !== undefined) throw this.#isLate(lane, entry, ahead)
    // Every partition has come past it, so that what it emptied is not told again by any.
    for (const one of this.lanes) one.marks = marked(one.marks, event.origin)
    lane.pass(entry)
    const tables = [this.#shapes.table]
    const change: Change = { kind: 'truncate', tables, restartSequences: false }
    this.#commit([change], this.lanes, event.origin.committedAt)
  }

  /** True when no partition can have more rows of the snapshot that is taken anew. */
  #isComplete(): boolean {
    const renewal = this.#renewal
    if (renewal === null || renewal.last === null || !this.#merge.isRead(renewal.last)) return false
    return !this.lanes.some(({ head }) => head !== undefined && renewal.has(originOf(head)))
  }

  /** A snapshot that was taken anew is complete: something came after it. */
  #settle(): void {
    const renewal = this.#renewal
    if (renewal === null) return
    this.#renewal = null
    for (const lane of this.lanes) {
      lane.flush(this.#items)
      lane.marks = marked(marked(lane.marks, lane.replaced), renewal.origin)
      lane.replaced = null
    }
    this.#items.push(renewal.commit(this.#positions(this.lanes)))
  }

  /** A row of a snapshot that replaces what there is. */
  #renew(lane: Lane, entry: Entry, event: RowEvent): void {
    const { origin } = event
    const parts = origin?.place?.parts
    if (origin === null || parts === undefined) throw new TypeError('a snapshot without a place')
    const known = this.#renewal
    if (known === null || order(parts, known.parts) !== 0) this.#begin(lane, origin)
    const renewal = this.#renewal
    if (renewal === null) return
    const { table, buffer, from, to } = this.#fitted(event, lane, entry)
    lane.marks = marked(lane.marks, origin)
    lane.pass(entry)
    renewal.grow(this.#items, this.#grown.splice(0))
    renewal.put(this.#items, lane, {
      kind: INSERT,
      table,
      buffer,
      from,
      to,
      oldFrom: -1,
      oldTo: -1,
    })
    if (isLast(origin)) renewal.last = entry.poll
  }

  #begin(lane: Lane, origin: Origin): void {
    for (const one of this.lanes) one.flush(this.#items)
    const lanes = [...(this.#renewal?.lanes ?? []), lane]
    this.#renewal?.discard(this.#items)
    const id = `${this.name} ${this.#commits++}`
    this.#renewal = new Renewal({ id, origin, table: this.#shapes.table, lanes })
    this.#renewal.empty(this.#items)
  }

  /** The first half of a change of key: the second one may need the row that is to go. */
  #moves(lane: Lane, entry: Entry, event: RowEvent): boolean {
    const other = this.#pairs.creation(event)
    if (other === null && this.#pairs.awaitsCreation(lane, event)) return false
    const key = tupleAt(event, gone(event))
    if (other === null || !other.event.partial || key === null) {
      this.#pairs.deleted(event)
      this.#emit(lane, entry, event)
      return true
    }
    const { table, buffer, from, to } = this.#fitted(other.event, lane, other.entry)
    other.entry.joined = true
    lane.marks = marked(lane.marks, event.origin)
    lane.pass(entry)
    const changed = buffer.subarray(from, to)
    const { same, fit } = this.#shapes.of(event.table) ?? { same: true, fit: (t: Tuple) => t }
    const change: Change = { kind: 'update', table, row: changed, old: same ? key : fit(key) }
    this.#commit([change], [lane], event.origin?.committedAt ?? null)
    return true
  }

  /** The second half, whose first one was not there before it. */
  #arrives(lane: Lane, entry: Entry, event: RowEvent): boolean {
    if (event.partial && this.#pairs.awaitsDeletion(lane, event)) return false
    this.#pairs.created(event)
    const { origin, partial } = event
    if (partial && origin !== null && this.#pairs.isRenewed(origin)) lane.pass(entry)
    else this.#emit(lane, entry, event)
    return true
  }

  #at(lane: Lane, { offset }: Entry): string {
    return `offset ${offset} of partition ${lane.partition} of the topic ${lane.topic}`
  }

  #wentBack(lane: Lane, entry: Entry): Fault {
    const table = tableName(this.#shapes.table)
    return new Fault('HF-K109', {
      what: `the record at ${this.#at(lane, entry)} stands before changes of ${table} that were applied, and is newer than they are`,
      side: 'source',
      table,
    })
  }

  #isLate(lane: Lane, entry: Entry, ahead: Lane): Fault {
    const table = tableName(this.#shapes.table)
    return new Fault('HF-K120', {
      what: `the record at ${this.#at(lane, entry)} tells of all rows of ${table} as they were before changes of partition ${ahead.partition} that were applied`,
      side: 'source',
      table,
    })
  }

  #incomplete({ op, table }: RowEvent): Fault {
    return new Fault('HF-K106', {
      what: `the topic ${this.name} holds a ${op} of ${tableName(table)} without its row`,
      side: 'source',
      table: tableName(table),
    })
  }
}
