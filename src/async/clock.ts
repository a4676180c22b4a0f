import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * The only place that reads a clock or sets a timer. Nothing that decides about rows depends on
 * the wall clock; `monotonic` is for waiting and rates.
 */

/** A test can make this clock jump: HOLDFAST_CLOCK names a file with milliseconds to add to it. */
const jumps = process.env['HOLDFAST_CLOCK']

/** Microseconds since 1970 by this machine's clock. */
export function wallMicros(): bigint {
  const now = jumps === undefined ? Date.now() : Date.now() + Number(readFileSync(jumps, 'utf8'))
  return BigInt(now) * 1000n
}

/** ISO 8601 in UTC, with milliseconds, of microseconds since 1970. */
export function isoTime(micros: bigint): string {
  return new Date(Number(micros / 1000n)).toISOString()
}

/** Milliseconds since some fixed moment; never goes back. */
export function monotonic(): number {
  return performance.now()
}

/** Resolves after `ms` milliseconds; rejects with the signal's reason when it aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

/** Resolves to `late()` when `work` has not settled after `ms` milliseconds; `work` goes on. */
export async function within<T, L>(ms: number, work: Promise<T>, late: () => L): Promise<T | L> {
  const timer = Promise.withResolvers<L>()
  const handle = setTimeout(() => {
    try {
      timer.resolve(late())
    } catch (error) {
      timer.reject(error)
    }
  }, ms)
  try {
    return await Promise.race([work, timer.promise])
  } finally {
    clearTimeout(handle)
  }
}

/** A repeated call. */
export interface Ticker extends Disposable {
  /** Resolves when a call that runs has ended; no further one starts. */
  stop(): Promise<void>
}

/**
 * Calls `work` every `ms` milliseconds, the next time only after the last one has ended. What it
 * throws goes to `failed`. Does not keep the process alive.
 */
export function every(ms: number, work: () => unknown, failed: (error: unknown) => void): Ticker {
  let stopped = false
  let running: Promise<void> = Promise.resolve()
  let handle: NodeJS.Timeout
  const arm = (): void => {
    handle = setTimeout(() => {
      running = call()
    }, ms)
    handle.unref()
  }
  const call = async (): Promise<void> => {
    try {
      await work()
    } catch (error) {
      if (!stopped) failed(error)
    }
    if (!stopped) arm()
  }
  const stop = async (): Promise<void> => {
    stopped = true
    clearTimeout(handle)
    await running
  }
  arm()
  return {
    stop,
    [Symbol.dispose]() {
      stopped = true
      clearTimeout(handle)
    },
  }
}
