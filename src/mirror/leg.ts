import type { StreamItem } from '../model/change.ts'
import type { Checkpoint, TableState } from '../model/checkpoint.ts'
import { type Compare, covers, type Positions } from '../model/position.ts'
import type { Source } from '../source/source.ts'

/** A stretch of the log, and the tables that are followed on it. */
export interface Leg {
  readonly tables: readonly TableState[]
  /** Where tables join that came later; null where all are followed to the end. */
  readonly until: Positions | null
}

type Log = Pick<Source, 'traits' | 'compare'>

/**
 * What is followed from where the mirror stands. A table that came later is not before the place
 * that its rows are of: what was done to it until then, to its columns too, is nobody's business.
 */
export function legOf({ traits, compare }: Log, { tables, positions }: Checkpoint): Leg {
  if (traits.apart === true) return { tables, until: null }
  const ahead = tables.filter(
    ({ table, start }) =>
      table.since !== undefined && (start === null || !covers(compare, positions, start)),
  )
  const starts = ahead.flatMap(({ start }) => (start === null ? [] : [start]))
  const [first, ...others] = starts
  if (first === undefined) return { tables: without(tables, ahead), until: null }
  const until = others.reduce((a, b) => (covers(compare, a, b) ? b : a), first)
  return { tables: without(tables, ahead), until }
}

function without(tables: readonly TableState[], ahead: readonly TableState[]) {
  return ahead.length === 0 ? tables : tables.filter((one) => !ahead.includes(one))
}

/** True when what ends the leg is reached. */
export function isAtEnd({ compare }: Log, { until }: Leg, reached: Positions): boolean {
  return until !== null && covers(compare, reached, until)
}

/** Whole transactions up to the end of the leg, and then that place; nothing behind it. */
export async function* within(
  bursts: AsyncIterable<readonly StreamItem[]>,
  leg: {
    readonly source: Pick<Log, 'compare'>
    readonly checkpoint: Checkpoint
    readonly until: Positions
  },
): AsyncIterable<readonly StreamItem[]> {
  const { source, checkpoint, until } = leg
  const { compare } = source
  let last = checkpoint.positions
  for await (const burst of bursts) {
    const kept: StreamItem[] = []
    for (const item of burst) {
      const inside = upTo(compare, item, until)
      if (inside !== null) kept.push(inside)
      const reached = inside === null ? null : placeOf(inside)
      if (reached !== null) last = reached
      const whole = inside === item && (reached === null || !covers(compare, reached, until))
      if (whole) continue
      kept.push({ kind: 'progress', positions: recognised(until, last) })
      yield kept
      return
    }
    yield kept
  }
}

/** What of the item is not behind the place; null for nothing. */
function upTo(compare: Compare, item: StreamItem, until: Positions): StreamItem | null {
  const inside = (positions: Positions): boolean => covers(compare, until, positions)
  if (item.kind !== 'run') {
    const reached = placeOf(item)
    return reached === null || inside(reached) ? item : null
  }
  const { run } = item
  let length = run.length
  while (length > 0 && !inside(run.places.positions(length - 1))) length--
  if (length === run.length) return item
  return length === 0 ? null : { kind: 'run', run: run.slice(0, length) }
}

function placeOf(item: StreamItem): Positions | null {
  if (item.kind === 'run') return item.run.last
  return 'positions' in item ? item.positions : null
}

/** A place is known again by what came last before it. */
function recognised(until: Positions, last: Positions): Positions {
  return new Map(
    [...until].map(([lane, place]) => {
      const landmark = place.landmark ?? last.get(lane)?.landmark
      return [lane, landmark === undefined ? place : { ...place, landmark }]
    }),
  )
}
