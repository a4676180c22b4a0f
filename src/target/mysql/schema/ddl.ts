import { ident } from '../../../dialect/mysql/quote.ts'
import type { Table } from '../../../model/table.ts'
import type { PlannedTable } from '../../target.ts'
import { columnTypes } from './types.ts'

/** A table with its key, made of neutral types. */
export function createTable({ table, target }: PlannedTable, collation: string): string {
  const key = table.identity.by === 'key' ? table.identity.columns : []
  const types = typesOf(table, collation)
  const columns = table.columns.map(({ name, nullable }, i) => {
    const never = !nullable || key.includes(i)
    return `${ident(name)} ${types[i] ?? ''} ${never ? 'NOT NULL' : 'NULL'}`
  })
  const names = key.map((i) => ident(table.columns[i]?.name ?? ''))
  const lines = names.length === 0 ? columns : [...columns, `PRIMARY KEY (${names.join(', ')})`]
  const how = `ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE ${collation}`
  return `CREATE TABLE IF NOT EXISTS ${ident(target.name)} (${lines.join(', ')}) ${how}`
}

function typesOf(table: Table, collation: string): readonly string[] {
  const key = table.identity.by === 'key' ? table.identity.columns : []
  return columnTypes(
    table.columns.map(({ type }) => type),
    key,
    collation,
  )
}

/** The columns that the target's table lacks; old rows hold null in them. */
export function addColumns(
  table: Table,
  how: { readonly name: string; readonly lacking: readonly string[]; readonly collation: string },
): string {
  const types = typesOf(table, how.collation)
  const added = table.columns.flatMap(({ name }, i) =>
    how.lacking.includes(name) ? [`ADD COLUMN ${ident(name)} ${types[i] ?? ''} NULL`] : [],
  )
  return `ALTER TABLE ${ident(how.name)} ${added.join(', ')}`
}
