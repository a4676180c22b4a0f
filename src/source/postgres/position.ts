import { Fault } from '../../model/fault.ts'
import type { Comparison, Position, Positions } from '../../model/position.ts'

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

/** The end of a commit: the log is read on from there. */
export function positionAt(log: string, lsn: Lsn, landmark: string | null = null): Position {
  const at = { log, order: lsn, token: formatLsn(lsn) }
  return landmark === null ? at : { ...at, landmark }
}

export function positionsAt(log: string, lsn: Lsn, landmark: string | null = null): Positions {
  return new Map([[LANE, positionAt(log, lsn, landmark)]])
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
