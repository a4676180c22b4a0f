import type { Session } from '../../dialect/mysql/connect.ts'
import { literal, qualified } from '../../dialect/mysql/quote.ts'
import type { Table } from '../../model/table.ts'
import type { Estimate } from '../source.ts'
import { tableId } from './names.ts'

/** Tables in one statement. */
const AT_ONCE = 200

/** How much the tables hold, in their order; what was dropped meanwhile holds nothing. */
export async function estimateTables(
  session: Session,
  tables: readonly Table[],
): Promise<readonly Estimate[]> {
  const found = new Map<string, Estimate>()
  for (let at = 0; at < tables.length; at += AT_ONCE) {
    const pairs = tables
      .slice(at, at + AT_ONCE)
      .map(({ schema, name }) => `(${literal(schema)}, ${literal(name)})`)
    const rows = await session.query(`
select table_schema as s, table_name as n, table_rows as r, data_length as b
from information_schema.tables where (table_schema, table_name) in (${pairs.join(', ')})`)
    for (const row of rows) {
      const id = tableId({ schema: row['s'] ?? '', name: row['n'] ?? '' })
      found.set(id, { rows: figure(row['r']), bytes: figure(row['b']) })
    }
  }
  const estimates: Estimate[] = []
  for (const table of tables) {
    const estimate = found.get(table.id) ?? { rows: 0, bytes: 0 }
    // Statistics are renewed now and then only: an empty table is looked at.
    const unsure = estimate.rows === 0 || estimate.rows === null
    estimates.push(
      unsure && found.has(table.id) ? await looked(session, table, estimate) : estimate,
    )
  }
  return estimates
}

function figure(text: string | null | undefined): number | null {
  return text == null ? null : Number(text)
}

const FEW = 1000

async function looked(session: Session, table: Table, estimate: Estimate): Promise<Estimate> {
  try {
    const [row] = await session.query(
      `SELECT COUNT(*) AS c FROM (SELECT 1 FROM ${qualified(table)} LIMIT ${FEW}) few`,
    )
    const counted = Number(row?.['c'])
    return { ...estimate, rows: counted < FEW ? counted : Math.max(counted, estimate.rows ?? 0) }
  } catch {
    return estimate
  }
}
