import type { Admin, Broker } from '@platformatic/kafka'
import type { Endpoint } from '../../model/endpoint.ts'
import { Fault } from '../../model/fault.ts'
import { client } from './client.ts'
import { brokersOf, clientOptions } from './connect.ts'
import { faultOf, says } from './errors.ts'

/** A topic as the cluster describes it. */
export interface Topic {
  readonly name: string
  /** Another one after the topic was deleted and made again. */
  readonly id: string
  readonly partitions: number
}

/** How long a topic keeps its records; null where it sets no limit. */
export interface Keeping {
  readonly millis: bigint | null
  readonly bytes: bigint | null
  /** Only the newest record of each key is kept for ever. */
  readonly compacted: boolean
  /** Milliseconds after which a compacted topic may forget that a row went; else null. */
  readonly deletes: bigint | null
  /** Old records are removed. */
  readonly removes: boolean
}

export interface Place {
  readonly topic: string
  readonly partition: number
}

export interface PlaceOffset extends Place {
  readonly offset: bigint
}

/** Who leads a partition; null while nobody does. */
export type Leaders = (place: Place) => Broker | null

/** Where in a partition: its ends, or the first record at or after a time. */
export type Moment = 'begin' | 'end' | { readonly millis: bigint }

/** A cluster of brokers: its topics, how far they reach, what groups have committed. */
export class Cluster implements AsyncDisposable {
  /** `host:port`, or several. */
  readonly label: string
  /** As the cluster names itself. */
  readonly id: string
  readonly #admin: Admin

  private constructor(admin: Admin, named: { readonly label: string; readonly id: string }) {
    this.#admin = admin
    this.label = named.label
    this.id = named.id
  }

  /** Connects within seconds. Throws Fault. */
  static async open(
    endpoint: Endpoint,
    use: { readonly mirror: string; readonly purpose: string },
  ): Promise<Cluster> {
    const label = brokersOf(endpoint).join(',')
    const admin = new client.Admin(await clientOptions(endpoint, use))
    try {
      const { id } = await admin.metadata({ topics: [], forceUpdate: true })
      return new Cluster(admin, { label, id })
    } catch (error) {
      await admin.close().catch(() => undefined)
      throw faultOf(error, { doing: 'connecting', label })
    }
  }

  /** All names, sorted; without those that the brokers keep for themselves. */
  async names(): Promise<readonly string[]> {
    const names = await this.#doing('listing topics', () => this.#admin.listTopics())
    return names.sort()
  }

