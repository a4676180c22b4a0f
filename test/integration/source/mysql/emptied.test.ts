import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from '../../../../src/model/fault.ts'
import { VALUES } from '../../../../src/model/prints.ts'
import type { SourceReader } from '../../../../src/model/reader.ts'
import type { Table } from '../../../../src/model/table.ts'
import { openMysqlSource } from '../../../../src/source/mysql/index.ts'
import { endpointOf } from '../../../../testkit/binlog.ts'
import { mysqlDatabase, mysqlServers } from '../../../../testkit/servers/index.ts'

/** The number of rows that the view shows; null when it says that they are not to be had. */
async function seen(reader: SourceReader, table: Table): Promise<number | null> {
  try {
    const forms = table.columns.map(() => VALUES)
    const sums = await reader.sums({ table, forms, buckets: 1 })
    const rows = Number(sums.get(0)?.count ?? 0n)
    return (await reader.intact(table)) ? rows : null
  } catch (error) {
    if (error instanceof Fault && error.code === 'HF-V105') return null
    throw error
  }
}

for (const kind of mysqlServers) {
  test(`a table that is emptied under a comparison is not taken for an empty one, on ${kind}`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    for (const name of ['full', 'none', 'gone', 'more']) {
      await db.query(`create table ${name} (id int primary key)`)
      if (name !== 'none') await db.query(`insert into ${name} values (1), (2)`)
    }
    await using source = await openMysqlSource({
      endpoint: { ...endpointOf(db.server), database: db.name },
      mirror: 'test',
      selection: { include: [], exclude: [], keyless: 'append' },
    })
    const { tables } = await source.inspect()
    await using reader = await source.reader(tables, t.signal)
    const look = async (name: string): Promise<number | null> => {
      const table = tables.find((one) => one.name === name)
      assert.ok(table !== undefined)
      return await seen(reader, table)
    }
    assert.equal(await look('full'), 2)
    await db.query('truncate gone')
    await db.query('insert into gone values (3)')
    await db.query('insert into full values (3)')
    await db.query('delete from more')
    assert.deepEqual([await look('none'), await look('gone')], [0, null])
    assert.deepEqual([await look('full'), await look('more')], [2, 2])
  })
}
