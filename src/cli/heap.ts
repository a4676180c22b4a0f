import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'
import { every } from '../async/clock.ts'

/** Bytes that the space for young objects may grow to. */
const ENOUGH = 16 << 20
const LOOK_MS = 50
/** Bytes that may come before the engine looks through all that lives once more. */
const BETWEEN = 64 << 20
const WEIGH_MS = 1_000
/** Percent of what lives. */
const [LEAST, MOST] = [50, 300]

/**
 * Fits the engine's heap to rows that pass through. There is no way to say so before the start
 * that every way of starting would use; the flags are asked for whenever the heap may grow.
 */
export function fittedHeap(): Disposable {
  const tickers = [boundedYoung(), patientOld()]
  return {
    [Symbol.dispose]() {
      for (const ticker of tickers) ticker[Symbol.dispose]()
    },
  }
}

/**
 * Stops the growth of the space for young objects, which the engine would let become 128 MB on a
 * large machine although rows that pass through need far less.
 */
function boundedYoung(): Disposable {
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

/**
 * The engine looks through all objects each time that the heap has grown by a share of itself, and
 * counts the bytes of rows, in which there is nothing to look for: in a small heap that is every 20
 * MB, and threads of its own take as much of the processor for it as the rows do. The share is as
 * large as a fixed number of bytes asks for, so a large heap does not become larger by it.
 */
function patientOld(): Disposable {
  let said = 0
  return every(
    WEIGH_MS,
    () => {
      const share = (100 * BETWEEN) / getHeapStatistics().used_heap_size
      const percent = Math.min(Math.max(Math.floor(share / 50) * 50, LEAST), MOST)
      if (percent === said) return
      said = percent
      setFlagsFromString(`--heap-growing-percent=${percent}`)
    },
    () => undefined,
  )
}
