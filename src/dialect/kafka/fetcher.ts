import type { BaseOptions, Broker } from '@platformatic/kafka'
import { monotonic, sleep } from '../../async/clock.ts'
import { breath } from '../../async/turn.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { Fault } from '../../model/fault.ts'
import { listed } from '../../model/findings.ts'
import { type Answer, type Asked, FETCH, type FetchRequest, requests } from './answer.ts'
import { sizeOfBatch } from './batches.ts'
import { type Cluster, COMMITTED, type Leaders, type PlaceOffset } from './cluster.ts'
import { clientOptions } from './connect.ts'
import { faultOf, says } from './errors.ts'
import { Lines } from './line.ts'
import { type Portion, Unread } from './records.ts'
import { SocketThread } from './thread.ts'

/** A partition to read, and from where. */
export interface Wanted extends PlaceOffset {
  /** The id of the topic. */
  readonly id: string
}

export interface FetchLimits {
  /** Milliseconds that a broker waits when there is nothing to read. */
  readonly wait: number
  /** Of one answer; a single larger batch of records comes all the same. */
  readonly bytes: number
  readonly partitionBytes: number
  /** What comes next is asked for while this is being read, as long as brokers have more. */
  readonly ahead?: boolean
}

/** What was asked for before somebody wanted it. */
interface Ahead {
  readonly wanted: readonly Wanted[]
  readonly answers: Promise<readonly Answer[]>
}

/** What is asked of the cluster. */
export type Leading = Pick<Cluster, 'label' | 'newest' | 'leaders' | 'describe'>

/** Milliseconds before leaders are asked for anew. */
const ELECTION = 100
/** Milliseconds after which partitions that nobody serves are no passing matter. */
const LEADERLESS = 30_000
/** Another broker leads the partition now. */
const MOVED = ['NOT_LEADER_OR_FOLLOWER', 'LEADER_NOT_AVAILABLE', 'FENCED_LEADER_EPOCH']
/** The topic is gone or another one, or this broker has not heard of it yet. */
const UNKNOWN = ['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID', 'INCONSISTENT_TOPIC_ID']

/** Bytes of records that are handed on at once: compressed ones may be many times an answer. */
const PIECE = 4 << 20
/** A request that stands for itself: the broker keeps nothing of it. */
const NO_SESSION = { id: 0, epoch: -1 }

/** Bytes that can be asked for: the protocol has an int32 for them. */
const MOST_BYTES = 0x7fff_ffff

/**
 * Reads partitions that are named, from offsets that are named: nobody assigns anything, and no
 * offset is ever chosen by the client.
 *
 * Requests are made below the client's consumer, whose own filter of aborted transactions drops
 * committed records.
 */
export class Fetcher implements AsyncDisposable {
  readonly #cluster: Leading
  readonly #thread = new SocketThread()
  readonly #lines: Lines
  readonly #request: FetchRequest
  /** What was answered and not handed on, by partition. */
  readonly #unread = new Map<string, Unread>()
  /** How many partitions have something unread in the memory of an answer. */
  readonly #holds = new WeakMap<ArrayBufferLike, number>()
  /** What is asked for of partitions whose batches are larger than what is asked for of others. */
  readonly #larger = new Map<string, number>()
  /** How often something was asked for. */
  #asked = 0
  #ahead: Ahead | null = null
  #stale = false
  /** Since when some partition could not be asked for; by the monotonic clock. */
  #waits: number | null = null

  private constructor(
    cluster: Leading,
    how: { readonly options: BaseOptions; readonly request: FetchRequest },
  ) {
    this.#cluster = cluster
    this.#lines = new Lines(how.options, this.#thread)
    this.#request = how.request
  }

  /** Throws Fault. */
  static async open(
    endpoint: Endpoint,
    { cluster, mirror }: { readonly cluster: Leading; readonly mirror: string },
  ): Promise<Fetcher> {
    const newest = await cluster.newest(FETCH)
    const request = requests.find(({ version }) => version <= newest)
    if (request === undefined) {
      const what = `the brokers at ${cluster.label} are older than Kafka 3.1, which first names topics by id`
      throw new Fault('HF-S107', { what, side: 'source' })
    }
    const options = await clientOptions(endpoint, { mirror, purpose: 'stream' })
    return new Fetcher(cluster, { options, request })
  }

