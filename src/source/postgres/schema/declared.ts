import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import { typeIndex } from '../../../dialect/postgres/types.ts'
import type { Declared } from '../../../model/declared.ts'
import type { Table } from '../../../model/table.ts'
import { grouped, number, text, yes } from '../rows.ts'
import { tableOf } from './identity-key.ts'
import { readTables } from './inspect-tables.ts'

type Named = Pick<Table, 'schema' | 'name'>

/**
 * Columns and who declared them: the transaction of the newest version of a column's row in the
 * catalogue. `key` is another text whenever rows are found by other columns.
 */
const COLUMNS = `
select c.oid, n.nspname as schema, c.relname as name, a.attname, a.xmin as since, a.atthasdef,
  (select string_agg(i.indexrelid || ' ' || i.xmin, ',' order by i.indexrelid) from pg_index i
    where i.indrelid = c.oid and (i.indisprimary or i.indisreplident)) as key
from json_to_recordset($1::json) as w(schema text, name text)
join pg_namespace n on n.nspname = w.schema
join pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ('r', 'p')
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
order by c.oid, a.attnum`

/** What is declared of tables; the catalogue is read anew where it has changed. */
export class Declarations {
  /** By their ids, with what they were known by. */
  readonly #known = new Map<string, { readonly facts: string; readonly declared: Declared }>()

  async of(session: Session, tables: readonly Named[]): Promise<readonly Declared[]> {
    const named = JSON.stringify(tables.map(({ schema, name }) => ({ schema, name })))
    // The names of types and the columns have to be of one moment.
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    try {
      const found = grouped(await session.query(COLUMNS, [named]), 'oid')
      const changed = [...found].filter(
        ([id, rows]) => this.#known.get(id)?.facts !== JSON.stringify(rows),
      )
      await this.#read(session, new Map(changed))
      return [...found.keys()].flatMap((id) => this.#known.get(id)?.declared ?? [])
    } finally {
      await session.query('ROLLBACK').catch(() => undefined)
    }
  }

  async #read(session: Session, changed: ReadonlyMap<string, readonly TextRow[]>): Promise<void> {
    const reading = await readTables(session, [...changed.keys()])
    const types = typeIndex(reading.types)
    for (const table of reading.tables) {
      const rows = changed.get(table.id)
      if (rows === undefined) continue
      const since = new Map(rows.map((row) => [text(row, 'attname'), number(row, 'since')]))
      const defaulted = rows.filter((row) => yes(row, 'atthasdef'))
      const declared: Declared = {
        table: tableOf(table, types),
        defaulted: defaulted.map((row) => text(row, 'attname')),
        since,
      }
      this.#known.set(table.id, { facts: JSON.stringify(rows), declared })
    }
  }
}