  /** In the order of the names; one that there is no topic of is left out. */
  async describe(names: readonly string[]): Promise<readonly Topic[]> {
    const found = await Promise.all(names.map((name) => this.#describe(name)))
    return found.flatMap((topic) => topic ?? [])
  }

  async #describe(name: string): Promise<Topic | null> {
    try {
      const { topics } = await this.#admin.metadata({ topics: [name], forceUpdate: true })
      const topic = topics.get(name)
      return topic === undefined ? null : { name, id: topic.id, partitions: topic.partitionsCount }
    } catch (error) {
      if (says(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return null
      throw faultOf(error, { doing: `describing topic ${name}`, label: this.label })
    }
  }

  /** The newest version of a request of the protocol that the brokers take. */
  async newest(request: number): Promise<number> {
    const apis = await this.#doing('asking what brokers know', () => this.#admin.listApis())
    return apis.find(({ apiKey }) => apiKey === request)?.maxVersion ?? -1
  }

  /** As the client remembers it, unless it is to ask anew. */
  async leaders(topics: readonly string[], how: { readonly fresh: boolean }): Promise<Leaders> {
    const asked = { topics: [...topics], forceUpdate: how.fresh }
    const known = await this.#doing('asking who leads topics', () => this.#admin.metadata(asked))
    return ({ topic, partition }) => {
      const leader = known.topics.get(topic)?.partitions[partition]?.leader ?? -1
      return known.brokers.get(leader) ?? null
    }
  }

  /**
   * The offset of a moment in each partition; the offset after the last committed record for
   * `end`, and for a time after which there is none.
   */
  async offsets(topics: readonly Topic[], moment: Moment): Promise<readonly PlaceOffset[]> {
    if (topics.length === 0) return []
    const timestamp =
      moment === 'begin'
        ? client.ListOffsetTimestamps.EARLIEST
        : moment === 'end'
          ? client.ListOffsetTimestamps.LATEST
          : moment.millis
    const asked = topics.map(({ name, partitions }) => ({
      name,
      partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
        partitionIndex,
        timestamp,
      })),
    }))
    const listed = await this.#doing('asking how far topics reach', () =>
      this.#admin.listOffsets({ topics: asked, isolationLevel: COMMITTED }),
    )
    const found = listed.flatMap(({ name, partitions }) =>
      partitions.sort(byPartition).map(({ partitionIndex, offset }) => ({
        topic: name,
        partition: partitionIndex,
        offset,
      })),
    )
    if (!found.some(({ offset }) => offset < 0n)) return found
    const ends = await this.offsets(topics, 'end')
    return found.map((one) => (one.offset < 0n ? (ends.find(samePlace(one)) ?? one) : one))
  }

  /** How long the topic keeps its records. */
  async keeping(topic: string): Promise<Keeping> {
    const configurationKeys = [
      ...['retention.ms', 'retention.bytes'],
      ...['cleanup.policy', 'delete.retention.ms'],
    ]
    const resource = { resourceType: client.ConfigResourceTypes.TOPIC, resourceName: topic }
    const [described] = await this.#doing(`reading the settings of topic ${topic}`, () =>
      this.#admin.describeConfigs({ resources: [{ ...resource, configurationKeys }] }),
    )
    const values = new Map(described?.configs.map(({ name, value }) => [name, value ?? '']))
    const limit = (name: string): bigint | null => {
      const text = values.get(name) ?? ''
      return /^\d+$/.test(text) ? BigInt(text) : null
    }
    const policy = values.get('cleanup.policy') ?? 'delete'
    const removes = policy.includes('delete')
    return {
      millis: removes ? limit('retention.ms') : null,
      bytes: removes ? limit('retention.bytes') : null,
      compacted: policy.includes('compact'),
      deletes: policy.includes('compact') ? limit('delete.retention.ms') : null,
      removes,
    }
  }

  /** What a group has committed; partitions without an offset are left out. */
  async committed(group: string): Promise<readonly PlaceOffset[]> {
    const groups = await this.#doing(`reading the offsets of group ${group}`, () =>
      this.#admin.listConsumerGroupOffsets({ groups: [group] }),
    )
    return groups.flatMap(({ topics }) =>
      topics.flatMap(({ name, partitions }) =>
        partitions.flatMap(({ partitionIndex, committedOffset }) =>
          committedOffset < 0n
            ? []
            : [{ topic: name, partition: partitionIndex, offset: committedOffset }],
        ),
      ),
    )
  }

  /** Commits offsets for a group without members, for other tools to see. */
  async commit(group: string, offsets: readonly PlaceOffset[]): Promise<void> {
    const topics = Map.groupBy(offsets, ({ topic }) => topic)
    await this.#doing(`committing the offsets of group ${group}`, () =>
      this.#admin.alterConsumerGroupOffsets({
        groupId: group,
        topics: [...topics].map(([name, places]) => ({
          name,
          partitionOffsets: places.map(({ partition, offset }) => ({ partition, offset })),
        })),
      }),
    )
  }

  /** Forgets a group; false when there is none. */
  async forget(group: string): Promise<boolean> {
    try {
      await this.#admin.deleteGroups({ groups: [group] })
      return true
    } catch (error) {
      if (says(error, 'GROUP_ID_NOT_FOUND')) return false
      throw faultOf(error, { doing: `removing group ${group}`, label: this.label })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin.close().catch(() => undefined)
  }

  async #doing<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw faultOf(error, { doing, label: this.label })
    }
  }
}

/** Of the protocol: records of open and aborted transactions are not counted. */
export const COMMITTED = 1

function byPartition(
  a: { readonly partitionIndex: number },
  b: { readonly partitionIndex: number },
): number {
  return a.partitionIndex - b.partitionIndex
}

function samePlace(one: Place): (other: Place) => boolean {
  return ({ topic, partition }) => topic === one.topic && partition === one.partition
}

/** Names of topics by a pattern: `*` stands for any characters. */
export function topicPattern(pattern: string): (name: string) => boolean {
  if (!/^[A-Za-z0-9._*-]+$/.test(pattern)) {
    throw new Fault('HF-C104', {
      what: `the pattern ${JSON.stringify(pattern)} is not one of names of topics`,
    })
  }
  const parts = pattern.split('*').map((part) => part.replaceAll('.', '\\.'))
  const expression = new RegExp(`^${parts.join('.*')}$`)
  return (name) => expression.test(name)
}
