import type { Change, SchemaChange, TruncateChange } from './change.ts'
import type { Table } from './table.ts'
import type { Tuple } from './tuple.ts'
import { bufferAt, numberOf, type Tuples, viewOf } from './tuples.ts'

export const INSERT = 0
export const UPDATE = 1
export const DELETE = 2
/** A truncate or a schema change. */
export const OTHER = 3

/** Kinds of row changes by their numbers. */
export const ROW_KINDS = ['insert', 'update', 'delete'] as const

/** Where the tuples of a row change stand; `from` and `oldFrom` are -1 where there is none. */
export interface RowPlace {
  readonly buffer: Buffer
  readonly from: number
  readonly to: number
  readonly oldFrom: number
  readonly oldTo: number
}

/** A change of a row, where it stands. */
export interface RowSpan extends RowPlace {
  /** INSERT, UPDATE or DELETE. */
  readonly kind: number
  readonly table: Table
}

/**
 * Of each change: its kind; the number of its table, or of the change itself where it is no row
 * change; number of the buffer, begin and end of the row, and the same of the old tuple.
 */
const WIDTH = 8
/** Room in the beginning: up to 64 bytes of it cost no memory of their own. */
const SMALLEST = 2
/** Bytes that a change is taken to cost beside its tuples. */
const OVERHEAD = 100

type Other = TruncateChange | SchemaChange

/** What several lists may share, since it only grows. */
interface Things {
  readonly tables: Table[]
  readonly numbers: Map<Table, number>
  readonly buffers: Buffer[]
  readonly others: Other[]
}

/**
 * Changes in order, each known by where its tuples stand in which buffer, so that nothing is made
 * for a change. The buffers must not change while the list lives.
 */
export class Changes implements Iterable<Change> {
  readonly #things: Things
  #facts: Int32Array
  #length = 0
  #bytes = 0

  private constructor(things: Things, facts: Int32Array, length: number) {
    this.#things = things
    this.#facts = facts
    this.#length = length
    for (let i = 0; i < length; i++) this.#bytes += this.#weight(i)
  }

  /** An empty list with room for about so many. */
  static empty(room = SMALLEST): Changes {
    const things = { tables: [], numbers: new Map(), buffers: [], others: [] }
    return new Changes(things, new Int32Array(Math.max(room, SMALLEST) * WIDTH), 0)
  }

  /** The list itself when it is one already. */
  static of(changes: Iterable<Change>): Changes {
    if (changes instanceof Changes) return changes
    const made = Changes.empty()
    for (const change of changes) made.push(change)
    return made
  }

  /** All of several lists, in order. */
  static joined(lists: readonly Changes[]): Changes {
    const [only] = lists
    if (only !== undefined && lists.length === 1) return only
    const made = Changes.empty(lists.reduce((sum, list) => sum + list.length, 0))
    for (const list of lists) made.append(list)
    return made
  }

  get length(): number {
    return this.#length
  }
  /** What the list keeps in memory, roughly. */
  get bytes(): number {
    return this.#bytes
  }

