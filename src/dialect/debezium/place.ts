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
  readonly parts: readonly (bigint | null)[]
  /** The transaction by its global id, where the server has them. */
  readonly gtid: string | null
}
