import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Fault } from '../../../src/model/fault.ts'
import { mirror, type TestMirror } from '../../../testkit/mirror.ts'
import {
  database,
  type MysqlDatabase,
  mysqlDatabase,
  mysqlServers,
  type TestDatabase,
} from '../../../testkit/servers/index.ts'
import { type EdgeColumn, isBytes } from '../source/mysql/edges.ts'
import { changeEdges, makeGroups, putEdges } from './edges.ts'

interface Pair {
  readonly source: MysqlDatabase
  readonly target: TestDatabase
  readonly mirror: TestMirror
}

async function pair(t: TestContext, kind: Parameters<typeof mysqlDatabase>[1]): Promise<Pair> {
  const source = await mysqlDatabase(t, kind)
  const target = await database(t, 18)
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
    const ends = await pair(t, kind)
    const { source, target } = ends
    const groups = await makeGroups(source)
    const assertHeld = async (from: number): Promise<void> => {
      for (const { name, columns, rows } of groups) {
        const held = await rowsAt(ends, name, columns.length)
        for (let row = 0; row < rows; row++) {
          const got = held.get(String(from + row)) ?? []
          const wanted = columns.map((column) => printed(column, row))
          const named = (cells: Printed): unknown =>
            Object.fromEntries(columns.map(({ type }, i) => [`${i} ${type}`, cells[i]]))
          assert.deepEqual(named(got), named(wanted))
        }
      }
    }
    await putEdges(source, groups, 0)
    await ends.mirror.catchUp()
    await assertHeld(0)
    assert.deepEqual(await ends.mirror.differences(), [])
    await putEdges(source, groups, 1000)
    await changeEdges(source, groups)
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

for (const kind of mysqlServers) {
  test(`what PostgreSQL or nobody can hold is refused by name, ${kind} to PostgreSQL`, async (t) => {
    const { source, target } = await pair(t, kind)
    await source.query(`set sql_mode = ''`)
    const of = async (name: string, row: string): Promise<TestMirror> => {
      await source.query(`create table ${name} (id int primary key, at date, v varchar(20))`)
      await source.query(`insert into ${name} values (1, ${row})`)
      const selection = { include: [`${source.name}.${name}`] }
      return mirror(t, { source: source.url, target: target.url, selection })
    }
    const refused = async (ends: TestMirror, code: string, words: string): Promise<void> => {
      await assert.rejects(ends.catchUp(), (error) => {
        assert.ok(error instanceof Fault, String(error))
        assert.equal(error.code, code)
        assert.ok(error.message.includes(words), error.message)
        return true
      })
    }
    const { name } = source
    const none = 'holds a date that is none'
    await refused(await of('a', `'0000-00-00', 'x'`), 'HF-D411', `${name}.a.at ${none}`)
    const zero = `the target refuses a row of ${name}.b`
    await refused(await of('b', `'2024-01-01', 'a\\0b'`), 'HF-T205', zero)
    const fine = await of('c', `'2024-01-01', 'x'`)
    await fine.catchUp()
    assert.deepEqual(await fine.differences(), [])
    await source.query(`insert into c values (2, '2024-02-00', 'a')`)
    await refused(fine, 'HF-D411', `${name}.c.at ${none}`)
  })
}
