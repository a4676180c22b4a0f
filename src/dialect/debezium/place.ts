/**
 * Where an event stands in the log of its database. Parts are compared one after another; null,
 * which comes where the connector does not know one, is before every number.
 *
 * | connector | parts |
 * |---|---|
 * | postgresql | end of the last commit before the transaction, the event's own LSN |
 * | mysql, mariadb | number of the file, position in it, row of the event |
 * | sqlserver, db2, informix | LSN of the commit, of the change, serial number of the event |
 * | oracle | SCN of the commit, of the change, its address in the redo log, its number there |
 *
 * Events that one statement of PostgreSQL wrote together may share a place.
 */
export interface Place {
  /** Places of different logs have nothing to do with each other. */
  readonly log: string
  readonly parts: readonly (bigint | null)[]
  /** The transaction by its global id, where the server has them. */
  readonly gtid: string | null
}

export type PlaceOrder = 'before' | 'equal' | 'after' | 'unrelated'

/** How `a` stands to `b`. */
export function comparePlaces(a: Place, b: Place): PlaceOrder {
  if (a.log !== b.log) return 'unrelated'
  // Another server of the same name counts its files anew: only ids of one origin tell.
  if (a.gtid !== null && b.gtid !== null && a.gtid !== b.gtid) return compareGtids(a.gtid, b.gtid)
  for (let i = 0; i < Math.max(a.parts.length, b.parts.length); i++) {
    const [mine, other] = [a.parts[i] ?? -1n, b.parts[i] ?? -1n]
    if (mine !== other) return mine < other ? 'before' : 'after'
  }
  return 'equal'
}

/** `uuid:number`, `uuid:tag:number` of MySQL; `domain-server-number` of MariaDB. */
const GTID = /^(.*[:-])(\d+)$/

function compareGtids(a: string, b: string): PlaceOrder {
  const [mine, other] = [GTID.exec(a), GTID.exec(b)]
  if (mine === null || other === null || mine[1] !== other[1]) return 'unrelated'
  return BigInt(mine[2] ?? 0) < BigInt(other[2] ?? 0) ? 'before' : 'after'
}
