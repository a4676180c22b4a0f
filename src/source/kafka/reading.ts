import {
  type DebeziumEvent,
  type Origin,
  type RowEvent,
  type TruncateEvent,
  tupleAt,
} from '../../dialect/debezium/event.ts'
import type { Change, StreamItem } from '../../model/change.ts'
import { DELETE, INSERT } from '../../model/changes.ts'
import type { Table } from '../../model/table.ts'
import type { Tuple } from '../../model/tuple.ts'
import { Handover } from './handover.ts'
import { type Entry, Lane } from './lane.ts'
import { isAhead, isInSnapshot, isLast, isOlder, isWhole, marked, order } from './marks.ts'
import { Merge, memberOf, originOf } from './merge.ts'
import { gone, Moves } from './moves.ts'
import type { LanePlace } from './place.ts'
import { followAll } from './plain.ts'
import { tooLate, wentBack } from './refusals.ts'
import { isReplaced, Renewal } from './renewal.ts'
import { Shapes } from './shapes.ts'
import { concernsAll, Together } from './together.ts'
import type { Wholes } from './wholes.ts'

export interface ReadingOptions {
  readonly log: string
  readonly table: Table
  /** Of the partitions of the topic that are followed here. */
  readonly places: readonly LanePlace[]
  /** How many the topic has. */
  readonly partitions: number
  /** Told of each event that was told before. */
  readonly again: (table: Table) => void
  /** What puts transactions together that several topics tell of; null where nothing does. */
  readonly wholes?: Wholes | null
}

/**
 * Puts the events of one topic in an order that ends where the source does. Each partition is in
 * order by itself. Events of several are taken in the order that their connector told them in, so
 * that a truncate, a snapshot that is taken anew and a row that changes its key find the rows that
 * they are about.
 */
export class TopicReading {
  readonly lanes: readonly Lane[]
  readonly #shapes: Shapes
  readonly #again: (table: Table) => void
  readonly #merge: Merge
  readonly #pairs: Moves
  readonly #together: Together
  readonly #wholes: Wholes | null
  readonly #out: Handover
  #renewal: Renewal | null = null
  /** Rows of the first snapshot are on their way. */
  #begins = false

