import type { Endpoint } from '../../model/endpoint.ts'
import { client } from './client.ts'
import { brokersOf, clientOptions } from './connect.ts'
import { faultOf } from './errors.ts'

/** A record as it is written: texts. */
export interface NewRecord {
  readonly topic: string
  readonly key: string
  readonly value: string
}

/**
 * Writes one record, and makes its topic where there is none and the broker lets it. Resolves when
 * all replicas that count have it. Throws Fault.
 */
export async function sendRecord(
  endpoint: Endpoint,
  use: { readonly mirror: string; readonly purpose: string },
  { topic, key, value }: NewRecord,
): Promise<void> {
  const options = await clientOptions(endpoint, use)
  const producer = new client.Producer({ ...options, autocreateTopics: true })
  try {
    const record = { topic, key: Buffer.from(key), value: Buffer.from(value) }
    const message = { ...record, partition: FIRST }
    await producer.send({ messages: [message], acks: ALL })
  } catch (error) {
    const label = brokersOf(endpoint).join(',')
    throw faultOf(error, { doing: `writing to topic ${topic}`, label })
  } finally {
    await producer.close().catch(() => undefined)
  }
}

const ALL = -1
/** Connectors listen to no other partition of a topic. */
const FIRST = 0
