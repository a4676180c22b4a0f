import type { Session } from '../../../dialect/postgres/connect.ts'
import { literal, qualified } from '../../../dialect/postgres/quote.ts'
import type { PgName } from '../../../dialect/postgres/schema.ts'
import type { Sequence } from '../../../model/table.ts'
import { oidArray, text, yes } from '../rows.ts'
import { readSequences } from './inspect-around.ts'

/** Sequences in one statement; a server with thousands gets several. */
const AT_ONCE = 500

/** A partitioned table owns what its partitions' identity columns draw from. */
const WITH_ANCESTORS = `
select id::oid from unnest($1::oid[]) id
union select a.relid::oid from unnest($1::oid[]) t(id), pg_partition_ancestors(t.id) a`

/** The sequences that columns of these tables draw from, and where they stand. */
export async function sequencesOf(session: Session, ids: readonly string[]): Promise<Sequence[]> {
  const rows = await session.query(WITH_ANCESTORS, [oidArray(ids)])
  const tables = rows.map((row) => ({ id: text(row, 'id') }))
  return await readSequenceValues(session, await readSequences(session, tables))
}

/** Where the sequences stand. Throws HF-S106 without SELECT on one of them. */
async function readSequenceValues(
  session: Session,
  sequences: readonly PgName[],
): Promise<Sequence[]> {
  const values: Sequence[] = []
  for (let at = 0; at < sequences.length; at += AT_ONCE) {
    const some = sequences.slice(at, at + AT_ONCE)
    for (const row of await session.query(some.map(selectOne).join(' UNION ALL '))) {
      values.push({
        schema: text(row, 'schema'),
        name: text(row, 'name'),
        value: text(row, 'last_value'),
        called: yes(row, 'is_called'),
      })
    }
  }
  return values
}

function selectOne(sequence: PgName): string {
  const names = `${literal(sequence.schema)} AS schema, ${literal(sequence.name)} AS name`
  return `SELECT ${names}, last_value, is_called FROM ${qualified(sequence)}`
}
