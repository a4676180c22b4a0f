import type { Decoder } from '../../dialect/debezium/decoder.ts'
import type { DebeziumEvent, Origin, RowEvent } from '../../dialect/debezium/event.ts'
import { byNumber } from '../../dialect/debezium/place.ts'
import type { PlaceOffset, Topic } from '../../dialect/kafka/cluster.ts'
import type { KafkaMessage } from '../../dialect/kafka/records.ts'
import { Fault } from '../../model/fault.ts'
import type { Table } from '../../model/table.ts'
import { emission, isFirst, isLast, isWhole, order } from './marks.ts'
import { originOf } from './merge.ts'
import { type Logs, recordsBetween } from './topics.ts'

/** The part of a topic that is looked through. */
export interface Stretch {
  readonly topic: Topic
  readonly decoder: Decoder
  /** Of each partition. */
  readonly from: readonly PlaceOffset[]
  readonly ends: readonly PlaceOffset[]
  /** Partitions where older records were thrown away. */
  readonly cut: ReadonlySet<number>
}

/** A snapshot of the whole table in a topic, and where to read from to have it and what follows. */
export interface Beginning {
  readonly first: RowEvent
  /** True when its last row came. */
  readonly complete: boolean
  /** How many rows of it there are. */
  readonly rows: number
  /** True when one of them says that it is the first one. */
  readonly begun: boolean
  readonly places: readonly PlaceOffset[]
}

/** What was met of one snapshot. */
interface Met {
  readonly first: RowEvent
  readonly origin: Origin
  complete: boolean
  rows: number
  begun: boolean
  /** Its first row in each partition. */
  readonly firsts: Map<number, FirstRow>
}

interface FirstRow {
  readonly offset: bigint
  /** It says that it is the first one. */
  readonly marked: boolean
  /** A record that cannot be read stands right before it, and may be a row of it. */
  readonly doubtful: boolean
}

/**
 * The newest snapshot of a topic that is there as a whole, complete ones first; null without one.
 * `lacking`: why the newest one that there is is not known to be whole.
 */
export async function newestSnapshot(
  logs: Logs,
  stretch: Stretch,
  signal: AbortSignal,
): Promise<{ readonly found: Beginning | null; readonly lacking: string | null }> {
  const { met, heads } = await look(logs, stretch, signal)
  const newest = [...met].sort(
    (a, b) =>
      Number(b.complete) - Number(a.complete) ||
      byTime(b.origin, a.origin) ||
      order(b.origin.place?.parts ?? [], a.origin.place?.parts ?? []),
  )
  let lacking: string | null = null
  for (const one of newest) {
    const { places, unknown } = await placesOf(logs, { stretch, heads, one }, signal)
    if (unknown === null) return { found: { ...one, places }, lacking: null }
    lacking ??= unknown
  }
  return { found: null, lacking }
}

/** All snapshots of the stretch, and the offsets that its partitions begin at. */
async function look(logs: Logs, stretch: Stretch, signal: AbortSignal) {
  const met = new Map<string, Met>()
  const heads = new Map<number, bigint>()
  let unread: { readonly partition: number } | null = null
  for await (const { message, event } of eventsOf(logs, stretch, signal)) {
    const { partition, offset } = message
    if (!heads.has(partition)) heads.set(partition, offset)
    const doubtful: boolean = unread?.partition === partition
    unread = event === null ? message : null
    if (event?.kind !== 'row' || event.origin === null || !isWhole(event.origin)) continue
    const { origin } = event
    const name = JSON.stringify([origin.place?.log, origin.place?.parts.map(String)])
    const known = met.get(name)
    const one = known ?? begunWith(event, origin)
    if (known === undefined) met.set(name, one)
    if (isLast(origin)) one.complete = true
    const marked = isFirst(origin)
    one.begun ||= marked
    one.rows++
    if (!one.firsts.has(partition)) one.firsts.set(partition, { offset, marked, doubtful })
  }
  return { met: met.values(), heads }
}

function begunWith(first: RowEvent, origin: Origin): Met {
  return { first, origin, complete: false, rows: 0, begun: false, firsts: new Map() }
}

interface Question {
  readonly stretch: Stretch
  readonly heads: ReadonlyMap<number, bigint>
  readonly one: Met
}

