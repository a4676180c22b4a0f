import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { mirror, type TestMirror } from '../../../testkit/mirror.ts'
import {
  database,
  type MysqlDatabase,
  mysqlDatabase,
  mysqlServers,
  type TestDatabase,
} from '../../../testkit/servers/index.ts'
import { type EdgeColumn, edges, isBytes } from '../source/mysql/edges.ts'

interface Pair {
  readonly source: MysqlDatabase
  readonly target: TestDatabase
  readonly mirror: TestMirror
}

async function pair(
  t: TestContext,
  kind: Parameters<typeof mysqlDatabase>[1],
  ddl: string,
): Promise<Pair> {
  const source = await mysqlDatabase(t, kind)
  const target = await database(t, 18)
  await source.query(ddl)
  return { source, target, mirror: mirror(t, { source: source.url, target: target.url }) }
}

/** What a column holds in each row, as PostgreSQL prints it. */
type Printed = readonly (string | null)[]

function printed({ type, edges: values }: EdgeColumn, row: number): string | null {
  const text = values[row]?.[1] ?? null
  return text !== null && isBytes(type) ? `\\x${text}` : text
}

async function rowsAt(
  { source, target }: Pair,
  table: string,
  count: number,
): Promise<ReadonlyMap<string, Printed>> {
  const columns = Array.from({ length: count }, (_, i) => `c${i}`).join(', ')
  const rows = await target.query(
    `set timezone = 'UTC'; select id, ${columns} from "${source.name}"."${table}"`,
  )
  return new Map(
    rows.map((row) => [
      row['id'] ?? '',
      Array.from({ length: count }, (_, i) => row[`c${i}`] ?? null),
    ]),
  )
}

for (const kind of mysqlServers) {
  test(`the edges of every type are copied, streamed and verified, ${kind} to PostgreSQL`, async (t) => {
    const groups = Object.entries(edges).flatMap(([name, all]) => {
      const columns = all.filter(({ on }) => on === undefined || on.test(kind))
      return columns.length === 0 ? [] : [{ name, columns }]
    })
    const ddl = groups.map(({ name, columns }) => {
      const types = columns.map(({ type }, i) => `c${i} ${type}`).join(', ')
      return `create table ${name} (id int primary key, ${types}) character set utf8mb4`
    })
    const ends = await pair(t, kind, ddl.join(';'))
    const { source, target } = ends
    await source.query(`set sql_mode = 'NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'`)
    const put = async (from: number): Promise<void> => {
      for (const { name, columns } of groups) {
        const rows = Math.max(...columns.map(({ edges: values }) => values.length))
        for (let row = 0; row < rows; row++) {
          const values = columns.map(({ edges: all }) => all[row]?.[0] ?? 'null')
          await source.query(`insert into ${name} values (${from + row}, ${values.join(', ')})`)
        }
      }
    }
    const assertHeld = async (from: number): Promise<void> => {
      for (const { name, columns } of groups) {
        const held = await rowsAt(ends, name, columns.length)
        const rows = Math.max(...columns.map(({ edges: values }) => values.length))
        for (let row = 0; row < rows; row++) {
          const got = held.get(String(from + row)) ?? []
          const wanted = columns.map((column) => printed(column, row))
          const named = (cells: Printed): unknown =>
            Object.fromEntries(columns.map(({ type }, i) => [`${i} ${type}`, cells[i]]))
          assert.deepEqual(named(got), named(wanted))
        }
      }
    }
    await put(0)
    await ends.mirror.catchUp()
    await assertHeld(0)
    assert.deepEqual(await ends.mirror.differences(), [])
    await put(1000)
    for (const { name, columns } of groups) {
      const moved = columns.map((_, i) => `a.c${i} = b.c${i}`).join(', ')
      await source.query(`insert into ${name} (id) values (2000)`)
      await source.query(`update ${name} a, ${name} b set ${moved} where a.id = 2000 and b.id = 0`)
      await source.query(`update ${name} set id = 3000 where id = 1000`)
      await source.query(
        `insert into ${name} select 1000, ${columns.map((_, i) => `c${i}`).join(', ')} from ${name} where id = 3000`,
      )
      await source.query(`delete from ${name} where id = 3000`)
    }
    await ends.mirror.catchUp()
    await assertHeld(1000)
    assert.deepEqual(await ends.mirror.differences(), [])
    for (const { name } of groups) {
      await target.query(`update "${source.name}"."${name}" set c0 = null where id = 2000`)
    }
    const found = (await ends.mirror.differences()).map((one) => one.split(' ')[0])
    assert.deepEqual(found.sort(), groups.map(({ name }) => `${source.name}.${name}`).sort())
  })
}
