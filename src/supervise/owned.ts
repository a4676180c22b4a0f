import { anyOf } from '../async/abort.ts'
import { monotonic, sleep } from '../async/clock.ts'
import type { Owned } from '../config/settings.ts'
import { heal } from '../connect/heal.ts'
import { healthOf } from '../connect/health.ts'
import { settled, type Watched } from '../connect/look.ts'
import { requireModes } from '../connect/modes.ts'
import { isSnapshotTaken } from '../connect/taken.ts'
import { validated } from '../connect/validate.ts'
import { Worker } from '../connect/worker.ts'
import { checkMirror } from '../mirror/operations.ts'
import type { MirrorOptions, MirrorOutcome, Watch } from '../mirror/options.ts'
import type { ConnectorProgress } from '../mirror/progress.ts'
import { asFault, Fault } from '../model/fault.ts'
import { runMirror } from './keep.ts'
import { progressOf, Warden } from './warden.ts'

/** Milliseconds between two looks at what is waited for. */
const LOOK = 1_000
/** Milliseconds that topics without a row are waited for once their connectors run. */
const EMPTY = 60_000

/** The connectors of a worker as they are; asks for nothing more than it says. */
export async function connectorsOf(
  { worker: address, connectors }: Owned,
  signal: AbortSignal,
): Promise<readonly ConnectorProgress[]> {
  const worker = new Worker(address.reveal(), signal)
  return await Promise.all(
    connectors.map(async (name) => progressOf(healthOf(await worker.status(name)))),
  )
}

/** A connector of the mirror, started again as often as its settings say. */
export function watchedOf({ attempts }: Owned, one: Watched): Watched {
  return attempts === null ? one : { ...one, attempts }
}

/**
 * Runs a mirror together with the connectors that fill its source: both are looked at before
 * anything is started, and they start and stop together. A connector that fails is started again
 * with growing waits; one that a person has to mend, or that fails for good, halts the mirror. What
 * a person paused stays paused.
 */
export async function runOwned(
  options: MirrorOptions,
  owned: Owned,
  { drain, watch }: { readonly drain: AbortSignal; readonly watch: Watch },
): Promise<MirrorOutcome> {
  const closing = new AbortController()
  const worker = new Worker(owned.worker.reveal(), closing.signal)
  const { signal } = closing
  const watched = owned.connectors.map((name) => watchedOf(owned, { worker, name, signal }))
  await preflight(options, watched)
  try {
    return await together(options, watched, { drain, watch })
  } catch (thrown) {
    if (drain.aborted && !(thrown instanceof Fault))
      return { ended: 'drained', positions: new Map() }
    const fault = asFault(thrown)
    watch({ kind: 'fault', fault, retryInMillis: null })
    watch({ kind: 'phase', phase: 'halted', reason: `${fault.code} ${fault.message}` })
    throw fault
  } finally {
    await stopAll(watched, watch)
    closing.abort()
  }
}

/** Both halves, before either is started. Throws Fault. */
async function preflight(options: MirrorOptions, watched: readonly Watched[]): Promise<void> {
  for (const { worker, name } of watched) {
    const config = await worker.config(name)
    requireModes(name, config, options.source.params)
    const findings = await validated(worker, name, config)
    const failed = findings.find(({ level }) => level === 'fail')
    if (failed?.level === 'fail') throw failed.fault
  }
  try {
    const failed = (await checkMirror(options)).find(({ level }) => level === 'fail')
    if (failed?.level === 'fail') throw failed.fault
  } catch (error) {
    // Topics come with the first run of their connectors.
    if (!isWithoutTopics(error)) throw error
  }
}

function isWithoutTopics(error: unknown): boolean {
  return error instanceof Fault && (error.code === 'HF-C105' || error.code === 'HF-K106')
}

async function together(
  options: MirrorOptions,
  watched: readonly Watched[],
  { drain, watch }: { readonly drain: AbortSignal; readonly watch: Watch },
): Promise<MirrorOutcome> {
  watch({ kind: 'phase', phase: 'preparing', reason: null })
  await using warden = new Warden(watched, watch)
  await Promise.all(
    watched.map((one) => start({ ...one, signal: anyOf(one.signal, drain) }, watch)),
  )
  await warden.look()
  const stop = anyOf(drain, warden.broken)
  await untilTaken(watched, { stop, watch })
  const outcome = await withTopics(() => runMirror(options, stop, watch), stop)
  if (warden.broken.aborted) throw asFault(warden.broken.reason)
  return outcome
}

/** Throws what a person has to mend, or what does not pass. */
export async function start(one: Watched, watch: Watch): Promise<void> {
  const { worker, name } = one
  const { condition } = healthOf(await worker.status(name))
  if (condition === 'paused') {
    const text = `connector ${name} was paused by a person and stays so: holdfast connectors resume ${name}`
    watch({ kind: 'notice', text })
    return
  }
  if (condition === 'stopped') {
    await worker.resume(name)
    // For a while it is still called what it was, which is not what a person wants of it now.
    await settled(one, { wanted: 'running' })
  }
  const health = await heal(one, (attempt, wait) =>
    watch({
      kind: 'notice',
      text: `connector ${name} failed: attempt ${attempt} in ${wait / 1000} s`,
    }),
  )
  const [fault] = health.faults
  if (health.condition === 'failed' && fault !== undefined) throw fault
}

/** Waits for the end of snapshots that are being taken: topics come with their first rows. */
async function untilTaken(
  watched: readonly Watched[],
  { stop, watch }: { readonly stop: AbortSignal; readonly watch: Watch },
): Promise<void> {
  let told = false
  for (const { worker, name } of watched) {
    while (!stop.aborted) {
      const { condition } = healthOf(await worker.status(name))
      if (condition === 'paused' || condition === 'stopped') break
      if (isSnapshotTaken(await worker.offsets(name))) break
      if (!told) watch({ kind: 'notice', text: `connector ${name} takes its snapshot` })
      told = true
      await sleep(LOOK, stop).catch(() => undefined)
    }
  }
}

/** Connectors run, and what they tell may take a while to stand in its topics. */
async function withTopics<T>(run: () => Promise<T>, stop: AbortSignal): Promise<T> {
  const until = monotonic() + EMPTY
  for (;;) {
    try {
      return await run()
    } catch (error) {
      if (!isWithoutTopics(error) || monotonic() > until || stop.aborted) throw error
      await sleep(LOOK, stop).catch(() => undefined)
    }
  }
}

/** Settings and offsets stay; so does what a person paused, and what has failed with its reason. */
async function stopAll(watched: readonly Watched[], watch: Watch): Promise<void> {
  const stopped = watched.map(async (one): Promise<ConnectorProgress[]> => {
    const { worker, name } = one
    try {
      const before = healthOf(await worker.status(name))
      if (before.condition === 'paused' || before.condition === 'failed')
        return [progressOf(before)]
      await worker.stop(name)
      return [progressOf(await settled(one, { wanted: 'stopped' }))]
    } catch (error) {
      const text = `connector ${name} could not be stopped: ${asFault(error).message}`
      watch({ kind: 'notice', text })
      return []
    }
  })
  watch({ kind: 'connectors', connectors: (await Promise.all(stopped)).flat() })
}
