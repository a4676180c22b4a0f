import type { Aborted, Answer } from './answer.ts'
import { type Batch, type BatchRecord, batchAt, RecordReader, recordsOf } from './batches.ts'

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

/** Some of what a broker answered of a partition. */
export interface Portion {
  readonly topic: string
  readonly partition: number
  /** Committed records, from the offset on that was asked for. */
  readonly messages: readonly KafkaMessage[]
  /** The offset to go on from: past records that were aborted or compacted away, too. */
  readonly next: bigint
  /** The offset after the last record that could be read when the broker answered. */
  readonly end: bigint
  /** True when the broker was asked for it just now; else it has waited since an earlier answer. */
  readonly asked: boolean
  /** The oldest offset that the broker holds; null where it does not say. */
  readonly begin: bigint | null
  /** The memory of an answer, where these are the last messages of a partition in it; else null. */
  readonly spent: ArrayBufferLike | null
}

/** A record of a batch; its time is made for whom asks. */
class Message implements KafkaMessage {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: KafkaMessage['headers']
  readonly #first: bigint
  readonly #delta: number

  constructor(of: OfBatch, offset: bigint, record: BatchRecord) {
    this.topic = of.topic
    this.partition = of.partition
    this.offset = offset
    this.key = record.key
    this.value = record.value
    this.headers = record.headers
    this.#first = of.firstTimestamp
    this.#delta = record.timestampDelta
  }

  get timestamp(): bigint {
    return this.#first + BigInt(this.#delta)
  }
}

/** What the records of a batch have in common. */
interface OfBatch {
  readonly topic: string
  readonly partition: number
  readonly firstTimestamp: bigint
}

const ABORT = 0

/**
 * What a broker answered of a partition and was not taken yet; compressed records stay so until
 * then.
 *
 * Only records of committed transactions are handed on. A broker that is asked for those sends all
 * and says which transactions were aborted: the records of a producer, from the first of such a
 * transaction up to the marker that ends it, are not to be seen. The marker may come in a later
 * answer, which then names the transaction again.
 */
export class Unread {
  readonly topic: string
  readonly partition: number
  readonly end: bigint
  readonly #begin: bigint | null
  readonly #bytes: Buffer
  readonly #from: bigint
  readonly #aborted: Aborted[]
  readonly #hidden = new Set<bigint>()
  #batch: Batch | null
  #next: bigint
  #asked = true

  /** Throws UnsupportedFormatError. */
  constructor(topic: string, from: bigint, answer: Answer) {
    this.topic = topic
    this.partition = answer.partition
    this.end = answer.end
    this.#begin = answer.begin
    this.#bytes = answer.records
    this.#from = from
    this.#next = from
    this.#batch = batchAt(this.#bytes, 0)
    this.#aborted = answer.aborted.toSorted((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  }

  get isEmpty(): boolean {
    return this.#batch === null
  }
  /** The offset of what comes next. */
  get next(): bigint {
    return this.#next
  }
  /** The offset that comes after all of it. */
  get after(): bigint {
    let after = this.#next
    for (let batch = this.#batch; batch !== null; batch = batchAt(this.#bytes, batch.to)) {
      if (batch.lastOffset >= after) after = batch.lastOffset + 1n
    }
    return after
  }

  /** About so many bytes of records, and at least a batch of them. Throws UnsupportedFormatError. */
  take(bytes: number): Portion {
    const messages: KafkaMessage[] = []
    const had = !this.isEmpty
    for (let left = bytes; this.#batch !== null && left > 0; ) {
      const batch = this.#batch
      left -= this.#read(batch, messages)
      if (batch.lastOffset >= this.#next) this.#next = batch.lastOffset + 1n
      this.#batch = batchAt(this.#bytes, batch.to)
    }
    const { topic, partition, end } = this
    const asked = this.#asked
    this.#asked = false
    const spent = had && this.isEmpty ? this.#bytes.buffer : null
    return { topic, partition, messages, next: this.#next, end, asked, begin: this.#begin, spent }
  }

  /** How many bytes its records have. */
  #read(batch: Batch, messages: KafkaMessage[]): number {
    const aborted = this.#aborted
    while ((aborted[0]?.firstOffset ?? batch.lastOffset + 1n) <= batch.lastOffset) {
      this.#hidden.add(aborted.shift()?.producerId ?? -1n)
    }
    const { producerId, isControl, isTransactional } = batch
    const hides = isTransactional && this.#hidden.has(producerId)
    if (!isControl && hides) return batch.to - batch.at
    const records = recordsOf(this.#bytes, batch)
    if (!isControl) this.#append(messages, batch, new RecordReader(records))
    else if (markerOf(records) === ABORT) this.#hidden.delete(producerId)
    return records.length
  }

  #append(messages: KafkaMessage[], batch: Batch, reader: RecordReader): void {
    const { topic, partition } = this
    const { firstOffset, firstTimestamp } = batch
    const of = { topic, partition, firstTimestamp }
    for (let i = 0; i < batch.count; i++) {
      const record = reader.next()
      const offset = firstOffset + BigInt(record.offsetDelta)
      if (offset < this.#from) continue
      messages.push(new Message(of, offset, record))
    }
  }
}

/** 0 aborts a transaction, 1 commits it (https://kafka.apache.org/documentation/#controlbatch). */
function markerOf(records: Buffer): number {
  return new RecordReader(records).next().key?.readInt16BE(2) ?? -1
}
