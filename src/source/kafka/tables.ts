import { Decoder } from '../../dialect/debezium/decoder.ts'
import type { RowEvent } from '../../dialect/debezium/event.ts'
import type { Loss } from '../../dialect/debezium/losses.ts'
import type { Registry } from '../../dialect/debezium/registry.ts'
import type { Cluster, Keeping, PlaceOffset, Topic } from '../../dialect/kafka/cluster.ts'
import type { Fetcher } from '../../dialect/kafka/fetcher.ts'
import type { Table } from '../../model/table.ts'
import { firstMessages } from './topics.ts'

/** A topic and what its oldest row says. */
export interface TopicTable {
  readonly topic: Topic
  readonly keeping: Keeping
  /** Where its partitions begin. */
  readonly begins: readonly PlaceOffset[]
  /** Null for a topic that holds no row. */
  readonly table: Table | null
  /** The first row that there is. */
  readonly first: RowEvent | null
  /** What the connector lost of its columns. */
  readonly losses: readonly Loss[]
}

export interface Reach {
  readonly cluster: Cluster
  readonly fetcher: Fetcher
  readonly registry: Registry | null
}

/** What the topic holds, as its oldest row shows it: rows are read from there on. Throws Fault. */
export async function describeTable(
  reach: Reach,
  topic: Topic,
  signal: AbortSignal,
): Promise<TopicTable> {
  const { cluster } = reach
  const decoder = new Decoder({ registry: reach.registry })
  const first = await firstRow(reach, topic, { decoder, signal })
  return {
    topic,
    keeping: await cluster.keeping(topic.name),
    begins: await cluster.offsets([topic], 'begin'),
    table: first?.table ?? null,
    first,
    losses: decoder.losses(topic.name),
  }
}

async function firstRow(
  reach: Reach,
  topic: Topic,
  { decoder, signal }: { readonly decoder: Decoder; readonly signal: AbortSignal },
): Promise<RowEvent | null> {
  for await (const messages of firstMessages(reach, topic)) {
    await decoder.prepare(messages, signal)
    for (const message of messages) {
      const event = decoder.decode(message)
      // Only a record with its key shows how rows are found.
      if (event.kind === 'row') return event
    }
  }
  return null
}

/**
 * Why the topic cannot stand for its table from the beginning on; null where it can. A compacted
 * topic keeps the newest record of each row; one that was cut holds all rows only where it begins
 * with a snapshot.
 */
export function lacksBeginning({ topic, begins, first }: TopicTable): string | null {
  const cut = begins.find(({ offset }) => offset > 0n)
  if (cut === undefined) return null
  const mark = first?.origin?.snapshot
  if (topic.partitions === 1 && (mark === 'first' || mark === 'first_in_data_collection')) {
    return null
  }
  return `the topic ${topic.name} begins at offset ${cut.offset} of partition ${cut.partition}`
}
