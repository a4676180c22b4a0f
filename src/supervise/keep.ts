import { sleep } from '../async/clock.ts'
import type { MirrorOptions, MirrorOutcome, Run, Watch } from '../mirror/options.ts'
import { Retention } from '../mirror/retention.ts'
import { session } from '../mirror/session.ts'
import { asFault, type Fault } from '../model/fault.ts'
import { backoff } from './backoff.ts'

/**
 * Runs a mirror until its goal is reached or `drain` aborts (what was read is then applied).
 * A server that cannot be reached at the start is a Fault at once; once the mirror is open,
 * transient faults are retried for good and every other Fault ends the run (phase `halted`).
 */
export async function runMirror(
  options: MirrorOptions,
  drain: AbortSignal,
  watch: Watch,
): Promise<MirrorOutcome> {
  return keepOn({ options, watch, drain, goal: null, opened: false })
}

/** Sessions one after another until one ends well, a person stops it, or a Fault must halt it. */
export async function keepOn({ drain, watch, ...wanted }: Run): Promise<MirrorOutcome> {
  let attempt = 0
  let applied = false
  const retention = new Retention()
  const run: Run = {
    ...wanted,
    drain,
    watch: (event) => {
      applied ||= event.kind === 'applied'
      watch(event)
      if (event.kind !== 'source' && event.kind !== 'log') return
      const text = retention.notice(event)
      if (text !== null) watch({ kind: 'notice', text })
    },
  }
  for (;;) {
    applied = false
    try {
      const outcome = await session(run)
      watch({ kind: 'phase', phase: 'stopped', reason: null })
      return outcome
    } catch (thrown) {
      if (drain.aborted) return stopped(watch)
      const fault = asFault(thrown)
      if (!run.opened || !fault.transient) throw halted(fault, watch)
      // A session that carried something over was a success, whatever ended it.
      attempt = applied ? 1 : attempt + 1
      await waitAfter(fault, attempt, { watch, drain })
      if (drain.aborted) return stopped(watch)
    }
  }
}

async function waitAfter(
  fault: Fault,
  attempt: number,
  { watch, drain }: { readonly watch: Watch; readonly drain: AbortSignal },
): Promise<void> {
  const pause = backoff(attempt)
  watch({ kind: 'fault', fault, retryInMillis: pause })
  watch({ kind: 'phase', phase: 'waiting', reason: `${fault.code} ${fault.message}` })
  await sleep(pause, drain).catch(() => undefined)
}

function halted(fault: Fault, watch: Watch): Fault {
  watch({ kind: 'fault', fault, retryInMillis: null })
  watch({ kind: 'phase', phase: 'halted', reason: `${fault.code} ${fault.message}` })
  return fault
}

function stopped(watch: Watch): MirrorOutcome {
  watch({ kind: 'phase', phase: 'stopped', reason: null })
  return { ended: 'drained', positions: new Map() }
}
