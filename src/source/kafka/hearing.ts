import { orAborted } from '../../async/abort.ts'
import { sleep } from '../../async/clock.ts'
import type { Cluster, PlaceOffset, Topic } from '../../dialect/kafka/cluster.ts'
import type { Fetcher, Wanted } from '../../dialect/kafka/fetcher.ts'
import { Fault } from '../../model/fault.ts'
import type { Hearing } from '../source.ts'
import type { TopicTable } from './tables.ts'
import { recordsBetween } from './topics.ts'

/** Milliseconds between two looks for a topic that is not there yet. */
const LOOK = 250
const LIMITS = { wait: 500, bytes: 4 << 20, partitionBytes: 1 << 20 }

interface Reach {
  readonly cluster: Cluster
  readonly fetcher: Fetcher
}

/**
 * Hears the messages of a database's log, which the connector puts into a topic of their own. A
 * connector tells in the order of the log, but its producer sends a batch of each partition at a
 * time: where many wait for one partition, the word comes before them.
 */
export async function hearMessages(reach: Reach, tables: readonly TopicTable[]): Promise<Hearing> {
  const topic = `${serverOf(tables)}.message`
  const [known] = await reach.cluster.describe([topic])
  const ends = known === undefined ? [] : await reach.cluster.offsets([known], 'end')
  const from = new Map(ends.map(({ partition, offset }) => [partition, offset]))
  const backlog = new Backlog(
    reach,
    tables.map((one) => one.topic),
  )
  return {
    async heard(word, signal) {
      const places = await placesOf(reach, topic, { from, signal })
      for (;;) {
        const portions = await orAborted(reach.fetcher.fetch(places, LIMITS), signal)
        for (const { partition, messages, next } of portions) {
          from.set(partition, next)
          const place = places.find((one) => one.partition === partition)
          if (place !== undefined) place.offset = next
          // The word is the key, in whatever the key is written.
          const found = messages.find(({ key }) => key?.includes(word) === true)
          if (found !== undefined) return await backlog.isOver(found.timestamp, signal)
        }
      }
    },
  }
}

/** What was handed to the producer before the first word, and is still to be sent. */
class Backlog {
  readonly #reach: Reach
  readonly #topics: readonly Topic[]
  /** When the first word was handed over, in milliseconds of the clock that stamps records. */
  #since: bigint | null = null
  #ends: readonly PlaceOffset[] = []

  constructor(reach: Reach, topics: readonly Topic[]) {
    this.#reach = reach
    this.#topics = topics
  }

  /** Takes when the newest word was handed over; true when none of it came since the last one. */
  async isOver(at: bigint, signal: AbortSignal): Promise<boolean> {
    const [since, before] = [this.#since, this.#ends]
    this.#since ??= at
    this.#ends = await orAborted(this.#reach.cluster.offsets(this.#topics, 'end'), signal)
    if (since === null) return false
    let over = true
    for (const topic of this.#topics) {
      const own = ({ topic: name }: PlaceOffset): boolean => name === topic.name
      const part = { topic, from: before.filter(own), ends: this.#ends.filter(own) }
      for await (const messages of recordsBetween(this.#reach, part, signal)) {
        if (messages.some(({ timestamp }) => timestamp <= since)) over = false
      }
    }
    return over
  }
}

/** The name that the connector begins the names of its topics with. */
function serverOf(topics: readonly TopicTable[]): string {
  const servers = new Set(topics.flatMap(({ first }) => first?.origin?.server ?? []))
  const [server, ...others] = [...servers].filter((name) => name !== '')
  if (server !== undefined && others.length === 0) return server
  const what =
    server === undefined
      ? 'records of the topics do not say which connector wrote them'
      : `several connectors fill the topics (${[server, ...others].join(', ')}), and one database is named`
  throw new Fault('HF-K112', { what, side: 'source' })
}

type Movable = { -readonly [Key in keyof Wanted]: Wanted[Key] }

/** The topic comes to be with the first message. */
async function placesOf(
  { cluster }: Reach,
  topic: string,
  { from, signal }: { readonly from: ReadonlyMap<number, bigint>; readonly signal: AbortSignal },
): Promise<Movable[]> {
  for (;;) {
    const [found] = await orAborted(cluster.describe([topic]), signal)
    if (found !== undefined) {
      const begins = await orAborted(cluster.offsets([found], 'begin'), signal)
      return begins.map(({ partition, offset }) => {
        return { topic, id: found.id, partition, offset: from.get(partition) ?? offset }
      })
    }
    await sleep(LOOK, signal)
  }
}
