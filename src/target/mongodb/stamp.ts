import { Fault } from '../../model/fault.ts'
import type { Position, Positions } from '../../model/position.ts'

/**
 * A place in the log as text that sorts as the log does: the order of the transaction, and the
 * number of the change in it. Number 0 is what stood in the snapshot at that place.
 */
export function stampOf(position: Position, number: number): string {
  return stampsOf(position)(number)
}

/** The stamps of one transaction's changes, by their numbers. */
export function stampsOf({ order, lasting = order }: Position): (number: number) => string {
  const place = lasting.toString(16).padStart(16, '0')
  return (number) => `${place}.${number.toString(16).padStart(8, '0')}`
}

/** The place of a log of one lane, which a change can be told older or newer by. Throws HF-T254. */
export function onlyPlace(positions: Positions): Position {
  const [place] = positions.values()
  if (place !== undefined && positions.size === 1) return place
  throw new Fault('HF-T254', {
    what: `the source's log has ${positions.size} lanes; documents are told apart by their place in one`,
    side: 'target',
  })
}

/**
 * The place of a transaction that comes after what the target has. The log of another server may
 * count its files from less: what it brings would be taken for older than the documents. Throws
 * HF-T254, HF-L106.
 */
export function placeAfter(positions: Positions, previous: Positions): Position {
  const place = onlyPlace(positions)
  const [before] = previous.values()
  if (place.lasting === undefined || place.lasting >= (before?.lasting ?? 0n)) return place
  throw new Fault('HF-L106', {
    what: `this server counts the files of its log from less than the one that was read before: ${place.token} would pass for older than ${before?.token}, and documents are told newer from older by that`,
    side: 'source',
  })
}
