import type { Compare, Position, Positions } from '../../src/model/position.ts'

/** A position of a log of numbers. */
export const at = (order: number, log = 'log'): Position => ({
  log,
  order: BigInt(order),
  token: String(order),
})

/** The same in the only lane. */
export const place = (order: number): Positions => new Map([['lane', at(order)]])

export const compare: Compare = (a, b) => {
  if (a.log !== b.log) return 'unrelated'
  if (a.order === b.order) return 'equal'
  return a.order < b.order ? 'before' : 'after'
}
