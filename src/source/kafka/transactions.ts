import { orAborted } from '../../async/abort.ts'
import type { Decoder } from '../../dialect/debezium/decoder.ts'
import type { Cluster, Moment, PlaceOffset, Topic } from '../../dialect/kafka/cluster.ts'
import type { Table } from '../../model/table.ts'
import type { Wholeness } from '../source.ts'
import { eventsOf } from './beginning.ts'
import { Lane } from './lane.ts'
import type { LanePlace } from './place.ts'
import type { TopicTable } from './tables.ts'
import type { Logs } from './topics.ts'
import { Wholes } from './wholes.ts'

/** What connectors call it after the prefix of their topics (`topic.transaction`). */
const NAME = 'transaction'
/** Milliseconds that clocks of databases and of connectors may differ. */
const APART = 60_000n
/** Records of the topic before its place that are looked at when it is read again. */
const RECALLED = 2000n
/** Milliseconds to wait for rows that the end of a transaction tells of, and for its end. */
export const PATIENCE = 30_000

/** Where a mirror of these tables begins to read of their transactions; empty where it does not. */
export async function beginOfTransactions(
  cluster: Cluster,
  held: readonly TopicTable[],
): Promise<readonly PlaceOffset[]> {
  const topic = await transactionTopic(
    cluster,
    held.flatMap(({ table }) => table ?? []),
  )
  return topic === null ? [] : await cluster.offsets([topic], momentOf(held))
}

interface Streamed {
  readonly log: string
  /** Those that are followed here, with what tells of transactions. */
  readonly topics: readonly Topic[]
  /** Of the mirror. */
  readonly tables: readonly Table[]
  readonly places: readonly LanePlace[]
  /** Milliseconds to wait for the rest of a transaction. */
  readonly patience: number
  readonly notice: (text: string) => void
  readonly wholeness: (wholeness: Wholeness) => void
}

/** The topic of transactions as it is read. */
export interface Ends {
  readonly topic: Topic
  readonly of: Wholes
  /** False where only some partitions are followed here: then it is read past and decides nothing. */
  readonly whole: boolean
}

/** What is followed here, seen from whoever reads the target. */
export async function wholenessOf(
  cluster: Cluster,
  ends: Ends | null,
  all: Pick<Streamed, 'topics' | 'tables' | 'places'>,
): Promise<Wholeness> {
  if (ends?.whole === true) return ends.of.wholeness
  const pieces = (why: string): Wholeness => ({ whole: false, why })
  if (!isComplete(all)) return pieces('other processes follow some of the partitions')
  if (new Set(all.tables.map(prefixOf)).size > 1)
    return pieces('the tables are of several connectors')
  const topic = await transactionTopic(cluster, all.tables)
  if (topic === null) return pieces('no topic tells where transactions end')
  return pieces(`the topic ${topic.name} was not there when the mirror was made`)
}

/**
 * Tells of ends before the place that the topic is read from. The producer of a connector sends a
 * batch of each partition at a time, so that rows may come long after the end of their transaction,
 * which was passed over then.
 */
export async function recallEnds(
  logs: Logs,
  { ends, decoder }: { readonly ends: Ends; readonly decoder: Decoder },
  signal: AbortSignal,
): Promise<void> {
  const { topic, of } = ends
  const { partition, applied } = of.lane
  const place = { topic: topic.name, partition, offset: applied }
  const begins = await orAborted(logs.cluster.offsets([topic], 'begin'), signal)
  const from = begins.map(({ offset }) => {
    const back = applied - RECALLED
    return { ...place, offset: offset > back ? offset : back }
  })
  const stretch = { topic, decoder, from, ends: [place], cut: new Set<number>() }
  for await (const { event } of eventsOf(logs, stretch, signal)) {
    if (event !== null) of.recall(event)
  }
}

/** True when all partitions of all tables are followed here. */
function isComplete({
  topics,
  tables,
  places,
}: Pick<Streamed, 'topics' | 'tables' | 'places'>): boolean {
  return tables.every(({ id }) => {
    const partitions = topics.find(({ name }) => name === id)?.partitions
    return places.filter(({ topic }) => topic === id).length === partitions
  })
}

/** What keeps transactions whole; null where the mirror has no place in a topic that tells of them. */
export function openWholes({ topics, tables, places, ...how }: Streamed): Ends | null {
  const place = places.find((one) => tables.every(({ id }) => id !== one.topic))
  const topic = topics.find(({ name }) => name === place?.topic)
  if (topic === undefined || place === undefined) return null
  const of = new Wholes({ ...how, lane: new Lane(how.log, place) })
  const all = tables.every((table) => prefixOf(table) === prefix(topic))
  return { topic, of, whole: all && isComplete({ topics, tables, places }) }
}

/**
 * The topic in which the connector of these tables tells of transactions; null without one, and
 * where the tables are of several connectors.
 */
async function transactionTopic(cluster: Cluster, tables: readonly Table[]): Promise<Topic | null> {
  const prefixes = new Set(tables.map(prefixOf))
  const [prefix] = prefixes
  if (prefixes.size !== 1 || prefix === undefined || prefix === null) return null
  const [topic] = await cluster.describe([`${prefix}.${NAME}`])
  return topic?.partitions === 1 ? topic : null
}

function prefix({ name }: Topic): string {
  return name.slice(0, -1 - NAME.length)
}

export function tellsTransactions({ name }: Pick<Topic, 'name'>): boolean {
  return name.endsWith(`.${NAME}`)
}

/** `cdc` of the table `public.t` in the topic `cdc.public.t`; null where it is named otherwise. */
function prefixOf({ id, schema, name }: Table): string | null {
  const own = `.${schema}.${name}`
  return id.endsWith(own) ? id.slice(0, -own.length) : null
}

/** Where the topic of transactions has what comes with the first copy of these tables. */
function momentOf(tables: readonly TopicTable[]): Moment {
  if (tables.some(({ skipped }) => skipped === 0n)) return 'begin'
  const times = tables.map(({ first }) => BigInt(first?.origin?.committedAt ?? 0))
  return momentBefore(times)
}

function momentBefore(times: readonly bigint[]): Moment {
  const oldest = times.reduce((a, b) => (a < b ? a : b), times[0] ?? 0n)
  const millis = oldest / 1000n - APART
  return millis > 0n ? { millis } : 'begin'
}
