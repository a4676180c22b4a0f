import type { DebeziumEvent, Origin } from '../../dialect/debezium/event.ts'
import { bigint, type Parts, type Whole } from '../../dialect/debezium/place.ts'
import type { StreamItem } from '../../model/change.ts'
import { Changes, type RowSpan } from '../../model/changes.ts'
import { Run } from '../../model/run.ts'
import { type Marks, marked } from './marks.ts'
import { type LanePlace, positionsAt } from './place.ts'
import { marksAt, Trail } from './trail.ts'

/** A record of a partition and what it says. */
export interface Entry {
  readonly offset: bigint
  /** As `keptKey` gives it. */
  readonly key: Buffer | null
  readonly event: DebeziumEvent
  /** Which answer of the brokers brought it; they are counted. */
  readonly poll: number
  /** It was carried out together with another one. */
  joined: boolean
  /** It is applied by itself, whatever transaction it names. */
  readonly apart?: boolean
}

/**
 * The key of a record, where it is looked at again: of a delete and of a tombstone. A copy, since
 * what waits would keep the whole answer that it is a view of.
 */
export function keptKey(key: Buffer | null, event: DebeziumEvent): Buffer | null {
  const ends = event.kind === 'tombstone' || (event.kind === 'row' && event.op === 'delete')
  return ends && key !== null ? Buffer.from(key) : null
}

/** What waits until every partition was read up to here; null: not known yet. */
export interface Hold {
  ends: ReadonlyMap<number, bigint> | null
}

/** No offset: what stands there was not said. */
const UNTOLD = -1n

/** Entries that are kept for a partition that has to wait, before reading of it stops. */
const MOST = 20_000
/** Entries that were dealt with and are kept nevertheless, at most, beside as many as wait. */
const PASSED = 1000

/** One partition: what was read of it and not handed on, and where it stands. */
export class Lane {
  readonly topic: string
  readonly partition: number
  readonly #log: string
  /** The next record to ask the broker for. */
  fetched: bigint
  /** The next record after those that were handed on or passed over. */
  applied: bigint
  /** What was told of the log, up to `applied`. */
  readonly trail: Trail
  /** Records before are applied one by one: their transactions may have ended long ago. */
  apart = 0n
  /** Why its next entry has to wait. */
  hold: Hold | null = null
  /** Of the newest change that was passed over for a snapshot which is not carried out yet. */
  replaced: Origin | null = null
  /** Where the partition ended when the newest answer of the brokers was made. */
  seen: { readonly poll: number; readonly end: bigint } = { poll: -1, end: 0n }
  /** The key of the record before, where that was a delete; true where only that is known. */
  #gone: Buffer | boolean
  #queue: Entry[] = []
  #head = 0
  /** What makes the next one of those that have come; null where all are made. */
  #draw: (() => Entry | null) | null = null
  #told: bigint
  #changes = Changes.empty()
  #ends: number[] = []
  #places = new PlacesOf()

  constructor(log: string, place: LanePlace) {
    this.#log = log
    this.topic = place.topic
    this.partition = place.partition
    this.fetched = place.offset
    this.applied = place.offset
    this.#told = place.offset
    this.trail = new Trail(place.marks)
    this.#gone = place.gone
  }

  get full(): boolean {
    return this.#queue.length - this.#head >= MOST
  }
  get head(): Entry | undefined {
    if (this.#head === this.#queue.length && this.#draw !== null) this.#drawNext(this.#draw)
    return this.#queue[this.#head]
  }
  get marks(): Marks {
    return this.trail.marks
  }
  set marks(marks: Marks) {
    this.trail.marks = marks
  }
  /** The record before was a delete. */
  get gone(): boolean {
    return this.#gone !== false
  }
  get place(): LanePlace {
    const { topic, partition, applied, marks, gone } = this
    return { topic, partition, offset: applied, gone, marks }
  }

  push(entry: Entry): void {
    this.#queue.push(entry)
  }

  /**
   * Entries are made by `next` as those before them are dealt with, so that few wait; it gives null
   * after the last one. Those that it has not made are as if they had not come.
   */
  draws(next: (() => Entry | null) | null): void {
    this.#draw = next
  }

  #drawNext(next: () => Entry | null): void {
    const entry = next()
    if (entry === null) this.#draw = null
    else this.push(entry)
  }

  /** Those that wait behind the next one, and it. */
  *waiting(): Generator<Entry, void, undefined> {
    for (let i = this.#head; i < this.#queue.length; i++) {
      const entry = this.#queue[i]
      if (entry !== undefined) yield entry
    }
  }

