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
export function stampsOf({ order }: Position): (number: number) => string {
  const place = order.toString(16).padStart(16, '0')
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
