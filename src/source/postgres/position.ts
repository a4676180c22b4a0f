import { Fault } from '../../model/fault.ts'
import { type Comparison, OneLane, type Position, type Positions } from '../../model/position.ts'

/** PostgreSQL writes one log, so there is one lane. */
export const LANE = 'wal'

/** A byte address in the write-ahead log. */
export type Lsn = bigint

/** `16/B374D848` as a number. Throws Fault HF-L107. */
export function parseLsn(text: string): Lsn {
  const parts = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text)
  if (parts === null) throw new Fault('HF-L107', { what: 'a log position cannot be read' })
  return (BigInt(`0x${parts[1]}`) << 32n) | BigInt(`0x${parts[2]}`)
}

export function formatLsn(lsn: Lsn): string {
  const high = (lsn >> 32n).toString(16)
  const low = (lsn & 0xffffffffn).toString(16)
  return `${high}/${low}`.toUpperCase()
}

/** A commit that held rows: its end, and its time in microseconds since 1970. */
export class Landmark {
  readonly #end: Lsn
  readonly #committedAt: bigint

  constructor(end: Lsn, committedAt: bigint) {
    this.#end = end
    this.#committedAt = committedAt
  }

  /** Throws Fault HF-L107. */
  static parse(text: string): Landmark {
    const [end = '', at = ''] = text.split(' ')
    if (!/^\d+$/.test(at)) throw new Fault('HF-L107', { what: 'a landmark cannot be read' })
    return new Landmark(parseLsn(end), BigInt(at))
  }

  toString(): string {
    return `${formatLsn(this.#end)} ${this.#committedAt}`
  }
}

/** The end of a commit: the log is read on from there. Its text is made when it is asked for. */
class LogPosition implements Position {
  readonly log: string
  readonly order: bigint

  constructor(log: string, lsn: Lsn) {
    this.log = log
    this.order = lsn
  }

  get token(): string {
    return formatLsn(this.order)
  }
}

class MarkedPosition extends LogPosition {
  readonly #landmark: Landmark

  constructor(log: string, lsn: Lsn, landmark: Landmark) {
    super(log, lsn)
    this.#landmark = landmark
  }

  get landmark(): string {
    return this.#landmark.toString()
  }
}

export function positionAt(log: string, lsn: Lsn): Position {
  return { log, order: lsn, token: formatLsn(lsn) }
}

export function positionsAt(log: string, lsn: Lsn): Positions {
  return new Map([[LANE, positionAt(log, lsn)]])
}

/** A place that the stream passes: one for each transaction, few of which are ever written down. */
export function passedAt(log: string, lsn: Lsn, landmark: Landmark | null): Positions {
  const position =
    landmark === null ? new LogPosition(log, lsn) : new MarkedPosition(log, lsn, landmark)
  return new OneLane(LANE, position)
}

export function comparePositions(a: Position, b: Position): Comparison {
  if (a.log !== b.log) return 'unrelated'
  if (a.order === b.order) return 'equal'
  return a.order < b.order ? 'before' : 'after'
}

/** The place in the only lane. Throws Fault HF-L106 when it is one of another log. */
export function lsnOf(positions: Positions, log: string): Lsn {
  const place = positions.get(LANE)
  if (place === undefined || place.log !== log) {
    throw new Fault('HF-L106', {
      what: `the position ${place?.token ?? 'none'} of log ${place?.log ?? 'none'} is not one of ${log}`,
      side: 'source',
    })
  }
  return place.order
}

/** What came last before the place in the only lane; null where nothing came yet. */
export function landmarkOf(positions: Positions): Landmark | null {
  const text = positions.get(LANE)?.landmark
  return text === undefined ? null : Landmark.parse(text)
}
