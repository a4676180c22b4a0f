import type { Session } from '../../../dialect/postgres/connect.ts'
import { readsInBinary, type TypeIndex, typeIndex } from '../../../dialect/postgres/types.ts'
import type { Table } from '../../../model/table.ts'
import { number } from '../rows.ts'
import { readTypes, typeNames, typeUse } from './inspect-types.ts'

/** The types that columns of ordinary tables have. */
const USED = `
select distinct a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod) as format
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped and n.nspname !~ '^pg_'
  and n.nspname <> 'information_schema'`

/** What is known of the types that columns have, by the name that a Column calls them. */
export interface TypeBook {
  readonly types: TypeIndex
  readonly oids: ReadonlyMap<string, number>
}

export async function readTypeBook(session: Session): Promise<TypeBook> {
  const rows = await session.query(USED)
  const types = await readTypes(
    session,
    rows.map((row) => number(row, 'atttypid')),
  )
  const names = typeNames(types)
  const oids = new Map<string, number>()
  for (const row of rows) {
    try {
      oids.set(typeUse(row, names).sql, number(row, 'atttypid'))
    } catch {
      // A type that cannot be written down is named when a table with it is inspected.
    }
  }
  return { types: typeIndex(types), oids }
}

/** Encodings that rows can be read in, best first. A value whose type nobody knows goes as text. */
export function encodingsOf(
  table: Table,
  book: TypeBook,
): { readonly stream: readonly string[]; readonly copy: readonly string[] } {
  const binary = table.columns.every(({ native }) => {
    const oid = book.oids.get(native)
    return oid !== undefined && readsInBinary(oid, book.types)
  })
  return {
    stream: binary ? ['pg-binary', 'pg-text', 'values'] : ['pg-text', 'values'],
    copy: binary ? ['pg-copy-binary', 'pg-copy-text', 'values'] : ['pg-copy-text', 'values'],
  }
}
