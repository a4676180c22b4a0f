import { orAborted } from '../../async/abort.ts'
import { monotonic } from '../../async/clock.ts'
import type { Decoder } from '../../dialect/debezium/decoder.ts'
import type { Cluster, Topic } from '../../dialect/kafka/cluster.ts'
import type { Fetcher, Wanted } from '../../dialect/kafka/fetcher.ts'
import type { StreamItem } from '../../model/change.ts'
import { take } from './intake.ts'
import type { Lane } from './lane.ts'
import type { TopicReading } from './reading.ts'
import { type Ends, recallEnds } from './transactions.ts'

export interface StreamOptions {
  readonly cluster: Cluster
  readonly fetcher: Fetcher
  readonly decoder: Decoder
  /** What is read, with the topics as the cluster describes them. */
  readonly readings: readonly { readonly topic: Topic; readonly reading: TopicReading }[]
  /** What tells of transactions; null where nothing does. */
  readonly wholes: Ends | null
}

const LIMITS = { wait: 500, bytes: 16 << 20, partitionBytes: 2 << 20, ahead: true }

type Items = readonly StreamItem[]

/**
 * The changes of these topics in bursts of what has arrived, from where their readings stand. What
 * came before a Fault is yielded before it is thrown. Ends when the signal aborts.
 */
export async function* streamTopics(
  options: StreamOptions,
  signal: AbortSignal,
): AsyncIterable<Items> {
  const { fetcher, decoder, readings, wholes } = options
  const byName = new Map(readings.map(({ topic, reading }) => [topic.name, reading]))
  try {
    if (wholes?.whole === true) await recallEnds(options, { ends: wholes, decoder }, signal)
    for (let poll = 0; !signal.aborted; poll++) {
      const portions = await orAborted(fetcher.fetch(wantedOf(options), LIMITS), signal)
      for (const { messages } of portions) await decoder.prepare(messages, signal)
      const items: StreamItem[] = []
      const failed = take(portions, { byName, wholes: wholes?.of ?? null, decoder, items, poll })
      fetcher.recycle(portions)
      if (failed === null) await settle(options, { items, signal })
      if (failed === null) end(options, items)
      if (items.length > 0) yield items
      if (failed !== null) throw failed.error
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Partitions that have to wait, and have much waiting, are not read on. */
function wantedOf({ readings, wholes }: StreamOptions): readonly Wanted[] {
  const read = readings.filter(({ reading }) => wholes === null || wholes.of.reads(reading))
  const wanted = read.flatMap(({ topic, reading }) => wantedLanes(topic, reading.lanes))
  return wholes === null ? wanted : [...wanted, ...wantedLanes(wholes.topic, [wholes.of.lane])]
}

function wantedLanes({ name, id }: Topic, lanes: readonly Lane[]): readonly Wanted[] {
  const open = lanes.filter(({ full }) => !full)
  return open.map(({ partition, fetched }) => ({ topic: name, id, partition, offset: fetched }))
}

/** Ends transactions, after which what waited for them can go on. */
function end({ readings, wholes }: StreamOptions, items: StreamItem[]): void {
  while (wholes?.of.drain(items, monotonic()) === true) {
    for (const { reading } of readings) reading.drain(items)
  }
}

/** Tells readings that wait for it where their partitions end now. */
async function settle(
  { cluster, readings }: StreamOptions,
  { items, signal }: { readonly items: StreamItem[]; readonly signal: AbortSignal },
): Promise<void> {
  const asking = readings.filter(({ reading }) => reading.asks)
  if (asking.length === 0) return
  const topics = asking.map(({ topic }) => topic)
  const ends = await orAborted(cluster.offsets(topics, 'end'), signal)
  for (const { topic, reading } of asking) {
    const own = ends.filter((one) => one.topic === topic.name)
    reading.ends(new Map(own.map(({ partition, offset }) => [partition, offset])))
    reading.drain(items)
  }
}
