/**
 * A place in one lane of one log.
 *
 * `token` is what its connector needs to start reading there again; only that connector reads it.
 * `order` sorts positions of one lane within one log (for lag and display). Two positions are
 * compared with `source.compare`, since some logs are only partially ordered (GTID sets).
 */
export interface Position {
  /** Names the log that `token` belongs to; positions of different logs are unrelated. */
  readonly log: string
  readonly order: bigint
  readonly token: string
  /**
   * What came last before this place, by which its connector recognises it: a log that was put back
   * to an earlier state and has grown past this place since does not hold it. Absent where nothing
   * came yet, and in logs that cannot go back.
   */
  readonly landmark?: string
}

/** An independently ordered part of a source's log; its name is stable across restarts. */
export type Lane = string

/** One position for each lane that has one. */
export type Positions = ReadonlyMap<Lane, Position>

export type Comparison = 'before' | 'equal' | 'after' | 'unrelated'

/** How a place stands to another; a connector supplies it for its own positions. */
export type Compare = (a: Position, b: Position) => Comparison

/** True when `reached` is at or past `wanted` in every lane of `wanted`. */
export function covers(compare: Compare, reached: Positions, wanted: Positions): boolean {
  for (const [lane, place] of wanted) {
    const at = reached.get(lane)
    if (at === undefined) return false
    const how = compare(at, place)
    if (how !== 'equal' && how !== 'after') return false
  }
  return true
}

/** `base` with the lanes of `over` replaced. */
export function advance(base: Positions, over: Positions): Positions {
  const merged = new Map(base)
  for (const [lane, place] of over) merged.set(lane, place)
  return merged
}

/** What people read: the token of each lane, the lane named only when there are several. */
export function describePositions(positions: Positions): string {
  if (positions.size === 0) return 'none'
  if (positions.size === 1) return [...positions.values()].map((p) => p.token).join('')
  return [...positions].map(([lane, p]) => `${lane}=${p.token}`).join(' ')
}
