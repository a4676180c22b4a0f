import { Cluster, type Topic, topicPattern } from '../dialect/kafka/cluster.ts'
import { Fetcher } from '../dialect/kafka/fetcher.ts'
import type { KafkaMessage } from '../dialect/kafka/records.ts'
import type { Endpoint } from '../model/endpoint.ts'
import { Fault } from '../model/fault.ts'

/** A topic with what it holds now. */
export interface TopicState {
  readonly name: string
  readonly partitions: number
  /** Offsets between its ends; compaction and transactions leave fewer records. */
  readonly records: bigint
  /** Milliseconds that records are kept; null where time sets no limit. */
  readonly keeps: bigint | null
  readonly compacted: boolean
}

/** Nobody's mirror: a person looks. */
const use = { mirror: 'look', purpose: 'topics' }

/** The topics that a pattern names, or all of them. */
export async function listTopics(
  endpoint: Endpoint,
  pattern: string,
): Promise<readonly TopicState[]> {
  const wanted = topicPattern(pattern)
  await using cluster = await Cluster.open(endpoint, use)
  const topics = await cluster.describe((await cluster.names()).filter(wanted))
  const begins = await cluster.offsets(topics, 'begin')
  const ends = await cluster.offsets(topics, 'end')
  const sum = (all: typeof ends, name: string): bigint =>
    all.reduce((total, { topic, offset }) => (topic === name ? total + offset : total), 0n)
  return await Promise.all(
    topics.map(async ({ name, partitions }) => {
      const { millis, compacted } = await cluster.keeping(name)
      const records = sum(ends, name) - sum(begins, name)
      return { name, partitions, records, keeps: millis, compacted }
    }),
  )
}

export interface ReadRequest {
  readonly topic: string
  /** All of them when null. */
  readonly partition: number | null
  /** The oldest that is there, or so many before the end. */
  readonly from: 'begin' | 'end' | bigint
  readonly limit: number
}

/** Records of a topic, of each partition in its order; nothing is committed anywhere. */
export async function readTopic(
  endpoint: Endpoint,
  request: ReadRequest,
): Promise<readonly KafkaMessage[]> {
  await using cluster = await Cluster.open(endpoint, use)
  const [topic] = await cluster.describe([request.topic])
  if (topic === undefined) {
    throw new Fault('HF-C012', { what: `there is no topic ${request.topic} at ${cluster.label}` })
  }
  await using fetcher = await Fetcher.open(endpoint, { cluster, mirror: use.mirror })
  const found: KafkaMessage[] = []
  for (const place of await placesOf(cluster, topic, request)) {
    let { offset } = place
    while (found.length < request.limit && offset < place.end) {
      const wanted = [{ topic: topic.name, id: topic.id, partition: place.partition, offset }]
      const [portion] = await fetcher.fetch(wanted, LIMITS)
      if (portion === undefined) continue
      const within = portion.messages.filter((one) => one.offset < place.end)
      found.push(...within.slice(0, request.limit - found.length))
      offset = portion.next
    }
  }
  return found
}

const LIMITS = { wait: 500, bytes: 1 << 20, partitionBytes: 1 << 20 }

/** Where to begin in each partition, and where it ends now. */
async function placesOf(
  cluster: Cluster,
  topic: Topic,
  { partition, from, limit }: ReadRequest,
): Promise<
  readonly { readonly partition: number; readonly offset: bigint; readonly end: bigint }[]
> {
  const begins = await cluster.offsets([topic], 'begin')
  const ends = await cluster.offsets([topic], 'end')
  return ends
    .filter((one) => partition === null || one.partition === partition)
    .map(({ partition: at, offset: end }) => {
      const begin = begins.find((one) => one.partition === at)?.offset ?? 0n
      const wanted = from === 'begin' ? begin : from === 'end' ? end - BigInt(limit) : from
      return { partition: at, offset: wanted < begin ? begin : wanted, end }
    })
}