  /** Takes a place without holding on to it: whoever reads rows says where each one stands. */
  add(kind: number, table: Table, { buffer, from, to, oldFrom, oldTo }: RowPlace): void {
    const at = this.#begin(kind, tableNumber(this.#things, table))
    const number = numberOf(this.#things.buffers, buffer)
    const facts = this.#facts
    facts[at + 2] = number
    facts[at + 3] = from
    facts[at + 4] = to
    facts[at + 5] = number
    facts[at + 6] = oldFrom
    facts[at + 7] = oldTo
    this.#bytes += this.#weight(this.#length++)
  }

  push(change: Change): void {
    const { buffers, others } = this.#things
    if (change.kind === 'truncate' || change.kind === 'schema') {
      const at = this.#begin(OTHER, others.push(change) - 1)
      this.#span(at + 2, NO_TUPLE)
      this.#span(at + 5, NO_TUPLE)
    } else {
      const at = this.#begin(
        ROW_KINDS.indexOf(change.kind),
        tableNumber(this.#things, change.table),
      )
      this.#span(at + 2, wholeOf(buffers, change.row))
      this.#span(at + 5, wholeOf(buffers, change.old))
    }
    this.#bytes += this.#weight(this.#length++)
  }

  kind(index: number): number {
    return this.#facts[index * WIDTH] ?? OTHER
  }
  /** Throws RangeError for an OTHER. */
  table(index: number): Table {
    const table = this.#things.tables[this.#facts[index * WIDTH + 1] ?? -1]
    if (table === undefined || this.kind(index) === OTHER)
      throw new RangeError(`no row change ${index}`)
    return table
  }
  /** Throws RangeError for a change of a row. */
  other(index: number): Other {
    const other = this.#things.others[this.#facts[index * WIDTH + 1] ?? -1]
    if (other === undefined || this.kind(index) !== OTHER)
      throw new RangeError(`change ${index} is one of a row`)
    return other
  }
  /** Where the row begins in its buffer; -1 where there is none. */
  rowFrom(index: number): number {
    return this.#facts[index * WIDTH + 3] ?? -1
  }
  rowTo(index: number): number {
    return this.#facts[index * WIDTH + 4] ?? -1
  }
  rowBuffer(index: number): Buffer {
    return bufferAt(this.#things.buffers, this.#facts[index * WIDTH + 2])
  }
  oldFrom(index: number): number {
    return this.#facts[index * WIDTH + 6] ?? -1
  }
  oldTo(index: number): number {
    return this.#facts[index * WIDTH + 7] ?? -1
  }
  oldBuffer(index: number): Buffer {
    return bufferAt(this.#things.buffers, this.#facts[index * WIDTH + 5])
  }

  /** Views of the tuples; null where there is none. */
  row(index: number): Tuple | null {
    const from = this.rowFrom(index)
    return from < 0 ? null : viewOf(this.rowBuffer(index), from, this.rowTo(index))
  }
  old(index: number): Tuple | null {
    const from = this.oldFrom(index)
    return from < 0 ? null : viewOf(this.oldBuffer(index), from, this.oldTo(index))
  }

  /** Adds the row of a change to tuples. Throws TypeError where there is none. */
  rowInto(tuples: Tuples, index: number): void {
    const from = this.rowFrom(index)
    if (from < 0) throw new TypeError(`a change of kind ${this.kind(index)} without its row`)
    tuples.add(this.rowBuffer(index), from, this.rowTo(index))
  }
  /** The same of the old tuple. */
  oldInto(tuples: Tuples, index: number): void {
    const from = this.oldFrom(index)
    if (from < 0) throw new TypeError('a delete without the tuple that finds its row')
    tuples.add(this.oldBuffer(index), from, this.oldTo(index))
  }

  at(index: number): Change {
    const kind = ROW_KINDS[this.kind(index)]
    if (kind === undefined) return this.other(index)
    return { kind, table: this.table(index), row: this.row(index), old: this.old(index) }
  }

  /** True when a schema change is among them. */
  get reshapes(): boolean {
    return this.#things.others.some(({ kind }) => kind === 'schema') && [...this].some(isSchema)
  }

  *[Symbol.iterator](): Generator<Change, void, undefined> {
    for (let i = 0; i < this.#length; i++) yield this.at(i)
  }

  /** Some of them, as a list that must not be added to; this one may grow on. */
  slice(from: number, to: number): Changes {
    if (from < 0 || to > this.#length)
      throw new RangeError(`changes ${from} to ${to} of ${this.#length}`)
    return new Changes(this.#things, this.#facts.subarray(from * WIDTH, to * WIDTH), to - from)
  }

  /** The same changes, each of the table that `to` says, as a list that must not be added to. */
  speakingOf(to: (table: Table) => Table): Changes {
    const { tables, buffers, others } = this.#things
    const things = {
      tables: tables.map(to),
      numbers: new Map(),
      buffers,
      others: others.map((other): Other => {
        if (other.kind === 'truncate') return { ...other, tables: other.tables.map(to) }
        return { ...other, from: to(other.from), to: to(other.to) }
      }),
    }
    return new Changes(things, this.#facts, this.#length)
  }

  /** Those from `from` on in a list of their own, which holds on to no other buffers. */
  rest(from: number): Changes {
    const made = Changes.empty(this.#length - from)
    made.append(this, from)
    return made
  }

  /** Adds the changes of another list from `from` on. */
  append(other: Changes, from = 0): void {
    for (let i = from; i < other.length; i++) this.take(other, i)
  }

  /** Adds a change of another list. */
  take(other: Changes, index: number): void {
    if (other.kind(index) === OTHER) {
      this.push(other.other(index))
      return
    }
    const at = this.#begin(other.kind(index), tableNumber(this.#things, other.table(index)))
    const there = index * WIDTH
    this.#takeSpan(at + 2, other, there + 2)
    this.#takeSpan(at + 5, other, there + 5)
    this.#bytes += this.#weight(this.#length++)
  }

  /** By hand, since it runs for every change of a transaction that came in parts. */
  #takeSpan(at: number, other: Changes, there: number): void {
    const facts = this.#facts
    const theirs = other.#facts
    const from = theirs[there + 1] ?? -1
    facts[at] =
      from < 0 ? -1 : numberOf(this.#things.buffers, bufferAt(other.#things.buffers, theirs[there]))
    facts[at + 1] = from
    facts[at + 2] = theirs[there + 2] ?? -1
  }

  #begin(kind: number, thing: number): number {
    const at = this.#length * WIDTH
    if (at + WIDTH > this.#facts.length) {
      const facts = new Int32Array(this.#facts.length * 2)
      facts.set(this.#facts)
      this.#facts = facts
    }
    this.#facts[at] = kind
    this.#facts[at + 1] = thing
    return at
  }

  #span(
    at: number,
    span: { readonly number: number; readonly from: number; readonly to: number },
  ): void {
    this.#facts[at] = span.number
    this.#facts[at + 1] = span.from
    this.#facts[at + 2] = span.to
  }

  #weight(index: number): number {
    const at = index * WIDTH
    const facts = this.#facts
    return (
      OVERHEAD +
      (facts[at + 4] ?? 0) -
      (facts[at + 3] ?? 0) +
      (facts[at + 7] ?? 0) -
      (facts[at + 6] ?? 0)
    )
  }
}

const NO_TUPLE = { number: -1, from: -1, to: -1 }

function wholeOf(buffers: Buffer[], tuple: Tuple | null): typeof NO_TUPLE {
  if (tuple === null) return NO_TUPLE
  return { number: numberOf(buffers, tuple), from: 0, to: tuple.length }
}

/** Neighbours are mostly of one table. */
function tableNumber({ tables, numbers }: Things, table: Table): number {
  const last = tables.length - 1
  if (tables[last] === table) return last
  const known = numbers.get(table)
  if (known !== undefined) return known
  numbers.set(table, tables.length)
  return tables.push(table) - 1
}

function isSchema({ kind }: Change): boolean {
  return kind === 'schema'
}
