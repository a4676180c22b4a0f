import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from '../../../../src/model/fault.ts'
import type { Declared } from '../../../../src/source/mysql/rows/plan.ts'
import { type LoggedChange, logEnd, logged, readLog } from '../../../../testkit/binlog.ts'
import { mysqlDatabase, mysqlServers } from '../../../../testkit/servers/index.ts'
import { type EdgeColumn, edges, fill, isBytes } from './edges.ts'

function shown(
  change: LoggedChange,
  columns: readonly EdgeColumn[],
): (string | null | undefined)[] {
  const hex = (change.hex ?? []).map((text, i) => (change.after?.[i] === null ? null : text))
  return (change.after ?? []).map((text, i) => (isBytes(columns[i]?.type ?? '') ? hex[i] : text))
}

for (const kind of mysqlServers) {
  for (const [name, all] of Object.entries(edges)) {
    const columns = all.filter(({ on }) => on === undefined || on.test(kind))
    if (columns.length === 0) continue
    test(`the edges of every type are read exactly: ${name} on ${kind}`, async (t) => {
      const db = await mysqlDatabase(t, kind)
      let rows = 0
      const { changes } = await logged(db.server, async () => {
        rows = await fill(db, columns)
      })
      const mine = changes.filter((change) => change.schema === db.name)
      assert.equal(mine.length, rows)
      for (let row = 0; row < rows; row++) {
        const wanted = columns.map(({ edges }) => edges[row]?.[1] ?? null)
        const got = mine[row]
        assert.ok(got !== undefined)
        const named = (cells: readonly (string | null | undefined)[]): unknown =>
          Object.fromEntries(columns.map(({ type }, i) => [`${i} ${type}`, cells[i]]))
        assert.deepEqual(named(shown(got, columns)), named(wanted))
      }
    })
  }
}

/** Dates that are none, by type; what the server prints is what it was given. */
const nodates = [
  ['date', '0000-00-00'],
  ['date', '2024-00-00'],
  ['date', '2024-02-00'],
  ['date', '2024-02-31'],
  ['date', '0000-05-06'],
  ['datetime(3)', '0000-00-00 00:00:00.000'],
  ['datetime', '2024-04-31 10:11:12'],
  ['timestamp(2) null', '0000-00-00 00:00:00.00'],
  ['timestamp null', '0000-00-00 00:00:00'],
] as const

for (const kind of mysqlServers) {
  test(`M40 a date that is none is refused by name, or text as the server prints it, on ${kind}`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    const columns = nodates.map(([type], i) => `c${i} ${type}`).join(', ')
    await db.query(`create table z (id int primary key, ${columns})`)
    const { file, position } = await logEnd(db.server)
    const start = { by: 'file', file, position: BigInt(position) } as const
    await db.query(`set sql_mode = 'ALLOW_INVALID_DATES'`)
    await db.query(
      `insert into z values (1, ${nodates.map(() => '?').join(', ')})`,
      nodates.map(([, text]) => text),
    )
    const as = (column: Declared): Declared => ({ ...column, type: { kind: 'text' } })
    const { changes } = await readLog(db.server, start, { as })
    assert.deepEqual(changes[0]?.after, ['1', ...nodates.map(([, text]) => text)])
    for (const i of nodates.keys()) {
      const only = (column: Declared): Declared => (column.name === `c${i}` ? column : as(column))
      await assert.rejects(readLog(db.server, start, { as: only }), (error) => {
        assert.ok(error instanceof Fault && error.code === 'HF-D411', String(error))
        assert.match(error.message, new RegExp(`z\\.c${i} holds a date that is none`))
        assert.doesNotMatch(error.message, /2024/)
        return true
      })
    }
  })
}