  /** True for a tombstone of a row whose delete came right before it. */
  isSaid({ key }: Entry): boolean {
    if (typeof this.#gone === 'boolean') return this.#gone
    return key !== null && this.#gone.equals(key)
  }

  /** The next entry was dealt with. */
  pass({ offset, key, event }: Entry): void {
    this.#head++
    this.applied = offset + 1n
    this.hold = null
    this.#gone = event.kind === 'row' && event.op === 'delete' && (key ?? false)
    if (this.#head < this.#queue.length) {
      this.#forget()
      return
    }
    this.#queue = []
    this.#head = 0
    // Records that were aborted or compacted away are passed, too.
    this.applied = this.fetched
  }

  /** A change of a row at this offset, before which nothing waited, was dealt with. */
  passed(offset: bigint): void {
    this.applied = offset + 1n
    this.#gone = false
  }

  /** The next entry, which waits no more, was dealt with so. */
  shift(): void {
    // Where one waits at a time, the list stays as it is.
    if (this.#queue.length === 1) this.#queue.pop()
    else this.#head++
    if (this.#head < this.#queue.length) this.#forget()
    else if (this.#head > 0) {
      this.#queue = []
      this.#head = 0
    }
  }

  /** The next entry says nothing, or what it said was taken. */
  skip(): void {
    const { head } = this
    if (head !== undefined) this.pass(head)
  }

  /** True when it was read to an end that was told after this answer, or cannot be read on. */
  isReadAfter(poll: number): boolean {
    if (this.full) return true
    return this.seen.poll > poll && this.head === undefined && this.fetched >= this.seen.end
  }

  /** Partitions that wait for one another may never be empty. */
  #forget(): void {
    if (this.#head < PASSED || this.#head * 2 < this.#queue.length) return
    this.#queue = this.#queue.slice(this.#head)
    this.#head = 0
  }

  /** Nothing waits, and the broker has shown everything before `fetched`. */
  caughtUp(): void {
    if (this.head === undefined) this.applied = this.fetched
  }

  /** Hands on a change of a row, which is all that its record says. */
  change(row: RowSpan, at: Whole | null): void {
    this.#changes.add(row.kind, row.table, row)
    this.#ends.push(this.#changes.length)
    this.#places.add(this, at)
  }

  /** Moves what was handed on into the burst. */
  flush(items: StreamItem[]): void {
    const places = this.#places
    const last = places.offsets.at(-1)
    if (last === undefined) return
    this.#told = last
    items.push({ kind: 'run', run: this.#run(places) })
    this.#changes = Changes.empty()
    this.#ends = []
    this.#places = new PlacesOf()
  }

  /** Says how far it stands, unless that is said. */
  progress(items: StreamItem[]): void {
    this.flush(items)
    if (this.#told === this.applied) return
    this.told()
    items.push({ kind: 'progress', positions: positionsAt(this.#log, this.place) })
  }

  /** The first row of a snapshot came, here or in another partition before anything did here. */
  expect(origin: Origin): void {
    if (this.marks.length > 0 || origin.place === null) return
    this.marks = marked(this.marks, origin)
    this.#told = UNTOLD
  }

  /** A commit of its own says where it stands. */
  told(offset = this.applied): void {
    this.#told = offset
  }

  #run(places: PlacesOf): Run {
    const log = this.#log
    const { topic, partition } = this
    return new Run(this.#changes, this.#ends, {
      length: places.offsets.length,
      positions: (i) => positionsAt(log, { topic, partition, ...places.at(i) }),
      committedAt: (i) => bigint(places.times[i] ?? null),
    })
  }
}

/** Where a partition stands after each of its changes, and when those were committed. */
class PlacesOf {
  readonly offsets: bigint[] = []
  readonly times: (Whole | null)[] = []
  readonly #gone: boolean[] = []
  /** The marks, or what they are made of: see `Trail`. */
  readonly #bases: Marks[] = []
  readonly #parts: (Parts | null)[] = []
  readonly #ats: Whole[] = []

  /** Where the lane stands now; `at`: when the change was committed. */
  add({ applied, gone, trail }: Lane, at: Whole | null): void {
    this.offsets.push(applied)
    this.times.push(at)
    this.#gone.push(gone)
    this.#bases.push(trail.base)
    this.#parts.push(trail.parts)
    this.#ats.push(trail.at)
  }

  at(index: number): Omit<LanePlace, 'topic' | 'partition'> {
    const offset = this.offsets[index]
    const base = this.#bases[index]
    if (offset === undefined || base === undefined) throw new RangeError(`no change ${index}`)
    const marks = marksAt(base, this.#parts[index] ?? null, this.#ats[index] ?? 0)
    return { offset, gone: this.#gone[index] ?? false, marks }
  }
}
