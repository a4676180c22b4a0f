import type { DebeziumEvent, Membership, TransactionEvent } from '../../dialect/debezium/event.ts'
import { bigint, type Whole } from '../../dialect/debezium/place.ts'
import type { Change, StreamItem } from '../../model/change.ts'
import { Changes, type RowSpan } from '../../model/changes.ts'
import type { Table } from '../../model/table.ts'
import type { Wholeness } from '../source.ts'
import type { Lane } from './lane.ts'
import { Numbers } from './numbers.ts'
import { type LanePlace, laneOf, positionAt } from './place.ts'

/** A topic whose rows are put together with those of others. */
export interface Member {
  readonly name: string
  readonly table: Table
  readonly lanes: readonly Lane[]
}

export interface WholesOptions {
  readonly log: string
  /** Of the topic that tells where transactions begin and end. */
  readonly lane: Lane
  /** Milliseconds to wait for what is missing of a transaction. */
  readonly patience: number
  readonly notice: (text: string) => void
  /** Told when that changes. */
  readonly wholeness: (wholeness: Wholeness) => void
}

/** A transaction of which rows have come. */
interface Open {
  readonly id: string
  at: Whole | null
  /** The numbers of its rows in each topic. */
  readonly seen: Numbers
  /** Where its partitions stand after its last row. */
  readonly places: Map<Lane, LanePlace>
  /** The answer of the brokers that brought its last row. */
  poll: number
}

/** The end of a transaction, which waits for rows. */
interface End {
  readonly event: TransactionEvent
  readonly poll: number
  readonly offset: bigint
}

/** Open transactions beyond which only what ends them is read. */
const MOST = 10_000
/** Transactions whose rows were told again, or are still to come, that are remembered. */
const REMEMBERED = 1000
/** Transactions that come whole after one that did not, until the next one is waited for. */
const TRUST = 20

/**
 * Transactions of the source, put together from the topics that their rows are spread over. The
 * topic of transactions says, in the order of commits, how many rows each has in which table. What
 * does not come in time is not waited for any longer: rows are never held back for good, and that a
 * transaction may have been applied in pieces is said.
 */
export class Wholes {
  readonly lane: Lane
  readonly #options: WholesOptions
  readonly #members: Member[] = []
  readonly #open = new Map<string, Open>()
  /** The open ones of each partition, in the order of their rows. */
  readonly #byLane = new Map<Lane, Open[]>()
  readonly #passed = new Map<string, Numbers>()
  /** Ends of which no row had come when every partition was read: some may still be sent. */
  readonly #early = new Map<string, TransactionEvent>()
  /** Transactions whose end was read and is not the next one yet. */
  readonly #ending = new Set<string>()
  /** The topic of transactions was looked through up to here. */
  #scanned = 0n
  /** Transactions that must come whole before they are waited for again. */
  #torn = 0
  #tears = 0
  /** What is waited for, and since when. */
  #wait: { readonly id: string; readonly since: number } | null = null

  constructor(options: WholesOptions) {
    this.#options = options
    this.lane = options.lane
  }

  get wholeness(): Wholeness {
    return { whole: true, why: `the topic ${this.lane.topic} tells where they end` }
  }

  join(member: Member): void {
    this.#members.push(member)
  }