  /**
   * What has arrived in these partitions; those without anything new may be left out, and those
   * that have no leader for the moment. Throws HF-S101 once one has had none for long.
   */
  async fetch(wanted: readonly Wanted[], limits: FetchLimits): Promise<readonly Portion[]> {
    const doing = 'reading topics'
    try {
      const held = this.#take(wanted)
      if (held.length > 0) return held
      const answers = await (this.#takeAhead(wanted) ?? this.#askAll(wanted, limits))
      const nothing = answers.flatMap((answer) => this.#keep(answer, wanted))
      if (limits.ahead === true && this.#lookAhead(wanted, limits)) await breath()
      return [...nothing, ...this.#take(wanted)]
    } catch (error) {
      this.#stale = true
      if (!(await this.#passes(error, wanted))) {
        throw faultOf(error, { doing, label: this.#cluster.label })
      }
      await this.#unserved(wanted)
      return []
    }
  }

  /**
   * Nobody will look at these messages again: their memory is taken for other answers. What is not
   * said of stays as it is.
   */
  recycle(portions: readonly Portion[]): void {
    for (const { spent } of portions) {
      if (spent === null) continue
      const left = (this.#holds.get(spent) ?? 0) - 1
      this.#holds.set(spent, left)
      if (left === 0 && spent instanceof ArrayBuffer) this.#thread.give(spent)
    }
  }

  /** Of what is held of these partitions; what is asked for from elsewhere is forgotten. */
  #take(wanted: readonly Wanted[]): readonly Portion[] {
    const held = wanted.flatMap((place) => {
      const unread = this.#unread.get(nameOf(place))
      if (unread?.next === place.offset) return [{ place, unread }]
      this.#unread.delete(nameOf(place))
      return []
    })
    return held.map(({ place, unread }) => {
      const portion = unread.take(PIECE / held.length)
      if (unread.isEmpty) this.#unread.delete(nameOf(place))
      return portion
    })
  }

  /** Of all that have a leader. */
  async #askAll(wanted: readonly Wanted[], limits: FetchLimits): Promise<readonly Answer[]> {
    const names = [...new Set(wanted.map(({ topic }) => topic))]
    const leaders = await this.#cluster.leaders(names, { fresh: this.#stale })
    // Brokers begin with the partition that is named first, up to the bytes of an answer.
    const first = this.#asked++ % wanted.length
    const turned = [...wanted.slice(first), ...wanted.slice(0, first)]
    const answers = await Promise.all(
      [...byBroker(turned, leaders)].map(([broker, places]) => this.#ask(broker, places, limits)),
    )
    const without = wanted.filter((place) => leaders(place) === null)
    if (without.length === 0) this.#served()
    else await this.#unserved(without)
    return answers.flat()
  }

  /**
   * Asks for what comes after all that is held, as long as there is more: brokers answer that at
   * once, and later than what is held, so that their ends are newer. False where nothing is asked.
   */
  #lookAhead(wanted: readonly Wanted[], limits: FetchLimits): boolean {
    const held = wanted.map((place) => ({ place, unread: this.#unread.get(nameOf(place)) }))
    const more = held.some(({ unread }) => unread !== undefined && unread.after < unread.end)
    if (!more || this.#stale) return false
    const next = held.map(({ place, unread }) => ({
      ...place,
      offset: unread?.after ?? place.offset,
    }))
    const answers = this.#askAll(next, limits)
    // What fails is thrown to whom wants it.
    answers.catch(() => undefined)
    this.#ahead = { wanted: next, answers }
    return true
  }

  /** What was asked for already; what differs from it is forgotten. */
  #takeAhead(wanted: readonly Wanted[]): Promise<readonly Answer[]> | null {
    const ahead = this.#ahead
    this.#ahead = null
    if (ahead === null || ahead.wanted.length !== wanted.length) return null
    const same = wanted.every((place, i) => {
      const asked = ahead.wanted[i]
      return asked?.offset === place.offset && nameOf(asked) === nameOf(place)
    })
    return same ? ahead.answers : null
  }

  #served(): void {
    this.#stale = false
    this.#waits = null
  }

  /** Leaders are asked for anew after a moment, not at once and again and again. */
  async #unserved(places: readonly Wanted[]): Promise<void> {
    this.#stale = true
    this.#waits ??= monotonic()
    if (monotonic() - this.#waits > LEADERLESS) {
      const named = listed(places.map(({ topic, partition }) => `${topic}/${partition}`))
      const what = `no broker at ${this.#cluster.label} serves ${named}`
      throw new Fault('HF-S101', { what, side: 'source' })
    }
    await sleep(ELECTION)
  }

  /**
   * True for what ends by itself: another broker leads a partition, or the one that was asked has
   * not heard yet of a topic that there is.
   */
  async #passes(error: unknown, wanted: readonly Wanted[]): Promise<boolean> {
    if (MOVED.some((id) => says(error, id))) return true
    if (!UNKNOWN.some((id) => says(error, id))) return false
    const ids = new Map(wanted.map(({ topic, id }) => [topic, id]))
    const known = await this.#cluster.describe([...ids.keys()])
    return known.length === ids.size && known.every(({ name, id }) => ids.get(name) === id)
  }

  async #ask(
    broker: Broker,
    places: readonly Wanted[],
    { wait, bytes, partitionBytes }: FetchLimits,
  ): Promise<readonly Answer[]> {
    const topics = [...Map.groupBy(places, ({ id }) => id)].map(([topicId, some]) => ({
      topicId,
      partitions: some.map((place) => ({
        partition: place.partition,
        currentLeaderEpoch: -1,
        fetchOffset: place.offset,
        lastFetchedEpoch: -1,
        partitionMaxBytes: Math.max(partitionBytes, this.#larger.get(nameOf(place)) ?? 0),
      })),
    }))
    const line = await this.#lines.to(broker)
    const { id, epoch } = NO_SESSION
    const asked: Asked = [wait, 1, bytes, COMMITTED, id, epoch, topics, [], '']
    return await this.#request.send(line, asked)
  }

  /** Keeps what there is of a partition; what says that there is nothing is handed on. */
  #keep(answer: Answer, places: readonly Wanted[]): readonly Portion[] {
    const { topicId, partition } = answer
    const asked = places.find((one) => one.id === topicId && one.partition === partition)
    if (asked === undefined) return []
    const unread = new Unread(asked.topic, asked.offset, answer)
    if (unread.isEmpty) {
      this.#askMore(asked, answer.records)
      return [unread.take(0)]
    }
    this.#unread.set(nameOf(asked), unread)
    const { buffer } = answer.records
    this.#holds.set(buffer, (this.#holds.get(buffer) ?? 0) + 1)
    return []
  }

  /**
   * Brokers cut off a batch that is larger than what was asked for of its partition, unless it is
   * the first one of an answer. The next ones are likely to be a bit larger or smaller.
   */
  #askMore(place: Wanted, cutOff: Buffer): void {
    const size = sizeOfBatch(cutOff)
    if (size > 0) this.#larger.set(nameOf(place), Math.min(size + (size >> 2), MOST_BYTES))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lines.close()
    await this.#thread.close()
  }
}

function byBroker(wanted: readonly Wanted[], leaders: Leaders): Map<Broker, Wanted[]> {
  const known = wanted.flatMap((place) => {
    const broker = leaders(place)
    return broker === null ? [] : [{ broker, place }]
  })
  return new Map(
    [...Map.groupBy(known, ({ broker }) => broker)].map(([broker, places]) => [
      broker,
      places.map(({ place }) => place),
    ]),
  )
}

function nameOf({ id, partition }: Wanted): string {
  return `${id}/${partition}`
}
