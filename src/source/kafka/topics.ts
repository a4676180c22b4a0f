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

/** The topics that the patterns mean, in the order of their names. Throws HF-K105, HF-C105. */
export async function chosenTopics(
  cluster: Cluster,
  { include, exclude }: Pick<Selection, 'include' | 'exclude'>,
): Promise<readonly Topic[]> {
  if (include.length === 0) {
    throw new Fault('HF-K105', { what: 'no pattern says which topics are meant', side: 'source' })
  }
  const wanted = include.map((text) => ({ text, fits: topicPattern(text) }))
  const unwanted = exclude.map(topicPattern)
  const names = (await cluster.names()).filter((name) => !OWN.test(name))
  const unmatched = wanted.filter(({ fits }) => !names.some(fits)).map(({ text }) => text)
  if (unmatched.length > 0) {
    const what = `no topic matches ${unmatched.map((text) => JSON.stringify(text)).join(' or ')}`
    throw new Fault('HF-C105', { what, side: 'source' })
  }
  const chosen = names.filter(
    (name) => wanted.some(({ fits }) => fits(name)) && !unwanted.some((fits) => fits(name)),
  )
  return await cluster.describe(chosen)
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
