import type { fetchV17, KafkaRecord, RecordsBatch } from '@platformatic/kafka'

/** What a broker answers when it is asked for records. */
export type FetchResponse = fetchV17.FetchResponse
type FetchedPartition = FetchResponse['responses'][number]['partitions'][number]

/** A record of a topic as the broker keeps it. */
export interface KafkaMessage {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** Milliseconds since 1970. */
  readonly timestamp: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [Buffer, Buffer])[]
}

/** What one answer of a broker says of a partition. */
export interface Portion {
  readonly topic: string
  readonly partition: number
  /** Committed records, from the offset on that was asked for. */
  readonly messages: readonly KafkaMessage[]
  /** The offset to go on from: past records that were aborted or compacted away, too. */
  readonly next: bigint
  /** The offset after the last record that can be read. */
  readonly end: bigint
  /** The oldest offset that the broker holds; null where it does not say. */
  readonly begin: bigint | null
}

const CONTROL = 0x20
const TRANSACTIONAL = 0x10
const ABORT = 0

/**
 * The records of committed transactions. A broker that is asked for committed ones sends all and
 * says which transactions were aborted: the records of a producer, from the first of such a
 * transaction up to the marker that ends it, are not to be seen. The marker may come in a later
 * answer, which then names the transaction again.
 */
export function committed(
  topic: string,
  { from, partition }: { readonly from: bigint; readonly partition: FetchedPartition },
): Portion {
  const { partitionIndex, abortedTransactions, lastStableOffset, highWatermark } = partition
  const aborted = [...(abortedTransactions ?? [])].sort((a, b) =>
    a.firstOffset < b.firstOffset ? -1 : 1,
  )
  const hidden = new Set<bigint>()
  const messages: KafkaMessage[] = []
  let next = from
  for (const batch of partition.records ?? []) {
    const end = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n
    while ((aborted[0]?.firstOffset ?? end) < end) {
      hidden.add(aborted.shift()?.producerId ?? -1n)
    }
    if ((batch.attributes & CONTROL) !== 0) {
      if (markerOf(batch) === ABORT) hidden.delete(batch.producerId)
    } else if ((batch.attributes & TRANSACTIONAL) === 0 || !hidden.has(batch.producerId)) {
      append(messages, batch, { topic, partition: partitionIndex, from })
    }
    if (end > next) next = end
  }
  const end = lastStableOffset >= 0n ? lastStableOffset : highWatermark
  const begin = partition.logStartOffset >= 0n ? partition.logStartOffset : null
  return { topic, partition: partitionIndex, messages, next, end, begin }
}

/** 0 aborts a transaction, 1 commits it (https://kafka.apache.org/documentation/#controlbatch). */
function markerOf({ records }: RecordsBatch): number {
  return records[0]?.key?.readInt16BE(2) ?? -1
}

function append(
  messages: KafkaMessage[],
  batch: RecordsBatch,
  at: { readonly topic: string; readonly partition: number; readonly from: bigint },
): void {
  for (const record of batch.records) {
    const offset = batch.firstOffset + BigInt(record.offsetDelta)
    if (offset < at.from) continue
    messages.push({
      topic: at.topic,
      partition: at.partition,
      offset,
      timestamp: batch.firstTimestamp + record.timestampDelta,
      key: record.key,
      value: record.value,
      headers: headersOf(record),
    })
  }
}

const NO_HEADERS: KafkaMessage['headers'] = []
const NOTHING = Buffer.alloc(0)

function headersOf({ headers }: KafkaRecord): KafkaMessage['headers'] {
  if (headers.length === 0) return NO_HEADERS
  return headers.map(([name, value]) => [name ?? NOTHING, value ?? NOTHING] as const)
}
