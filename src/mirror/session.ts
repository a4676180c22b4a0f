import { anyOf } from '../async/abort.ts'
import type { Checkpoint } from '../model/checkpoint.ts'
import { Fault } from '../model/fault.ts'
import { Gathering } from '../model/gathering.ts'
import { covers, type Position, type Positions } from '../model/position.ts'
import { openSource } from '../source/registry.ts'
import type { Source, Wholeness } from '../source/source.ts'
import { openTarget } from '../target/registry.ts'
import type { Target } from '../target/target.ts'
import { setBack } from './back.ts'
import { birth, copyAgain, type Ends, preflight, refuseFailures } from './birth.ts'
import { Latecomers } from './later.ts'
import type { MirrorOptions, MirrorOutcome, Run } from './options.ts'
import { refuseSamePlace, refuseShape, settingsOf } from './plan.ts'
import { anewProgress } from './progress.ts'
import { compareLogs, isDefault, refuseOtherSettings } from './resume.ts'
import { refuseUnshareable, type SharedEnds, shareMirror } from './sharing.ts'
import { type Streaming, streamMirror } from './stream.ts'

/** From opening both ends to closing them; throws the Fault that ended it. */
export async function session(run: Run): Promise<MirrorOutcome> {
  for (;;) {
    const outcome = await once(run)
    if (outcome !== null) return outcome
  }
}

/** Null where both ends are to be opened anew, and nothing has failed. */
async function once(run: Run): Promise<MirrorOutcome | null> {
  const { options, watch } = run
  const connectors = run.connectors ?? { openSource, openTarget }
  watch({ kind: 'phase', phase: 'preparing', reason: null })
  await using source = await connectors.openSource({
    endpoint: options.source,
    mirror: options.name,
    selection: options.selection,
    ...(options.catchUp === undefined ? {} : { catchUp: options.catchUp }),
    notice: (text) => watch({ kind: 'notice', text }),
    way: (way) => watch({ kind: 'way', ...way }),
    wholeness: (told) => tell(told),
  })
  // Also while the target is away, which is when the source's log grows.
  watch({ kind: 'log', ...(await source.log()) })
  await using target = await connectors.openTarget({
    endpoint: options.target,
    mirror: options.name,
    position: (lane, token): Position => source.position(lane, token),
    rename: options.rename ?? [],
    metadata: options.metadata ?? false,
  })
  const tell = (told: Wholeness): void => watch({ kind: 'wholeness', ...seen(told, target) })
  if (source.traits.wholeTransactions)
    tell({ whole: true, why: 'as the log of the source has them' })
  refuseSamePlace(source, target)
  refuseShape(target, options)
  watch({ kind: 'opened', source: source.label, target: target.label })
  if (options.shared === true) refuseUnshareable({ source, target }, options)
  const known = await refuseBeforehand(run, source, target)
  // A source may follow what the checkpoint names, whatever is selected.
  for (const [lane, { token }] of known?.positions ?? []) source.position(lane, token)
  run.leftOut ??= new Map()
  const later = new Latecomers({ source, target, watch }, run.leftOut)
  if (options.shared === true) return await shareMirror({ run, source, target, later }, found)
  run.goal ??= await goalOf(options, source)
  await using claim = await target.claim(
    { settings: chosen(known, options), patience: options.patience },
    run.drain,
  )
  run.opened = true
  const signal = anyOf(run.drain, claim.lost)
  const ends: Ends = { options, source, target, watch, signal }
  const checkpoint = await prepared(ends, claim.checkpoint, later)
  run.goal = await fullGoal(run, source, checkpoint)
  if (options.snapshotOnly === true) {
    await target.finish()
    return { ended: 'snapshot', positions: checkpoint.positions }
  }
  const streaming = { run, source, target, claim, checkpoint, drain: run.drain }
  return await stream(streaming, later)
}

/** What of it readers of the target see. */
function seen(told: Wholeness, { traits, label }: Target): Wholeness {
  return traits.transactional ? told : { whole: false, why: `${label} knows no transactions` }
}

/**
 * Follows all lanes; those that the source wants set back first, as often as it does, and with
 * those of tables that come. Null where one of these has gone again.
 */
async function stream(all: Streaming, later: Latecomers): Promise<MirrorOutcome | null> {
  const { run, source, target, claim, drain } = all
  const signal = anyOf(drain, claim.lost)
  for (let { checkpoint } = all; ; checkpoint = await read(target)) {
    try {
      const outcome = await untilCome({ ...all, checkpoint }, later)
      if (outcome.ended !== 'drained' || drain.aborted) return outcome
      const { options, watch } = run
      const come = await later.admit({ options, source, target, watch, signal }, checkpoint)
      if (come) run.goal = await fullGoal(run, source, await read(target))
    } catch (error) {
      // Something may still be under way at the target, which a new claim ends.
      if (await later.lost(error, checkpoint)) return null
      if (!(error instanceof Gathering)) throw error
      await setBack({ source, target }, checkpoint, error.back)
    }
  }
}

