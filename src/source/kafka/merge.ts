import type { Membership, Origin } from '../../dialect/debezium/event.ts'
import type { Entry, Lane } from './lane.ts'
import { emission } from './marks.ts'

/**
 * The order of events over the partitions of a topic: that in which their connector told them. The
 * first of those that wait is the next one when every other partition has one that comes later, or
 * was read to an end that was asked for after the event had come.
 */
export class Merge {
  readonly #lanes: readonly Lane[]
  #ends: ReadonlyMap<number, bigint> = new Map()
  /** The newest answer of the brokers that the ends are known to come after. */
  #known = -1
  #newest = -1
  asks = false

  constructor(lanes: readonly Lane[]) {
    this.#lanes = lanes
  }

  ends(ends: ReadonlyMap<number, bigint>): void {
    this.#ends = ends
    this.#known = this.#newest
    this.asks = false
  }

  /** True when the ends were asked for after this answer. */
  knows(poll: number): boolean {
    return this.#lanes.length === 1 || this.#known >= poll
  }

  /** True when the partitions were read to ends that were asked for after this answer had come. */
  isRead(poll: number): boolean {
    return this.#lanes.length === 1 || (this.#known >= poll && this.#lanes.every(this.#isEmpty))
  }

  readonly #isEmpty = (lane: Lane): boolean => {
    return lane.head !== undefined || lane.fetched >= (this.#ends.get(lane.partition) ?? 0n)
  }

  /** The partition whose event comes next; null where that is not known yet, or nothing waits. */
  next(): Lane | null {
    let first: { readonly lane: Lane; readonly entry: Entry } | null = null
    for (const lane of this.#lanes) {
      const entry = lane.head
      if (entry === undefined) continue
      if (entry.poll > this.#newest) this.#newest = entry.poll
      if (first === null || isBefore(entry, first.entry)) first = { lane, entry }
    }
    this.asks = false
    if (first === null || this.#lanes.length === 1) return first?.lane ?? null
    const { entry } = first
    if (originOf(entry)?.place == null) return first.lane
    if (this.#lanes.every(({ head }) => head !== undefined)) return first.lane
    this.asks = entry.poll > this.#known
    return this.isRead(entry.poll) ? first.lane : null
  }
}

/** What does not say where it stands waits for nobody. */
function isBefore(a: Entry, b: Entry): boolean {
  const [mine, other] = [originOf(a), originOf(b)]
  if (mine === null || mine.place === null) return true
  if (other === null || other.place === null) return false
  const stands = emission(mine, other)
  // A change of a key is a delete and a create of one place.
  return stands < 0 || (stands === 0 && isDelete(a) && !isDelete(b))
}

function isDelete({ event }: Entry): boolean {
  return event.kind === 'row' && event.op === 'delete'
}

export function originOf({ event }: Pick<Entry, 'event'>): Origin | null {
  return 'origin' in event ? event.origin : null
}

/** The transaction that an entry is applied with, which it names. */
export function memberOf(entry: Entry): Membership | null {
  return entry.apart === true ? null : (originOf(entry)?.membership ?? null)
}