  constructor({ log, table, places, partitions, again, wholes = null }: ReadingOptions) {
    this.#shapes = new Shapes(table)
    this.#again = again
    this.lanes = places.map((place) => new Lane(log, place))
    this.#merge = new Merge(this.lanes)
    this.#pairs = new Moves(this.lanes)
    this.#together = new Together(log, { lanes: this.lanes, topic: table.id, partitions })
    this.#wholes = wholes
    this.#out = new Handover(log, {
      lanes: this.lanes,
      shapes: this.#shapes,
      together: this.#together,
      wholes,
    })
  }

  get table(): Table {
    return this.#shapes.table
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

  /**
   * Takes a change of a row at once, where it is all that is to be thought of: nothing waits, and no
   * other partition or topic has anything to do with it. False where the event has to be kept.
   */
  follow(lane: Lane, offset: bigint, event: DebeziumEvent): boolean {
    if (event.kind !== 'row' || lane.head !== undefined || this.lanes.length > 1) return false
    if (this.#wholes !== null || this.#renewal !== null || this.#begins) return false
    const { origin, op } = event
    if (lane.replaced !== null || (origin !== null && origin.snapshot !== 'no')) return false
    const verdict = lane.trail.judge(origin, op === 'update' ? 'alone' : 'shared')
    return verdict === 'new' && this.#out.follow(lane, offset, event)
  }

  /** True where entries wait for those of other partitions, and for nothing else. */
  get merges(): boolean {
    return this.lanes.length > 1 && this.#wholes === null
  }

  /** Everything that can go on goes on. What it throws comes after the items before it. */
  drain(items: StreamItem[]): void {
    this.#out.items = items
    try {
      for (;;) {
        if (this.merges && this.#renewal === null && !this.#begins) followAll(this.lanes, this.#out)
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
        if (this.#wholes?.isOpen(lane) === true) lane.flush(items)
        else lane.progress(items)
      }
    }
  }

  /** What changes nothing waits for nobody. */
  #passOver(lane: Lane, coming: Origin | null): void {
    for (let entry = lane.head; entry !== undefined; entry = lane.head) {
      const { event, joined } = entry
      if (joined) {
        this.#passJoined(lane, entry)
        continue
      }
      if (event.kind === 'row' || event.kind === 'truncate') {
        if (!this.#isAgain(lane, entry, coming)) return
        this.#again(this.#shapes.table)
        this.#wholes?.passed(this.name, memberOf(entry))
      } else if (event.kind === 'tombstone' && event.key !== null && !lane.isSaid(entry)) return
      lane.pass(entry)
    }
  }

  #passJoined(lane: Lane, entry: Entry): void {
    const member = memberOf(entry)
    lane.marks = marked(lane.marks, originOf(entry))
    lane.pass(entry)
    if (member === null || this.#wholes === null) return
    this.#wholes.passed(this.name, member)
    this.#wholes.joined(lane, member)
  }

  #isAgain(lane: Lane, entry: Entry, coming: Origin | null): boolean {
    const { event } = entry
    const origin = originOf(entry)
    const shares = event.kind === 'row' && event.op !== 'update' && event.op !== 'delete'
    const verdict = lane.trail.judge(origin, shares ? 'shared' : 'alone')
    if (verdict === 'back') throw wentBack(this.#shapes.table, lane, entry)
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
    if (this.#hasToWait(entry)) return false
    if (concernsAll(event)) this.#together.require(lane, entry)
    if (event.kind === 'row' && event.origin !== null && isWhole(event.origin)) {
      return this.#read(lane, entry, event)
    }
    if (event.kind === 'truncate') this.#together.requireInOrder(lane, entry)
    this.#settle()
    // No row of a snapshot is carried out later than what came after it.
    if (this.#begins) for (const one of this.lanes) one.flush(this.#out.items)
    this.#begins = false
    if (event.kind === 'row') return this.#row(lane, entry, event)
    if (event.kind === 'truncate') this.#empty(lane, entry, event)
    else this.#tombstone(lane, entry)
    return true
  }

  /** What is of no transaction comes after those that its topic has begun to tell of. */
  #hasToWait(entry: Entry): boolean {
    const wholes = this.#wholes
    if (wholes === null || memberOf(entry) !== null) return false
    return this.lanes.some((lane) => wholes.isOpen(lane))
  }

  #row(lane: Lane, entry: Entry, event: RowEvent): boolean {
    if (event.op === 'delete' && event.newKey !== null) return this.#moves(lane, entry, event)
    if (event.oldKey !== null) return this.#arrives(lane, entry, event)
    this.#out.emit(lane, entry, event)
    return true
  }

  /** A row of a snapshot. */
  #read(lane: Lane, entry: Entry, event: RowEvent): boolean {
    const { origin } = event
    if (origin === null || this.#isBeside(origin)) {
      // Which snapshot is the first one is known in all partitions from its first row on.
      if (origin !== null) for (const one of this.lanes) one.expect(origin)
      this.#begins = true
      this.#out.emit(lane, entry, event)
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
    if (ahead !== undefined) throw tooLate(this.#shapes.table, { lane, entry, ahead })
    // Every partition has come past it, so that what it emptied is not told again by any.
    for (const one of this.lanes) one.marks = marked(one.marks, event.origin)
    lane.pass(entry)
    const tables = [this.#shapes.table]
    const change: Change = { kind: 'truncate', tables, restartSequences: false }
    this.#out.commit(entry, { changes: [change], lanes: this.lanes, at: event.origin.committedAt })
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
      lane.flush(this.#out.items)
      lane.marks = marked(marked(lane.marks, lane.replaced), renewal.origin)
      lane.replaced = null
    }
    this.#out.items.push(renewal.commit(this.#out.positions(this.lanes)))
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
    this.#out.grow(event.table)
    const { table, buffer, from, to } = this.#out.fitted(event, lane, entry)
    lane.marks = marked(lane.marks, origin)
    lane.pass(entry)
    renewal.grow(this.#out.items, this.#out.grown())
    renewal.put(this.#out.items, lane, {
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
    for (const one of this.lanes) one.flush(this.#out.items)
    const before = this.#renewal
    const lanes = [...(before?.lanes ?? []), lane]
    before?.discard(this.#out.items)
    const id = this.#out.id()
    this.#renewal = new Renewal({ id, origin, table: this.#shapes.table, lanes })
    // Columns that the discarded one brought went with it, and are known nevertheless.
    this.#renewal.grow(this.#out.items, before?.grown ?? [])
    this.#renewal.empty(this.#out.items)
  }

  /** The first half of a change of key: the second one may need the row that is to go. */
  #moves(lane: Lane, entry: Entry, event: RowEvent): boolean {
    const other = this.#pairs.creation(event)
    if (other === null && this.#pairs.awaitsCreation(lane, event)) return false
    const key = tupleAt(event, gone(event))
    if (other === null || !other.event.partial || key === null) {
      this.#pairs.deleted(event)
      this.#out.emit(lane, entry, event)
      return true
    }
    const { table, buffer, from, to } = this.#out.fitted(other.event, lane, other.entry)
    other.entry.joined = true
    lane.marks = marked(lane.marks, event.origin)
    lane.pass(entry)
    const changed = buffer.subarray(from, to)
    const { same, fit } = this.#shapes.of(event.table) ?? { same: true, fit: (t: Tuple) => t }
    const change: Change = { kind: 'update', table, row: changed, old: same ? key : fit(key) }
    const at = event.origin?.committedAt ?? null
    this.#out.commit(entry, { changes: [change], lanes: [lane], at })
    return true
  }

  /** The second half, whose first one was not there before it. */
  #arrives(lane: Lane, entry: Entry, event: RowEvent): boolean {
    if (event.partial && this.#pairs.awaitsDeletion(lane, event)) return false
    this.#pairs.created(event)
    const { origin, partial } = event
    if (partial && origin !== null && this.#pairs.isRenewed(origin)) {
      this.#wholes?.passed(this.name, origin.membership)
      lane.pass(entry)
    } else this.#out.emit(lane, entry, event)
    return true
  }
}
