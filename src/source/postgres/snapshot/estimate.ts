import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import { qualified } from '../../../dialect/postgres/quote.ts'
import type { Table } from '../../../model/table.ts'
import type { Estimate } from '../../source.ts'
import { number, oidArray, text, yes } from '../rows.ts'

/** Blocks that are read of a table that nobody analysed yet. */
const SAMPLED = 200

/**
 * As the planner reckons (estimate_rel_size in optimizer/util/plancat.c): as many rows to a block
 * as at the last ANALYZE, times the blocks that there are now.
 */
const STATISTICS = `
select c.oid, c.reltuples, c.relpages, pg_table_size(c.oid) as bytes,
  pg_relation_size(c.oid) / current_setting('block_size')::int as blocks,
  has_schema_privilege(c.relnamespace, 'USAGE')
    and has_any_column_privilege(c.oid, 'SELECT') as readable
from pg_class c where c.oid = any($1::oid[])`

/** How much the tables hold, in their order; what was dropped meanwhile holds nothing. */
export async function estimateTables(
  session: Session,
  tables: readonly Table[],
): Promise<readonly Estimate[]> {
  const rows = await session.query(STATISTICS, [oidArray(tables.map(({ id }) => id))])
  const byId = new Map(rows.map((row) => [text(row, 'oid'), row]))
  const estimates: Estimate[] = []
  for (const table of tables) {
    const row = byId.get(table.id)
    estimates.push(row === undefined ? { rows: 0, bytes: 0 } : await estimate(session, table, row))
  }
  return estimates
}

async function estimate(session: Session, table: Table, row: TextRow): Promise<Estimate> {
  const [blocks, pages] = [number(row, 'blocks'), number(row, 'relpages')]
  const bytes = number(row, 'bytes')
  if (blocks === 0) return { rows: 0, bytes }
  const known = Number(text(row, 'reltuples'))
  if (known >= 0 && pages > 0) return { rows: Math.round((known / pages) * blocks), bytes }
  return { rows: yes(row, 'readable') ? await sample(session, table, blocks) : null, bytes }
}

/** Without statistics the planner guesses from the types' widths; a few blocks know better. */
async function sample(session: Session, table: Table, blocks: number): Promise<number> {
  const share = Math.min(1, SAMPLED / blocks)
  const [row] = await session.query(
    `select count(*) as rows from only ${qualified(table)}
     tablesample system (${100 * share}) repeatable (0)`,
  )
  return row === undefined ? 0 : Math.round(number(row, 'rows') / share)
}
