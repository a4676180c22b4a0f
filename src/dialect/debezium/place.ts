/** A whole number, exact: a bigint only beyond what a number holds, so that equal ones are the same. */
export type Whole = number | bigint

/** Of a place, the first one first; null where the connector does not know one. */
export type Parts = readonly (Whole | null)[]

export function exactly(value: bigint): Whole {
  const small = value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER
  return small ? Number(value) : value
}

/** -1, 0 or 1, as `a` is before, at or behind `b`. */
export function byNumber(a: Whole, b: Whole): number {
  return a < b ? -1 : Number(a > b)
}

/** As the core counts; null stays what it is. */
export function bigint(value: Whole | null): bigint | null {
  return value === null ? null : BigInt(value)
}

/** The number that is written so. */
export function whole(digits: string): Whole {
  return exactly(BigInt(digits))
}

/**
 * Where an event stands in the log of its database. Parts are compared one after another; null,
 * which comes where the connector does not know one, is before every number.
 *
 * | connector | parts |
 * |---|---|
 * | postgresql | end of the last commit before the transaction, the event's own LSN |
 * | mysql, mariadb | number of the file, position in it, row of the event |
 * | sqlserver, db2, informix | LSN of the commit, of the change, serial number of the event |
 * | oracle | SCN of the commit or of the snapshot, of the change, its address in the redo log, its number there |
 *
 * Events that one statement of PostgreSQL wrote together may share a place. Another server of the
 * same name counts its files anew.
 */
export interface Place {
  /** Places of different logs have nothing to do with each other. */
  readonly log: string
  readonly parts: Parts
  /** The transaction by its global id, where the server has them. */
  readonly gtid: string | null
}
