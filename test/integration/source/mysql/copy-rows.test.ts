import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Charsets } from '../../../../src/dialect/mysql/charset-wide.ts'
import type { Table } from '../../../../src/model/table.ts'
import { cell, NULL, type Tuple, unframe } from '../../../../src/model/tuple.ts'
import { charsetsOf } from '../../../../src/source/mysql/schema/declared.ts'
import { readSource } from '../../../../src/source/mysql/schema/inspect.ts'
import { tableOf } from '../../../../src/source/mysql/schema/shape.ts'
import { RawSession } from '../../../../src/source/mysql/snapshot/raw.ts'
import { TextRows } from '../../../../src/source/mysql/snapshot/text-rows.ts'
import { sourceSession } from '../../../../testkit/binlog.ts'
import {
  type MysqlDatabase,
  mysqlDatabase,
  mysqlServers,
} from '../../../../testkit/servers/index.ts'
import { edges, fill, isBytes } from './edges.ts'

const selection = { include: [], exclude: [], keyless: 'append' } as const
const never = new AbortController().signal

/** The rows of a table as the copy reads them, by ascending `order`. */
async function copied(
  db: MysqlDatabase,
  name: string,
  order: string,
): Promise<{ readonly table: Table; readonly tuples: readonly Tuple[] }> {
  const session = await sourceSession(db.server)
  const reading = await readSource(session, { selection, home: db.name })
  const found = reading.tables.find((table) => table.name === name)
  assert.ok(found !== undefined)
  const table = tableOf(found, session.version.flavour === 'mariadb')
  const declared = table.columns.map((column) => ({ ...column, type: null }))
  const charsets = await Charsets.of(session, charsetsOf(declared))
  await session.query('SET character_set_results = NULL')
  await using raw = new RawSession(session)
  const rows = new TextRows(table, charsets)
  const tuples: Tuple[] = []
  const sql = `SELECT ${rows.columns} FROM ${table.id} ORDER BY ${order}`
  for await (const packets of raw.rows(sql, never)) {
    for (const piece of rows.take(packets)) tuples.push(...unframe(piece))
  }
  return { table, tuples }
}

for (const kind of mysqlServers) {
  for (const [name, all] of Object.entries(edges)) {
    const columns = all.filter(({ on }) => on === undefined || on.test(kind))
    if (columns.length === 0) continue
    test(`the edges of every type are copied exactly: ${name} on ${kind}`, async (t) => {
      const db = await mysqlDatabase(t, kind)
      const rows = await fill(db, columns)
      await db.query('alter table t add column n int')
      await db.query('set @n = 0')
      await db.query('update t set n = (@n := @n + 1)')
      const { tuples } = await copied(db, 't', 'n')
      assert.equal(tuples.length, rows)
      for (const [row, tuple] of tuples.entries()) {
        const got = columns.map(({ type }, i) => {
          const { kind: is, bytes } = cell(tuple, i)
          return is === NULL ? null : bytes.toString(isBytes(type) ? 'hex' : 'utf8')
        })
        const wanted = columns.map(({ edges: values }) => values[row]?.[1] ?? null)
        const named = (cells: readonly (string | null)[]): unknown =>
          Object.fromEntries(columns.map(({ type }, i) => [`${i} ${type}`, cells[i]]))
        assert.deepEqual(named(got), named(wanted))
      }
    })
  }
}
