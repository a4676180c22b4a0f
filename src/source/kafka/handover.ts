import type { RowEvent } from '../../dialect/debezium/event.ts'
import { bigint, type Whole } from '../../dialect/debezium/place.ts'
import type { Change, SchemaChange, StreamItem } from '../../model/change.ts'
import { Changes, DELETE, INSERT, type RowSpan, UPDATE } from '../../model/changes.ts'
import type { Positions } from '../../model/position.ts'
import type { Table } from '../../model/table.ts'
import type { Entry, Lane } from './lane.ts'
import { memberOf } from './merge.ts'
import { gone } from './moves.ts'
import { laneOf, positionAt } from './place.ts'
import { incomplete } from './refusals.ts'
import type { Shapes } from './shapes.ts'
import type { Together } from './together.ts'
import type { Wholes } from './wholes.ts'

interface HandoverOptions {
  readonly lanes: readonly Lane[]
  readonly shapes: Shapes
  readonly together: Together
  readonly wholes: Wholes | null
}

/** What is to be applied together, and is no single row. */
export interface Committed {
  readonly changes: readonly Change[]
  /** Those that stand behind it. */
  readonly lanes: readonly Lane[]
  readonly at: Whole | null
}

/** How what a topic tells is handed on: row by row, as a commit, or in pieces of its transaction. */
export class Handover {
  /** The burst that is made. */
  items: StreamItem[] = []
  readonly #log: string
  readonly #lanes: readonly Lane[]
  readonly #shapes: Shapes
  readonly #together: Together
  readonly #wholes: Wholes | null
  /** Columns that the next row brings. */
  readonly #grown: SchemaChange[] = []
  /** Of a row that is handed on by itself: lanes do not hold on to what they are told. */
  #span: { -readonly [K in keyof RowSpan]: RowSpan[K] } | null = null
  #commits = 0

  constructor(log: string, { lanes, shapes, together, wholes }: HandoverOptions) {
    this.#log = log
    this.#lanes = lanes
    this.#shapes = shapes
    this.#together = together
    this.#wholes = wholes
  }

  get #name(): string {
    return this.#shapes.table.id
  }

  /** A name for one more commit. */
  id(): string {
    return `${this.#name} ${this.#commits++}`
  }

  /** Columns that are to come with what is handed on next. */
  grown(): readonly SchemaChange[] {
    return this.#grown.splice(0)
  }

  /** Of a row that came, changed or went; the next entry is passed. */
  emit(lane: Lane, entry: Entry, event: RowEvent): void {
    const { table, buffer, from, to } = this.fitted(event, lane, entry)
    lane.trail.take(event.origin)
    lane.pass(entry)
    const at = event.origin?.committedAt ?? null
    const kind = event.partial || event.op === 'update' ? UPDATE : INSERT
    const none = { from: -1, to: -1, oldFrom: -1, oldTo: -1 }
    const span: RowSpan =
      event.op === 'delete'
        ? { ...none, kind: DELETE, table, buffer, oldFrom: from, oldTo: to }
        : { ...none, kind, table, buffer, from, to }
    const member = memberOf(entry)
    if (this.#grown.length > 0) {
      const changes = Changes.empty()
      changes.add(span.kind, span.table, span)
      this.commit(entry, { changes: [...changes], lanes: [lane], at })
    } else if (this.#wholes === null || member === null) lane.change(span, at)
    else {
      const own = { member, topic: this.#name, lanes: [lane], poll: entry.poll }
      this.#wholes.add(this.items, { ...own, changes: span, at })
    }
  }

  /**
   * Hands on a row that came or was changed, whose record came next and is kept by nobody; false,
   * and nothing done, where more has to be thought of.
   */
  follow(lane: Lane, offset: bigint, event: RowEvent): boolean {
    const { op, oldKey, origin, row } = event
    if (op === 'delete' || op === 'read' || oldKey !== null || row.from < 0) return false
    const fitted = this.#shapes.known(event.table)
    if (fitted === null || !fitted.same || this.#grown.length > 0) return false
    lane.trail.take(origin)
    lane.passed(offset)
    const { buffer } = event
    const kind = event.partial || op === 'update' ? UPDATE : INSERT
    const { table } = fitted
    const span = this.#span ?? { kind, table, buffer, ...row, oldFrom: -1, oldTo: -1 }
    this.#span = span
    span.kind = kind
    span.table = table
    span.buffer = buffer
    span.from = row.from
    span.to = row.to
    lane.change(span, origin?.committedAt ?? null)
    return true
  }

  /** Columns of rows that take the place of all that there are: none lacks a value. */
  grow(table: Table): void {
    if (this.#shapes.of(table) === null) this.#grown.push(this.#shapes.grow(table, { all: true }))
  }

  /** The tuple of an event as the table has its columns. */
  fitted(event: RowEvent, lane: Lane, entry: Entry) {
    let fitted = this.#shapes.of(event.table)
    if (fitted === null) {
      this.#together.require(lane, entry)
      this.#grown.push(this.#shapes.grow(event.table))
      fitted = this.#shapes.of(event.table)
    }
    if (fitted === null) throw new TypeError('a table that was just grown does not fit')
    const span = event.op === 'delete' ? gone(event) : event.row
    if (span.from < 0) throw incomplete(this.#name, event)
    const { table } = fitted
    if (fitted.same) return { table, buffer: event.buffer, ...span }
    const buffer = fitted.fit(event.buffer.subarray(span.from, span.to))
    return { table, buffer, from: 0, to: buffer.length }
  }

  /** A commit of its own, after all that was handed on, or a piece of its transaction. */
  commit(entry: Entry, { changes, lanes, at }: Committed): void {
    for (const lane of this.#lanes) lane.flush(this.items)
    const all = [...this.grown(), ...changes]
    const member = memberOf(entry)
    if (this.#wholes !== null && member !== null) {
      const { poll } = entry
      this.#wholes.add(this.items, { member, topic: this.#name, lanes, changes: all, at, poll })
      return
    }
    const transaction = this.id()
    const positions = this.positions(lanes)
    this.items.push({
      kind: 'commit',
      transaction,
      changes: all,
      positions,
      committedAt: bigint(at),
    })
  }

  /** Where these stand now, which is said by that. */
  positions(lanes: readonly Lane[]): Positions {
    return new Map(
      lanes.map((lane) => {
        lane.told()
        return [laneOf(lane), positionAt(this.#log, lane.place)]
      }),
    )
  }
}