/** Ends reading where tables have come; what was read is applied first. */
async function untilCome(all: Streaming, later: Latecomers): Promise<MirrorOutcome> {
  await using lookout = later.lookout(all.checkpoint)
  return await streamMirror({ ...all, drain: anyOf(all.drain, lookout.found) })
}

/** Makes a mirror that several processes then share: the tables and their copies, once each. */
async function found({ run, source, target, later }: SharedEnds): Promise<void> {
  const { options, watch } = run
  const settings = chosen(await target.checkpoint(), options)
  await using claim = await target.claim({ settings, patience: 0 }, run.drain)
  run.opened = true
  const signal = anyOf(run.drain, claim.lost)
  await prepared({ options, source, target, watch, signal }, claim.checkpoint, later)
  await target.finish()
}

/** Read-only looks, before the target's state is touched for the first time. */
async function refuseBeforehand(
  run: Run,
  source: Source,
  target: Target,
): Promise<Checkpoint | null> {
  const known = await target.checkpoint()
  if (known !== null) refuseOtherSettings(known, run.options)
  if (known !== null && known.positions.size > 0) return known
  const { options, watch } = run
  const fresh = known === null
  refuseFailures(await preflight({ options, source, target }, { fresh }), watch)
  return known
}

/** What is stored of the wishes: where somebody who wishes nothing goes on, what is stored already. */
function chosen(
  known: Checkpoint | null,
  options: MirrorOptions,
): Readonly<Record<string, unknown>> {
  return known !== null && isDefault(options) ? {} : settingsOf(options)
}

async function goalOf(options: MirrorOptions, source: Source): Promise<Positions | null> {
  if (options.until === undefined) return null
  if (options.until === 'caught-up') return source.fence()
  const { position } = options.until
  // Not `range`: before the first copy the log is not kept for the mirror yet.
  const lanes = await source.fence()
  return new Map([...lanes.keys()].map((lane) => [lane, source.position(lane, position)]))
}

/** The same in all lanes: those of tables that were just taken in were not asked for yet. */
async function fullGoal(
  { goal, options }: Run,
  source: Source,
  { positions, tables }: Checkpoint,
): Promise<Positions | null> {
  if (goal === null || options.until !== 'caught-up') return goal
  // Tables that came since join at places of their own.
  const later = tables.filter(({ table }) => table.since !== undefined)
  const farthest = later.reduce(
    (far, { start }) => (start === null || covers(source.compare, far, start) ? far : start),
    goal,
  )
  if ([...positions.keys()].every((lane) => goal.has(lane))) return farthest
  return new Map([...(await source.fence()), ...goal])
}

/**
 * The checkpoint with every table copied: from nothing, or from where an earlier process stood, and
 * with those that have come since.
 */
async function prepared(
  ends: Ends,
  known: Checkpoint | null,
  later: Latecomers,
): Promise<Checkpoint> {
  const { source, target, watch } = ends
  if (known === null || known.positions.size === 0) {
    await birth(ends)
    return await withLater(ends, later)
  }
  try {
    await compareLogs(source, known, ends.signal)
  } catch (error) {
    if (await later.lost(error, known)) return await prepared(ends, await read(target), later)
    throw error
  }
  watch({ kind: 'tables', tables: anewProgress(known.tables) })
  const unfinished = known.tables.filter(({ state }) => state !== 'copied')
  const rest = unfinished.map(({ table }) => table)
  const [first, come] = [
    rest.filter(({ since }) => since === undefined),
    rest.filter(({ since }) => since !== undefined),
  ]
  if (first.length > 0) await copyAgain(ends, first)
  if (come.length > 0) await later.goOn(ends, come)
  return await withLater(ends, later)
}

/** The checkpoint as it is, once those were taken in that have come. */
async function withLater(ends: Ends, later: Latecomers): Promise<Checkpoint> {
  const whole = await read(ends.target)
  return (await later.admit(ends, whole)) ? await read(ends.target) : whole
}

async function read(target: Target): Promise<Checkpoint> {
  const checkpoint = await target.checkpoint()
  if (checkpoint !== null) return checkpoint
  throw new Fault('HF-X001', { what: 'the checkpoint that was just written is not there' })
}
