import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { every, type Ticker } from '../async/clock.ts'

/** Bytes that the space for young objects may grow to. */
const ENOUGH = 16 << 20
const LOOK_MS = 50

/**
 * Stops the growth of the space for young objects, which the engine would let become 128 MB on a
 * large machine although rows that pass through need far less. There is no way to say so before
 * the start that every way of starting would use; how much it grows by is asked at each growth.
 */
export function boundedHeap(): Ticker {
  const ticker = every(
    LOOK_MS,
    () => {
      const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
      if (young === undefined || young.space_size < ENOUGH) return
      setFlagsFromString('--semi-space-growth-factor=1')
      ticker[Symbol.dispose]()
    },
    () => undefined,
  )
  return ticker
}
