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
  /**
   * Sorts as `order` does, and is the same number in every process that reads the log, for what is
   * stored with rows. Absent where `order` is such a number.
   */
  readonly lasting?: bigint
  readonly token: string
  /**
   * What came last before this place, by which its connector recognises it: a log that was put back
   * to an earlier state and has grown past this place since does not hold it. Absent where nothing
   * came yet, and in logs that cannot go back.
   */
  readonly landmark?: string
  /** The place in few words, for people; the token says it unless given. */
  readonly shown?: string
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
  if (wanted instanceof OneLane) return isAt(compare, reached.get(wanted.lane), wanted.position)
  for (const [lane, place] of wanted) if (!isAt(compare, reached.get(lane), place)) return false
  return true
}

function isAt(compare: Compare, at: Position | undefined, place: Position): boolean {
  if (at === undefined) return false
  const how = compare(at, place)
  return how === 'equal' || how === 'after'
}

/** The only lane of a log; a map of one entry that costs nothing to make. */
export class OneLane implements ReadonlyMap<Lane, Position> {
  readonly lane: Lane
  readonly position: Position

  constructor(lane: Lane, position: Position) {
    this.lane = lane
    this.position = position
  }

  get size(): number {
    return 1
  }
  get(lane: Lane): Position | undefined {
    return lane === this.lane ? this.position : undefined
  }
  has(lane: Lane): boolean {
    return lane === this.lane
  }
  forEach(call: (position: Position, lane: Lane, map: ReadonlyMap<Lane, Position>) => void): void {
    call(this.position, this.lane, this)
  }
  entries(): MapIterator<[Lane, Position]> {
    return this.#map().entries()
  }
  keys(): MapIterator<Lane> {
    return this.#map().keys()
  }
  values(): MapIterator<Position> {
    return this.#map().values()
  }
  [Symbol.iterator](): MapIterator<[Lane, Position]> {
    return this.entries()
  }
  #map(): Map<Lane, Position> {
    return new Map([[this.lane, this.position]])
  }
}

/** The same as plain data, for what is kept and compared. */
export function settled(positions: Positions): Positions {
  return new Map(
    [...positions].map(([lane, { log, order, lasting, token, landmark }]) => [
      lane,
      {
        ...{ log, order, token },
        ...(lasting === undefined ? {} : { lasting }),
        ...(landmark === undefined ? {} : { landmark }),
      },
    ]),
  )
}

/** `base` with the lanes of `over` replaced. */
export function advance(base: Positions, over: Positions): Positions {
  if (base.size === 0) return over
  if (over instanceof OneLane && base.size === 1 && base.has(over.lane)) return over
  const merged = new Map(base)
  for (const [lane, place] of over) merged.set(lane, place)
  return merged
}

/** The place of a transaction in few words: of each lane, which is mostly one. */
export function shownAt(positions: Positions): string {
  return [...positions.values()].map(({ shown, token }) => shown ?? token).join(' ')
}

/** Characters of a place that a person takes in. */
const FEW = 72

/** A place as a sentence holds it: the middle of a long one is left out. */
export function inShort(place: string): string {
  if (place.length <= FEW) return place
  const half = (FEW - 3) / 2
  return `${place.slice(0, Math.ceil(half))} … ${place.slice(-Math.floor(half))}`
}

/** What people read: the token of each lane, the lane named only when there are several. */
export function describePositions(positions: Positions): string {
  if (positions.size === 0) return 'none'
  if (positions.size === 1) return [...positions.values()].map((p) => p.token).join('')
  return [...positions].map(([lane, p]) => `${lane}=${p.token}`).join(' ')
}
