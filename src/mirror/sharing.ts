import { aborted, anyOf } from '../async/abort.ts'
import { every, monotonic, sleep } from '../async/clock.ts'
import type { Checkpoint } from '../model/checkpoint.ts'
import { asFault, Fault } from '../model/fault.ts'
import { Gathering } from '../model/gathering.ts'
import { covers, type Lane } from '../model/position.ts'
import type { Source } from '../source/source.ts'
import type { Held, Membership, Target } from '../target/target.ts'
import { joined } from '../target/tenured.ts'
import { setBack } from './back.ts'
import type { Latecomers } from './later.ts'
import type { MirrorOptions, MirrorOutcome, Run } from './options.ts'
import { tableProgress } from './progress.ts'
import { compareLogs } from './resume.ts'
import { streamMirror } from './stream.ts'

/** Milliseconds between two looks at who shares the mirror. */
const LOOK = 1000
/** Milliseconds between two looks at a mirror that another process begins. */
const AGAIN = 200
/** Milliseconds that another process may take to begin it before it is called held. */
const FOUNDING = 60_000

export interface SharedEnds {
  readonly run: Run
  readonly source: Source
  readonly target: Target
  readonly later: Latecomers
}

/** Throws HF-C116 where several processes cannot follow the lanes of one mirror. */
export function refuseUnshareable(
  { source, target }: Pick<SharedEnds, 'source' | 'target'>,
  { until, snapshotOnly }: Pick<MirrorOptions, 'until' | 'snapshotOnly'>,
): void {
  const refuse = (what: string): never => {
    throw new Fault('HF-C116', { what })
  }
  if (source.traits.apart !== true)
    refuse(`${source.label} has one log that cannot be followed in parts`)
  if (target.traits.shared !== true) refuse(`${target.label} takes changes from one process`)
  if (until !== undefined || snapshotOnly === true)
    refuse('one of several processes has no place to end at')
}

/**
 * Follows its share of the lanes beside other processes that were started alike. One of them, which
 * claims the mirror for that long, makes it with `found`. Null when tables have come, which one of
 * them takes in while nobody shares it.
 */
export async function shareMirror(
  ends: SharedEnds,
  found: (ends: SharedEnds) => Promise<void>,
): Promise<MirrorOutcome | null> {
  const { run, target, later } = ends
  await whole(ends, found)
  const request = { settings: {}, patience: run.options.patience }
  await using membership = await joined(target, request, run.drain)
  run.opened = true
  try {
    const checkpoint = await target.checkpoint()
    if (checkpoint === null) return null
    await using lookout = later.lookout(checkpoint)
    return await new Terms(ends, membership).follow(lookout.found)
  } catch (error) {
    throw left(membership.lost.aborted ? membership.lost.reason : error)
  }
}

/** A process that was away for too long is no longer one of them, and becomes one again. */
function left(error: unknown): unknown {
  if (!(error instanceof Fault) || error.code !== 'HF-X102') return error
  return new Fault('HF-X103', {
    what: 'the lanes of this process went to others, since it did not renew its lease in time',
    side: 'mirror',
  })
}

/**
 * Resolves when the mirror stands with all tables that have come: by this process, or by another
 * one. What has come waits where others share the mirror and do not notice.
 */
async function whole(ends: SharedEnds, found: (ends: SharedEnds) => Promise<void>): Promise<void> {
  const { run, target, later } = ends
  const until = monotonic() + FOUNDING
  for (;;) {
    const known = await target.checkpoint()
    const stands = isWhole(known)
    if (known !== null && stands && (await later.come(known)) === null) return
    try {
      await found(ends)
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'HF-X101') throw error
      const over = monotonic() > until
      if (over && known !== null && stands) await later.refuse(known, error)
      else if (over) throw error
      await sleep(AGAIN, run.drain)
    }
  }
}

function isWhole(checkpoint: Checkpoint | null): boolean {
  if (checkpoint === null || checkpoint.positions.size === 0 || !checkpoint.finished) return false
  return checkpoint.tables.every(({ state }) => state === 'copied')
}

/** Follows lanes as long as they are the same, and then others. */
class Terms {
  readonly #ends: SharedEnds
  readonly #membership: Membership
  #gathering: Gathering | null = null
  #said = ''

  constructor(ends: SharedEnds, membership: Membership) {
    this.#ends = ends
    this.#membership = membership
  }

  /** Null where `come` was aborted. */
  async follow(come: AbortSignal): Promise<MirrorOutcome | null> {
    const { run, target } = this.#ends
    for (;;) {
      if (come.aborted && !run.drain.aborted) return null
      if (run.drain.aborted) return { ended: 'drained', positions: await target.durable() }
      const held = await this.#membership.settle(this.#gathering?.lanes ?? [])
      if (held.wanted.length === 0) this.#gathering = null
      const outcome = await this.#term(held, come)
      if (outcome !== null && run.drain.aborted) return outcome
    }
  }

  /** Until lanes are to be given up or taken. */
  async #term(held: Held, come: AbortSignal): Promise<MirrorOutcome | null> {
    const { run, source, target } = this.#ends
    const { checkpoint } = held
    const claim = this.#membership
    run.watch({ kind: 'shared' })
    run.watch({ kind: 'tables', tables: tableProgress(checkpoint.tables) })
    await compareLogs(source, checkpoint, anyOf(run.drain, claim.lost))
    const lanes = readable(held)
    this.#say(held)
    const over = new AbortController()
    const look = async (): Promise<void> => {
      if (await this.#isGathered()) this.#gathering = null
      else if (!(await claim.unsettled())) return
      over.abort()
    }
    const looks = every(LOOK, look, (error) => over.abort(asFault(error)))
    const drain = anyOf(run.drain, come, over.signal)
    const positions = new Map([...checkpoint.positions].filter(([lane]) => lanes.has(lane)))
    const own = { ...checkpoint, positions }
    let outcome: MirrorOutcome | null = null
    try {
      if (lanes.size > 0) {
        outcome = await streamMirror({ ...this.#ends, claim, checkpoint: own, drain })
      } else await aborted(anyOf(drain, claim.lost))
      claim.lost.throwIfAborted()
    } catch (error) {
      if (!(error instanceof Gathering)) throw error
      await looks.stop()
      if (error.back.size > 0) await setBack({ source, target }, own, error.back)
      this.#gathering = error
    } finally {
      await looks.stop()
    }
    if (over.signal.reason instanceof Fault) throw over.signal.reason
    return outcome
  }

  /** What had to be followed by one process is in the target. */
  async #isGathered(): Promise<boolean> {
    const { source, target } = this.#ends
    if (this.#gathering === null) return false
    return covers(source.compare, await target.durable(), this.#gathering.until)
  }

  #say({ lanes, checkpoint, members }: Held): void {
    const all = checkpoint.positions.size
    const text = `${lanes.size} of ${all} lanes are followed by this process, one of ${members}`
    if (text !== this.#said) this.#ends.run.watch({ kind: 'notice', text })
    this.#said = text
  }
}

/** Lanes that are to be followed together wait until all of them are here. */
function readable({ lanes, wanted }: Held): ReadonlySet<Lane> {
  if (wanted.every((lane) => lanes.has(lane))) return lanes
  return new Set([...lanes].filter((lane) => !wanted.includes(lane)))
}
