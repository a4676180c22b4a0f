import { monotonic } from '../../src/async/clock.ts'
import type { Findings } from './report.ts'
import { openStand, ours } from './stand.ts'
import { fill } from './topic.ts'

const EVENTS = 5_000_000
const BOUND = 350

/** A topic that is as long as topics get, whose producer compresses. */
export async function large(scale: number): Promise<Findings> {
  await using stand = await openStand()
  const events = Math.round(EVENTS * scale)
  const began = monotonic()
  const filling = { topic: 'bench.large', events, partitions: 4, compression: 'zstd' } as const
  const made = await fill(stand.broker, stand.target, filling)
  console.error(`the topic was filled in ${Math.round((monotonic() - began) / 1000)} s`)
  const own = await ours(stand, made)
  const name = 'a long topic of 4 partitions, compressed'
  const size = { name: `resident size, ${name}`, value: own.memory / 2 ** 20, unit: 'MB' }
  return {
    ways: [{ name: `Holdfast, ${name}`, events, ...own, ratio: null, must: null }],
    measures: [{ ...size, most: BOUND }],
  }
}
