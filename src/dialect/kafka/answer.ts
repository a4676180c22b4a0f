import type { Connection, fetchV17, Reader } from '@platformatic/kafka'
import { client } from './client.ts'

/** What is asked of a partition: records from an offset on. */
export type Asked = fetchV17.FetchRequest

/** What a broker says of a partition when it is asked for records. */
export interface Answer {
  readonly topicId: string
  readonly partition: number
  /** The offset after the last record that can be read. */
  readonly end: bigint
  /** The oldest offset that the broker holds; null where it does not say. */
  readonly begin: bigint | null
  readonly aborted: readonly Aborted[]
  /** Batches of records as the broker keeps them; the last one may be cut off. */
  readonly records: Buffer
}

/** A transaction that was given up; its records, from this offset on, are still in the topic. */
export interface Aborted {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

/** A request of one version. */
export interface FetchRequest {
  readonly version: number
  readonly send: (connection: Connection, asked: Asked) => Promise<readonly Answer[]>
}

export const FETCH = 1
const NOTHING = Buffer.alloc(0)

/** Those that name topics by their ids, newest first. */
export const requests: readonly FetchRequest[] = [
  [17, client.fetchV17.createRequest],
  [16, client.fetchV16.createRequest],
  [15, client.fetchV15.createRequest],
  [13, client.fetchV13.createRequest],
].map(([version, create]) => requestOf(Number(version), create as typeof fetchV17.createRequest))

function requestOf(version: number, create: typeof fetchV17.createRequest): FetchRequest {
  const parse = (...[, , , reader]: [number, number, number, Reader]) => read(reader, version)
  const api = client.createAPI<Asked, readonly Answer[]>(FETCH, version, create, parse)
  return { version, send: (connection, asked) => api.async(connection, ...asked) }
}

type Failure = [string, [number, null]]

/**
 * Reads an answer without its records (https://kafka.apache.org/protocol#The_Messages_Fetch): they
 * may be many times as large as they are on their way, and are taken a few at a time.
 */
function read(reader: Reader, version: number): readonly Answer[] {
  const failures: Failure[] = []
  reader.readInt32()
  const failed = reader.readInt16()
  if (failed !== 0) failures.push(['', [failed, null]])
  reader.readInt32()
  const answers = reader.readArray((topic, i) => {
    const topicId = topic.readUUID()
    const partitions = topic.readArray(
      (partition, j) => readPartition(partition, topicId, { failures, at: [i, j] }),
      true,
      false,
    )
    return partitions
  })
  client.readKnownTaggedFields(reader, {})
  if (failures.length > 0) {
    throw new client.ResponseError(FETCH, version, Object.fromEntries(failures), { responses: [] })
  }
  return answers.flat()
}

function readPartition(
  reader: Reader,
  topicId: string,
  { failures, at }: { readonly failures: Failure[]; readonly at: readonly [number, number] },
): Answer {
  const partition = reader.readInt32()
  const failed = reader.readInt16()
  if (failed !== 0) failures.push([`/responses/${at[0]}/partitions/${at[1]}`, [failed, null]])
  const highest = reader.readInt64()
  const stable = reader.readInt64()
  const begin = reader.readInt64()
  const aborted = reader.readNullableArray((one) => ({
    producerId: one.readInt64(),
    firstOffset: one.readInt64(),
  }))
  reader.readInt32()
  const size = Math.max(0, reader.readUnsignedVarInt() - 1)
  const { position } = reader
  const records = size === 0 ? NOTHING : reader.buffer.slice(position, position + size)
  reader.skip(size)
  client.readKnownTaggedFields(reader, {})
  return {
    topicId,
    partition,
    end: stable >= 0n ? stable : highest,
    begin: begin >= 0n ? begin : null,
    aborted: aborted ?? [],
    records,
  }
}
