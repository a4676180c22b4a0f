import { Consumer } from '@platformatic/kafka'
import { eventually } from './eventually.ts'
import { type KafkaServer, kafka } from './servers/index.ts'

/** A record of a topic whose value is JSON, with a schema around it or without. */
export interface JsonRecord {
  readonly partition: number
  readonly offset: bigint
  readonly value: Readonly<Record<string, unknown>> | null
}

/**
 * All that stands in a topic now, partition by partition; rejects when there is no such topic. The
 * shared broker's when none is named.
 */
export async function records(topic: string, broker?: KafkaServer): Promise<readonly JsonRecord[]> {
  const { bootstrap } = broker ?? (await kafka())
  const consumer = new Consumer({
    clientId: 'test',
    groupId: `test-${Math.random()}`,
    bootstrapBrokers: [bootstrap],
    autocreateTopics: false,
    retries: 0,
  })
  try {
    const ends = (await consumer.listOffsets({ topics: [topic] })).get(topic) ?? []
    const begins =
      (await consumer.listOffsets({ topics: [topic], timestamp: -2n })).get(topic) ?? []
    const left = ends.reduce((sum, end, at) => sum + Number(end - (begins[at] ?? 0n)), 0)
    if (left === 0) return []
    const offsets = begins.map((offset, partition) => ({ topic, partition, offset }))
    const stream = await consumer.consume({ topics: [topic], mode: 'manual', offsets })
    const found: JsonRecord[] = []
    for await (const { partition, offset, value } of stream) {
      found.push({ partition, offset, value: payload(value) })
      if (found.length === left) break
    }
    return found
  } finally {
    await consumer.close(true)
  }
}

/** Waits until the topics hold so many records, those of a snapshot. */
export async function held(counts: Readonly<Record<string, number>>): Promise<void> {
  const wanted = Object.values(counts).join()
  await eventually(
    `the topics hold ${wanted} records`,
    async () => {
      const found = await Promise.all(Object.keys(counts).map((topic) => records(topic)))
      return found.map(({ length }) => length).join() === wanted
    },
    { within: 120_000 },
  )
}

function payload(value: Buffer | null | undefined): JsonRecord['value'] {
  if (value === null || value === undefined || value.length === 0) return null
  const parsed = JSON.parse(value.toString('utf8'))
  return parsed?.payload ?? parsed
}
