import { orAborted } from '../../async/abort.ts'
import {
  type Cluster,
  type PlaceOffset,
  type Topic,
  topicPattern,
} from '../../dialect/kafka/cluster.ts'
import type { Fetcher } from '../../dialect/kafka/fetcher.ts'
import type { KafkaMessage } from '../../dialect/kafka/records.ts'
import { Fault } from '../../model/fault.ts'
import type { Selection } from '../source.ts'

/** Topics that brokers and workers keep for themselves. */
const OWN = /^(?:__|_connect|connect-|_schemas$)/

type Patterns = Pick<Selection, 'include' | 'exclude'>

/** The topics that the patterns mean, in the order of their names. Throws HF-K105, HF-C105. */
export async function chosenTopics(
  cluster: Cluster,
  patterns: Patterns,
): Promise<readonly Topic[]> {
  const { include } = patterns
  if (include.length === 0) {
    throw new Fault('HF-K105', { what: 'no pattern says which topics are meant', side: 'source' })
  }
  const names = await namesOf(cluster)
  const unmatched = include.filter((text) => !names.some(topicPattern(text)))
  if (unmatched.length > 0) {
    const what = `no topic matches ${unmatched.map((text) => JSON.stringify(text)).join(' or ')}`
    throw new Fault('HF-C105', { what, side: 'source' })
  }
  return await cluster.describe(matching(names, patterns))
}

/** The names that the patterns mean, of topics that there are. */
export async function matchingNames(
  cluster: Cluster,
  patterns: Patterns,
): Promise<readonly string[]> {
  return matching(await namesOf(cluster), patterns)
}

async function namesOf(cluster: Cluster): Promise<readonly string[]> {
  return (await cluster.names()).filter((name) => !OWN.test(name))
}

function matching(names: readonly string[], { include, exclude }: Patterns): readonly string[] {
  const [wanted, unwanted] = [include.map(topicPattern), exclude.map(topicPattern)]
  return names.filter(
    (name) => wanted.some((fits) => fits(name)) && !unwanted.some((fits) => fits(name)),
  )
}

/** What reads topics. */
export interface Logs {
  readonly cluster: Cluster
  readonly fetcher: Fetcher
}

/** Bytes of an answer when records are looked at, and not carried out. */
const LOOK = { wait: 200, bytes: 4 << 20, partitionBytes: 4 << 20 }

/** The records of a topic, one partition after another, as many at once as one answer brings. */
export async function* recordsBetween(
  { fetcher }: Logs,
  at: {
    readonly topic: Topic
    readonly from: readonly PlaceOffset[]
    readonly ends: readonly PlaceOffset[]
  },
  signal: AbortSignal,
): AsyncGenerator<readonly KafkaMessage[]> {
  const { topic, from, ends } = at
  for (const { partition, ...begin } of from) {
    const end = ends.find((one) => one.partition === partition)?.offset ?? 0n
    for (let { offset } = begin; offset < end; ) {
      const place = { topic: topic.name, id: topic.id, partition, offset }
      const [portion] = await orAborted(fetcher.fetch([place], LOOK), signal)
      if (portion === undefined) continue
      yield portion.messages.filter((one) => one.offset < end)
      offset = portion.next
    }
  }
}

/**
 * Throws HF-K103, HF-K104 where a topic is not what it was. A broker that has just come back may
 * not know of all of it yet: what is gone is noticed by whoever reads it.
 */
export function requireSame(before: readonly Topic[], now: readonly Topic[]): void {
  for (const { name, id, partitions } of before) {
    const topic = now.find((one) => one.name === name)
    if (topic === undefined) continue
    if (topic.id !== id) {
      throw new Fault('HF-K103', { what: `the topic ${name} was made again`, side: 'source' })
    }
    if (topic.partitions <= partitions) continue
    throw new Fault('HF-K104', {
      what: `the topic ${name} had ${partitions} partitions and has ${topic.partitions}`,
      side: 'source',
    })
  }
}
