import { monotonic, sleep } from '../async/clock.ts'
import type { TableState } from '../model/checkpoint.ts'
import { Fault } from '../model/fault.ts'
import {
  advance,
  type Compare,
  covers,
  describePositions,
  type Positions,
} from '../model/position.ts'
import type { LoggedTransaction, SourceReader, TargetReader } from '../model/reader.ts'
import { type Pending, pendingOf } from './fold.ts'

/**
 * What keeps two views apart. A transaction that the source's view holds and the target does not
 * yet is to come at the target; one that the target holds and the source's view does not is to
 * come at the source. After both, each end stands at the same place.
 */
export interface Apart {
  readonly source: Pending
  readonly target: Pending
}

export interface MeetOptions {
  readonly compare: Compare
  /** How long to wait for a target that is on its way, milliseconds. */
  readonly patience: number
}

const STEP_MS = 50
/** A held target that does not move for this long is not waited for. */
const STALLED_MS = 5000

/**
 * Brings the target's view as close to the source's as it comes by itself, and says what is left
 * between them, by table id.
 */
export async function meet(
  { source, target }: { readonly source: SourceReader; readonly target: TargetReader },
  options: MeetOptions,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Apart>> {
  const { compare } = options
  await target.renew()
  if (!covers(compare, target.at, source.from)) throw gap(source, target)
  const log = await read(source, { through: source.at, known: target.at }, signal)
  const behind = (): boolean =>
    log.some(
      ({ visible, positions }) => visible !== false && !covers(compare, target.at, positions),
    )
  await awaitTarget(target, { ...options, behind }, signal)
  const through = [...target.checkpoint.tables.map((state) => stands(state, target.at, compare))]
    .filter((place) => !covers(compare, source.at, place))
    .reduce((a, b) => (covers(compare, a, b) ? a : advance(a, b)), source.at)
  if (through !== source.at) log.push(...(await read(source, { through, known: through }, signal)))
  return sort(log, target, compare)
}

/** Where the rows of a table stand: it may have been copied from a later place than the rest. */
function stands(state: TableState, at: Positions, compare: Compare): Positions {
  return state.start === null || covers(compare, at, state.start) ? at : state.start
}

function gap(source: SourceReader, target: TargetReader): Fault {
  const [at, from] = [target.at, source.from].map(describePositions)
  const what = `the target stands at ${at}, the log is kept from ${from}`
  return new Fault(source.gap ?? 'HF-L105', { what })
}

async function read(
  source: SourceReader,
  range: { readonly through: Positions; readonly known: Positions },
  signal: AbortSignal,
): Promise<LoggedTransaction[]> {
  const log: LoggedTransaction[] = []
  for await (const burst of source.changes(range, signal)) {
    for (const transaction of burst) if (transaction.changes.length > 0) log.push(transaction)
  }
  return log
}

/**
 * A row that is compared as it is at the target proves more than one that is compared after what
 * is still to come, so a target that somebody feeds is given time to arrive.
 */
async function awaitTarget(
  target: TargetReader,
  { compare, patience, behind }: MeetOptions & { readonly behind: () => boolean },
  signal: AbortSignal,
): Promise<void> {
  const until = monotonic() + patience
  let moved = monotonic()
  while (behind() && target.held && monotonic() < until && monotonic() - moved < STALLED_MS) {
    const before = target.at
    await sleep(STEP_MS, signal)
    await target.renew()
    if (!covers(compare, before, target.at)) moved = monotonic()
  }
}

/** Each change to the end that it is still to come at. */
function sort(
  log: readonly LoggedTransaction[],
  target: TargetReader,
  compare: Compare,
): ReadonlyMap<string, Apart> {
  const apart = new Map<string, Apart & { readonly stands: Positions }>()
  for (const state of target.checkpoint.tables) {
    const { table, mode } = state
    apart.set(table.id, {
      source: pendingOf(table, { mode, end: 'source' }),
      target: pendingOf(table, { mode, end: 'target' }),
      stands: stands(state, target.at, compare),
    })
  }
  for (const { positions, visible, changes } of log) {
    const pendingIn = (id: string): readonly Pending[] => {
      const found = apart.get(id)
      if (found === undefined) return []
      const applied = covers(compare, found.stands, positions)
      if (visible === null) return applied ? [found.source] : [found.source, found.target]
      return applied === visible ? [] : [visible ? found.target : found.source]
    }
    for (const change of changes) {
      if (change.kind === 'truncate') {
        for (const { id } of change.tables) for (const one of pendingIn(id)) one.truncate()
      } else if (change.kind !== 'schema') {
        for (const one of pendingIn(change.table.id)) one.add(change)
      }
    }
  }
  return apart
}
