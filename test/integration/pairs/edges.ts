import type { MysqlDatabase } from '../../../testkit/servers/index.ts'
import { type EdgeColumn, edges } from '../source/mysql/edges.ts'

/** A table with the edges of some types. */
export interface Group {
  readonly name: string
  readonly columns: readonly EdgeColumn[]
  readonly rows: number
}

/** Makes a table for each group of types that the server has. */
export async function makeGroups(
  source: MysqlDatabase,
  wanted: (column: EdgeColumn) => boolean = () => true,
): Promise<readonly Group[]> {
  const groups = Object.entries(edges).flatMap(([name, all]) => {
    const columns = all.filter(
      (column) => (column.on === undefined || column.on.test(source.server.kind)) && wanted(column),
    )
    const rows = Math.max(...columns.map(({ edges: values }) => values.length))
    return columns.length === 0 ? [] : [{ name, columns, rows }]
  })
  await source.query(`set sql_mode = 'NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'`)
  for (const { name, columns } of groups) {
    const types = columns.map(({ type }, i) => `c${i} ${type}`).join(', ')
    await source.query(`create table ${name} (id int primary key, ${types}) character set utf8mb4`)
  }
  return groups
}

/** Adds a row for each edge, from this id on. */
export async function putEdges(
  source: MysqlDatabase,
  groups: readonly Group[],
  from: number,
): Promise<void> {
  for (const { name, columns, rows } of groups) {
    for (let row = 0; row < rows; row++) {
      const values = columns.map(({ edges: all }) => all[row]?.[0] ?? 'null')
      await source.query(`insert into ${name} values (${from + row}, ${values.join(', ')})`)
    }
  }
}

/** Updates, changes of keys and deletes of rows that `putEdges` made from 0 and from 1000 on. */
export async function changeEdges(source: MysqlDatabase, groups: readonly Group[]): Promise<void> {
  for (const { name, columns } of groups) {
    const names = columns.map((_, i) => `c${i}`)
    const moved = names.map((column) => `a.${column} = b.${column}`).join(', ')
    await source.query(`insert into ${name} (id) values (2000)`)
    await source.query(`update ${name} a, ${name} b set ${moved} where a.id = 2000 and b.id = 0`)
    await source.query(`update ${name} set id = 3000 where id = 1000`)
    await source.query(
      `insert into ${name} select 1000, ${names.join(', ')} from ${name} where id = 3000`,
    )
    await source.query(`delete from ${name} where id = 3000`)
  }
}