/** Where a snapshot begins in each partition, or why that is not known. */
async function placesOf(
  logs: Logs,
  { stretch, heads, one }: Question,
  signal: AbortSignal,
): Promise<{ readonly places: readonly PlaceOffset[]; readonly unknown: string | null }> {
  const places: PlaceOffset[] = []
  for (const { topic, partition, offset: from } of stretch.from) {
    const row = one.firsts.get(partition)
    const head = heads.get(partition) ?? from
    const place =
      row === undefined
        ? await passedBy(logs, { stretch, partition, origin: one.origin }, signal)
        : placeAt(row, head)
    if (place === null) {
      return { places, unknown: `some records of partition ${partition} may be part of it or not` }
    }
    if (stretch.cut.has(partition) && !place.follows) {
      const unknown = `what stood before offset ${head} of partition ${partition} may have been part of it`
      return { places, unknown }
    }
    places.push({ topic, partition, offset: place.offset })
  }
  return { places, unknown: null }
}

/** `follows`: a record that is no row of it is there before. */
interface PlaceFound {
  readonly offset: bigint
  readonly follows: boolean
}

function placeAt({ offset, marked, doubtful }: FirstRow, head: bigint): PlaceFound | null {
  return doubtful && !marked ? null : { offset, follows: marked || head < offset }
}

/**
 * Where to read a partition from that has no row of a snapshot: at its first record that came after
 * it. Null where that cannot be told.
 */
async function passedBy(
  logs: Logs,
  at: { readonly stretch: Stretch; readonly partition: number; readonly origin: Origin },
  signal: AbortSignal,
): Promise<PlaceFound | null> {
  const { stretch, partition, origin } = at
  const own = { ...stretch, from: stretch.from.filter((one) => one.partition === partition) }
  let follows = false
  for await (const { message, event } of eventsOf(logs, own, signal)) {
    if (event === null) return null
    const other = originOf({ event })
    if (other === null) continue
    const side = sideOf(other, origin)
    if (side === null) return null
    if (side > 0) return { offset: message.offset, follows }
    follows = true
  }
  const end = stretch.ends.find((one) => one.partition === partition)
  return { offset: end?.offset ?? 0n, follows }
}

/**
 * Negative for what came before a snapshot. Place and time have to say the same, since a log that
 * went back counts its places anew; null where they do not.
 */
function sideOf(other: Origin, origin: Origin): number | null {
  if (other.place === null || other.committedAt === null || origin.committedAt === null) return null
  const place = other.place.log === origin.place?.log ? emission(other, origin) : 0
  const time = byTime(other, origin)
  if (place === 0) return time === 0 ? null : time
  return time === 0 || time < 0 === place < 0 ? place : null
}

function byTime(a: Origin, b: Origin): number {
  return byNumber(a.committedAt ?? 0, b.committedAt ?? 0)
}

/** Records that cannot be read say nothing here; they stop whoever has to carry them out. */
export async function* eventsOf(logs: Logs, stretch: Stretch, signal: AbortSignal) {
  const { decoder } = stretch
  for await (const messages of recordsBetween(logs, stretch, signal)) {
    await decoder.prepare(messages, signal)
    for (const message of messages) yield { message, event: readable(decoder, message) }
  }
}

function readable(decoder: Decoder, message: KafkaMessage): DebeziumEvent | null {
  try {
    return decoder.decode(message)
  } catch (error) {
    if (error instanceof Fault && error.entry.class === 'data') return null
    throw error
  }
}

/** The newest row of each partition, with its offset. */
export async function newestRows(
  logs: Logs,
  stretch: Stretch,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, Newest>> {
  const from = stretch.from.map((one) => {
    const end = stretch.ends.find(({ partition }) => partition === one.partition)?.offset ?? 0n
    return { ...one, offset: end - TAIL > one.offset ? end - TAIL : one.offset }
  })
  const newest = new Map<number, Newest>()
  for await (const { message, event } of eventsOf(logs, { ...stretch, from }, signal)) {
    if (event?.kind === 'row')
      newest.set(message.partition, { offset: message.offset, table: event.table })
  }
  return newest
}

interface Newest {
  readonly offset: bigint
  readonly table: Table
}

/** Records at the end of a partition that are looked at for what rows are like now. */
const TAIL = 32n
