import type { Cluster, PlaceOffset, Topic } from '../../dialect/kafka/cluster.ts'

/** Shares of the time that a topic keeps its records at which a person is told. */
const LEVELS = [0.8, 0.5] as const

/** Says, once for each level, that a topic may soon throw away what was not read. */
export class Ageing {
  readonly #cluster: Cluster
  readonly #told = new Map<string, number>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** Sentences for people. `places`: what was read of each partition; `now`: milliseconds. */
  async notices(
    topics: readonly Topic[],
    { places, now }: { readonly places: readonly PlaceOffset[]; readonly now: bigint },
  ): Promise<readonly string[]> {
    const found: string[] = []
    for (const topic of topics) {
      const { millis } = await this.#cluster.keeping(topic.name)
      if (millis === null) continue
      const own = places.filter((place) => place.topic === topic.name)
      const late = await this.#late(topic, { own, now, millis })
      const known = this.#told.get(topic.name) ?? 0
      this.#told.set(topic.name, late?.level ?? 0)
      if (late !== null && late.level > known) found.push(sentence(late, millis))
    }
    return found
  }

  /** The highest level that a record has come to that was not read. */
  async #late(
    topic: Topic,
    of: { readonly own: readonly PlaceOffset[]; readonly now: bigint; readonly millis: bigint },
  ): Promise<{ readonly level: number; readonly place: PlaceOffset } | null> {
    for (const level of LEVELS) {
      const millis = of.now - BigInt(Math.round(Number(of.millis) * level))
      if (millis < 0n) continue
      const firsts = await this.#cluster.offsets([topic], { millis })
      const place = of.own.find(({ partition, offset }) => {
        const first = firsts.find((one) => one.partition === partition)
        return first !== undefined && offset < first.offset
      })
      if (place !== undefined) return { level, place }
    }
    return null
  }
}

function sentence(
  { level, place }: { readonly level: number; readonly place: PlaceOffset },
  millis: bigint,
): string {
  const left = Math.floor((Number(millis) * (1 - level)) / 60_000)
  return (
    `records from offset ${place.offset} of partition ${place.partition} of the topic ${place.topic} on were not read for ` +
    `${Math.round(level * 100)} % of the time that it keeps them; in at most ${left} minutes they are thrown away, ` +
    'and the mirror needs a new snapshot'
  )
}
