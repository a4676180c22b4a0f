import type { Session } from '../../dialect/mysql/connect.ts'
import { literal } from '../../dialect/mysql/quote.ts'
import type { Sequence, Table } from '../../model/table.ts'

/** Tables in one statement. */
const AT_ONCE = 200

/**
 * The next number of each table that hands out numbers. A server keeps what it says of its tables
 * for a day, unless it is asked to look.
 */
export async function readCounters(
  session: Session,
  tables: readonly Table[],
): Promise<readonly Sequence[]> {
  const { flavour, number } = session.version
  if (flavour === 'mysql' && number >= 80_000) {
    await session.query('SET SESSION information_schema_stats_expiry = 0')
  }
  const counters: Sequence[] = []
  for (let at = 0; at < tables.length; at += AT_ONCE) {
    const names = tables
      .slice(at, at + AT_ONCE)
      .map(({ schema, name }) => `(${literal(schema)}, ${literal(name)})`)
    const rows = await session.query(
      `SELECT table_schema AS s, table_name AS n, auto_increment AS v
       FROM information_schema.tables
       WHERE auto_increment IS NOT NULL AND (table_schema, table_name) IN (${names.join(', ')})`,
    )
    for (const { s, n, v } of rows) {
      counters.push({ schema: s ?? '', name: n ?? '', value: v ?? '1', called: false })
    }
  }
  return counters
}
