import type { MysqlName, MysqlSchema, MysqlTable } from '../../../dialect/mysql/schema.ts'
import { type Blueprint, type Table, tableName } from '../../../model/table.ts'

/**
 * The source's schema with tables and columns called as they are here; it itself where nothing is
 * called otherwise.
 */
export function renamedSchema(schema: MysqlSchema, { tables }: Blueprint): MysqlSchema {
  const renamed = tables.flatMap((table) => (table.called === undefined ? [] : [table]))
  if (renamed.length === 0) return schema
  const byId = new Map(renamed.map((table) => [table.id, table]))
  const byName = new Map(renamed.map((table) => [tableName(table.called ?? table), table]))
  const place = (of: MysqlName): MysqlName => {
    const { schema: home, name } = byName.get(tableName(of)) ?? of
    return { schema: home, name }
  }
  const columns = (of: MysqlName, names: readonly string[]): string[] =>
    names.map((name) => columnOf(byName.get(tableName(of)), name))
  return {
    ...schema,
    tables: schema.tables.map((table) => renamedTable(table, byId.get(table.id))),
    foreignKeys: schema.foreignKeys.map((key) => ({
      ...key,
      table: place(key.table),
      columns: columns(key.table, key.columns),
      referenced: place(key.referenced),
      referencedColumns: columns(key.referenced, key.referencedColumns),
    })),
  }
}

function renamedTable(native: MysqlTable, table: Table | undefined): MysqlTable {
  if (table === undefined) return native
  const { schema, name } = table
  return {
    ...native,
    schema,
    name,
    columns: native.columns.map((column) => ({ ...column, name: columnOf(table, column.name) })),
    indexes: native.indexes.map((index) => ({
      ...index,
      parts: index.parts.map((part) => {
        return part.column === null ? part : { ...part, column: columnOf(table, part.column) }
      }),
    })),
  }
}

function columnOf(table: Table | undefined, name: string): string {
  const at = table?.called?.columns.indexOf(name) ?? -1
  return at < 0 ? name : (table?.columns[at]?.name ?? name)
}