  /** What stands before the place that the topic is read from: rows of it may be sent later. */
  recall(event: DebeziumEvent): void {
    if (event.kind !== 'transaction' || event.status !== 'end') return
    const id = transactionOf(event.id)
    remember(this.#early, id, { ...event, id })
  }

  /** True while the partition has rows of transactions that did not end. */
  isOpen(lane: Lane): boolean {
    return (this.#byLane.get(lane)?.length ?? 0) > 0
  }

  /** False for partitions that are far enough ahead of the topic of transactions. */
  reads(member: Member): boolean {
    if (this.#open.size < MOST) return true
    const end = this.#end()
    return end !== null && this.#lacking(end.event).includes(member)
  }

  /** A row of a transaction, or what is carried out with it; the lanes stand behind it. */
  add(items: StreamItem[], what: Added): void {
    const { member, topic, lanes, at, poll } = what
    const id = transactionOf(member.id)
    const open = this.#opened(id)
    open.at = at ?? open.at
    open.poll = poll
    open.seen.add(topic, member.collectionOrder)
    for (const lane of lanes) this.#stand(open, lane)
    put(items, this.#name(id), what.changes)
  }

  /** What another partition's row was carried out together with. */
  joined(lane: Lane, { id }: Membership): void {
    const open = this.#open.get(transactionOf(id))
    if (open === undefined) return
    this.#stand(open, lane)
  }

  #stand(open: Open, lane: Lane): void {
    const list = this.#byLane.get(lane)
    if (list === undefined) this.#byLane.set(lane, [open])
    else if (!open.places.has(lane)) list.push(open)
    open.places.set(lane, lane.place)
  }

  /** A row that was told before. */
  passed(topic: string, member: Membership | null): void {
    if (member === null) return
    const { collectionOrder } = member
    const id = transactionOf(member.id)
    const known = this.#open.get(id)?.seen ?? this.#passed.get(id) ?? new Numbers()
    known.add(topic, collectionOrder)
    if (this.#open.has(id)) return
    remember(this.#passed, id, known)
  }

  /** Ends what can be ended; true when something did. `now`: milliseconds. */
  drain(items: StreamItem[], now: number): boolean {
    const before = this.#open.size
    this.#scan()
    this.#belated(items)
    for (let end = this.#end(); end !== null; end = this.#end()) {
      this.#ending.delete(end.event.id)
      const ready = this.#isReady(end, now)
      if (!ready) break
      const open = this.#open.get(end.event.id)
      this.#passed.delete(end.event.id)
      this.lane.skip()
      if (open !== undefined) this.#commit(items, open, true)
    }
    this.#endless(items, now)
    this.lane.caughtUp()
    this.lane.progress(items)
    return this.#open.size < before
  }

  /** The next end of a transaction; what says nothing of one is passed over. */
  #end(): End | null {
    for (let entry = this.lane.head; entry !== undefined; entry = this.lane.head) {
      const { event, poll, offset } = entry
      if (event.kind === 'transaction' && event.status === 'end') {
        return { event: { ...event, id: transactionOf(event.id) }, poll, offset }
      }
      this.lane.skip()
    }
    return null
  }

  #scan(): void {
    if (this.lane.fetched === this.#scanned) return
    for (const { offset, event } of this.lane.waiting()) {
      const ends = event.kind === 'transaction' && event.status === 'end'
      if (ends && offset >= this.#scanned) this.#ending.add(transactionOf(event.id))
    }
    this.#scanned = this.lane.fetched
  }

  /** Rows that were sent later than the end of their transaction. */
  #belated(items: StreamItem[]): void {
    for (const [id, event] of this.#early) {
      const open = this.#open.get(id)
      if (open === undefined || this.#lacking(event).length > 0) continue
      if (this.#isBehindLate(open)) continue
      this.#early.delete(id)
      this.#commit(items, open, false)
    }
  }

  #isReady({ event, poll }: End, now: number): boolean {
    const lacking = this.#lacking(event)
    const open = this.#open.get(event.id)
    if (lacking.length === 0) {
      if (open === undefined) return true
      if (this.#isBehindLate(open) && !this.#isLate(event.id, now)) return false
      this.#mended()
      return true
    }
    const lanes = lacking.flatMap((member) =>
      member.lanes.filter((lane) => !this.#isPast(lane, event)),
    )
    const unread = lanes.filter((lane) => !lane.isReadAfter(poll))
    if (unread.length > 0 && !this.#areStuck(unread, event, now)) return false
    // Nothing of it is there: it was told before, or of rows that are not read.
    if (open === undefined) {
      if (lanes.length > 0) remember(this.#early, event.id, event)
      return true
    }
    if (lanes.length > 0 && !this.#isLate(event.id, now)) return false
    const names = lacking.map(({ name }) => name).join(', ')
    this.#tear(`the end of transaction ${event.id} tells of rows in ${names} that did not come`)
    return true
  }

  /** True for a partition with rows of a transaction that ends later: it has no more of this one. */
  #isPast(lane: Lane, { id }: TransactionEvent): boolean {
    const opened = this.#byLane.get(lane) ?? []
    // The end of one that ended early may be told again, later than this one.
    const later = (open: Open): boolean => open.id !== id && !this.#early.has(open.id)
    return opened.some((open) => later(open) && this.#ending.has(open.id))
  }

  /** True behind one whose end was read early, and whose other rows may still be sent. */
  #isBehindLate(open: Open, seen: Set<Open> = new Set()): boolean {
    if (this.#early.size === 0) return false
    seen.add(open)
    return [...open.places.keys()].some((lane) => {
      const list = this.#byLane.get(lane) ?? []
      return list.slice(0, list.indexOf(open)).some((before) => {
        const end = this.#early.get(before.id)
        if (end !== undefined && this.#lacking(end).length > 0) return true
        return !seen.has(before) && this.#isBehindLate(before, seen)
      })
    })
  }

  /** Topics that the transaction has more rows in than have come. */
  #lacking({ id, collections }: TransactionEvent): readonly Member[] {
    const seen = this.#open.get(id)?.seen ?? this.#passed.get(id)
    return this.#members.filter((member) => {
      const told = collections.find(({ name }) => isOf(name, member.table))?.events ?? 0
      return told > (seen?.upTo(member.name) ?? 0)
    })
  }

  /** Transactions whose end does not come. */
  #endless(items: StreamItem[], now: number): void {
    for (const open of this.#open.values()) {
      if (this.lane.head !== undefined || !this.lane.isReadAfter(open.poll)) return
      if (!this.#isLate(open.id, now)) return
      this.#tear(`the end of transaction ${open.id} did not come`)
      this.#commit(items, open, false)
    }
  }

  /** What is next in partitions may wait for a transaction whose end never comes. */
  #areStuck(lanes: readonly Lane[], { id }: TransactionEvent, now: number): boolean {
    if (lanes.some(({ head }) => head === undefined)) return false
    return this.#hasWaited(`${id} at ${lanes.map(({ applied }) => applied).join()}`, now)
  }

  #isLate(id: string, now: number): boolean {
    return this.#torn > 0 || this.#hasWaited(id, now)
  }

  #hasWaited(id: string, now: number): boolean {
    if (this.#wait?.id !== id) this.#wait = { id, since: now }
    return now - this.#wait.since >= this.#options.patience
  }

  #tear(why: string): void {
    if (this.#torn === 0) this.#options.wholeness({ whole: false, why })
    this.#torn = TRUST
    this.#tears++
    if (!/^10*$/.test(String(this.#tears))) return
    this.#options.notice(
      `transactions may be applied in pieces, each row in its order: ${why} (${this.#tears} so far)`,
    )
  }

  #mended(): void {
    this.#wait = null
    if (this.#torn === 0 || --this.#torn > 0) return
    this.#options.notice('transactions are applied as wholes again')
    this.#options.wholeness(this.wholeness)
  }

  #opened(id: string): Open {
    const known = this.#open.get(id)
    if (known !== undefined) return known
    const seen = this.#passed.get(id) ?? new Numbers()
    this.#passed.delete(id)
    const made: Open = { id, at: null, seen, places: new Map(), poll: 0 }
    this.#open.set(id, made)
    return made
  }

  #commit(items: StreamItem[], open: Open, ended: boolean): void {
    this.#open.delete(open.id)
    for (const lane of open.places.keys()) this.#release(items, lane, open)
    const places = [...open.places.values()]
    if (ended) places.push(this.lane.place)
    const { log } = this.#options
    const positions = new Map(places.map((place) => [laneOf(place), positionAt(log, place)]))
    if (ended) this.lane.told()
    for (const [lane, { offset }] of open.places) lane.told(offset)
    const transaction = this.#name(open.id)
    items.push({
      kind: 'commit',
      transaction,
      changes: [],
      positions,
      committedAt: bigint(open.at),
    })
  }

  /** Those before it in its partition committed before it, so that their end is lost. */
  #release(items: StreamItem[], lane: Lane, open: Open): void {
    const list = this.#byLane.get(lane) ?? []
    const at = list.indexOf(open)
    if (at < 0) return
    for (const before of list.splice(0, at + 1)) {
      if (this.#open.get(before.id) !== before) continue
      const end = this.#early.get(before.id)
      if (end === undefined || this.#lacking(end).length > 0) {
        this.#tear(`the end of transaction ${before.id} did not come`)
      }
      this.#commit(items, before, false)
    }
  }

  #name(id: string): string {
    return `${this.lane.topic} ${id}`
  }
}

/** What came of a transaction. */
export interface Added {
  readonly member: Membership
  readonly topic: string
  /** Partitions that stand behind it. */
  readonly lanes: readonly Lane[]
  readonly changes: readonly Change[] | RowSpan
  readonly at: Whole | null
  readonly poll: number
}

/** Adds to the newest part of the transaction where that came last. */
function put(items: StreamItem[], transaction: string, what: Added['changes']): void {
  const last = items.at(-1)
  const open = last?.kind === 'part' && last.transaction === transaction ? last : null
  if (!('kind' in what)) {
    items.push({ kind: 'part', transaction, sub: null, changes: what })
    return
  }
  if (open?.changes instanceof Changes) {
    open.changes.add(what.kind, what.table, what)
    return
  }
  const changes = Changes.empty()
  changes.add(what.kind, what.table, what)
  items.push({ kind: 'part', transaction, sub: null, changes })
}

/** As many of them as there is room for. */
function remember<T>(known: Map<string, T>, id: string, what: T): void {
  known.set(id, what)
  const [oldest] = known.keys()
  if (known.size > REMEMBERED && oldest !== undefined) known.delete(oldest)
}

/** The connector of PostgreSQL writes the place of each event behind the transaction: `757:13317176`. */
function transactionOf(id: string): string {
  return /^\d+:\d+$/.test(id) ? id.slice(0, id.indexOf(':')) : id
}

/** `public.t`, `shop.t` and `shop.dbo.t` name the table, each as its connector does. */
function isOf(collection: string, { schema, name }: Table): boolean {
  const own = `${schema}.${name}`
  return collection === own || collection.endsWith(`.${own}`)
}
