import type { Session } from '../../../dialect/postgres/connect.ts'
import type { Finding } from '../../../model/fault.ts'
import { findingsAt, listedTables } from '../../../model/findings.ts'
import type { Table } from '../../../model/table.ts'
import { text, yes } from '../rows.ts'

const { fail } = findingsAt('source')

/** Only where a mirror writes to this database there is a state, and not every role may read it. */
const READABLE = `
select coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')
    and has_schema_privilege(c.relnamespace, 'USAGE')), false) and count(*) = 2 as readable
from pg_class c where c.relnamespace = to_regnamespace('_holdfast')
  and c.relname in ('mirrors', 'tables')`

/** Which mirrors write to this database, from where and to which tables. */
const WRITERS = `
select m.name as mirror, t.schema, t.name,
  concat('postgres ', m.source->'system'->>'value', '/',
    split_part(m.source->'database'->>'value', ' ', 1), ' ') as place
from _holdfast.mirrors m join _holdfast.tables t on t.mirror = m.name`

/**
 * Tables that a mirror from the very target already writes to: each change would go round and
 * round between the two databases.
 */
export async function loopFindings(
  session: Session,
  target: string,
  tables: readonly Table[],
): Promise<Finding[]> {
  const [state] = await session.query(READABLE)
  if (state === undefined || !yes(state, 'readable')) return []
  const writers = (await session.query(WRITERS)).filter((row) =>
    target.startsWith(text(row, 'place')),
  )
  const both = tables.filter(({ schema, name }) =>
    writers.some((row) => row['schema'] === schema && row['name'] === name),
  )
  if (both.length === 0) return []
  const mirrors = [...new Set(writers.map((row) => text(row, 'mirror')))].join(', ')
  const what = `mirror ${mirrors} brings ${listedTables(both)} from the target to the source already`
  return [fail('HF-C113', 'direction', { what })]
}
