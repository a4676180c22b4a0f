import type { Cluster, Topic } from '../../dialect/kafka/cluster.ts'
import { Fault } from '../../model/fault.ts'
import { Gathering } from '../../model/gathering.ts'
import { type LanePlace, laneOf, partitionOf, placeOf, positionAt } from './place.ts'

/** Milliseconds by which the clocks of databases, connectors and brokers may differ. */
const CLOCKS = 60_000n

/**
 * The same, with partitions that are to be set back at the first record that they hold. Throws
 * HF-K115 where records may be gone that came after what is to be carried out first.
 */
export async function fromBeginnings(
  cluster: Cluster,
  log: string,
  gathering: Gathering,
): Promise<Gathering> {
  const places = [...gathering.back].map(([lane, position]) => placeOf(lane, position))
  const name = places[0]?.topic
  if (name === undefined) return gathering
  const [topic] = await cluster.describe([name])
  if (topic === undefined) return gathering
  const begins = await cluster.offsets([topic], 'begin')
  const back = places.map((place) => {
    const offset = begins.find(({ partition }) => partition === place.partition)?.offset ?? 0n
    return { ...place, offset }
  })
  const cut = back.filter(({ offset }) => offset > 0n)
  if (cut.length > 0) await requireHeld(cluster, topic, { cut, gathering })
  const positions = back.map((place) => [laneOf(place), positionAt(log, place)] as const)
  return new Gathering({ ...gathering, back: new Map(positions) })
}

/** A compacted topic holds the newest of each row; another one is cut at its old end. */
async function requireHeld(
  cluster: Cluster,
  topic: Topic,
  { cut, gathering }: { readonly cut: readonly LanePlace[]; readonly gathering: Gathering },
): Promise<void> {
  if (!(await cluster.keeping(topic.name)).removes) return
  const [[lane, met] = []] = gathering.until
  if (lane === undefined || met === undefined) return
  // What has to be there came after all that was told where the event was met.
  const told = placeOf(lane, met).marks.map(({ at }) => BigInt(at))
  const oldest = told.reduce((a, b) => (b < a ? b : a), told[0] ?? 0n) / 1000n - CLOCKS
  const since = await cluster.offsets([topic], { millis: oldest > 0n ? oldest : 0n })
  for (const { partition, offset } of cut) {
    const first = since.find((one) => one.partition === partition)?.offset ?? 0n
    if (first > offset) continue
    throw new Fault('HF-K115', {
      what: `partition ${partition} of the topic ${topic.name} was followed past a truncate or snapshot that stands in partition ${partitionOf(lane).partition}, and begins at offset ${offset}: what came after that may be gone`,
      side: 'source',
    })
  }
}
