import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Change } from '../../../../src/model/change.ts'
import type { Positions } from '../../../../src/model/position.ts'
import type { Table } from '../../../../src/model/table.ts'
import { textsOf } from '../../../../src/model/tuple.ts'
import { openMysqlSource } from '../../../../src/source/mysql/index.ts'
import type { Source } from '../../../../src/source/source.ts'
import { endpointOf } from '../../../../testkit/binlog.ts'
import {
  type MysqlDatabase,
  type MysqlServer,
  mysqlDatabase,
  mysqlServers,
} from '../../../../testkit/servers/index.ts'
import { readAll } from '../../../contract/reading.ts'

export async function sourceOf(
  t: TestContext,
  db: { readonly server: MysqlServer; readonly name: string },
): Promise<Source> {
  const source = await openMysqlSource({
    endpoint: { ...endpointOf(db.server), database: db.name },
    mirror: 'test',
    selection: { include: [], exclude: [], keyless: 'refuse' },
  })
  t.after(() => source[Symbol.asyncDispose]())
  return source
}

interface Begun {
  readonly db: MysqlDatabase
  readonly source: Source
  readonly tables: readonly Table[]
  readonly after: Positions
  /** What the stream says since the beginning, as texts. */
  told(): Promise<readonly (readonly unknown[])[]>
}

async function begun(t: TestContext, kind: Parameters<typeof mysqlDatabase>[1], sql: string) {
  const db = await mysqlDatabase(t, kind)
  await db.query(sql)
  const source = await sourceOf(t, db)
  const { tables } = await source.inspect()
  const after = await source.fence()
  const told = async (): Promise<readonly (readonly unknown[])[]> =>
    (await readAll({ source, after, tables })).map(({ changes }) => [...changes].map(textOf))
  return { db, source, tables, after, told } satisfies Begun
}

function textOf(change: Change): unknown {
  if (change.kind === 'truncate') return ['truncate', ...change.tables.map(({ name }) => name)]
  if (change.kind === 'schema') return ['schema', ...change.to.columns.map(({ name }) => name)]
  const { kind, row, old } = change
  return [kind, row === null ? null : textsOf(row), old === null ? null : textsOf(old)]
}

for (const kind of mysqlServers) {
  test(`transactions come whole and in order, on ${kind}`, async (t) => {
    const { db, told } = await begun(t, kind, 'create table t (id int primary key, v text)')
    await db.query(`insert into t values (1, 'a')`)
    await db.query(`begin; insert into t values (2, 'b'); update t set v = 'c' where id = 1;
      update t set id = 3 where id = 2; delete from t where id = 1; commit`)
    await db.query('truncate t')
    assert.deepEqual(await told(), [
      [['insert', ['1', 'a'], null]],
      [
        ['insert', ['2', 'b'], null],
        ['update', ['1', 'c'], null],
        ['update', ['3', 'b'], ['2', 'b']],
        ['delete', null, ['1', 'c']],
      ],
      [['truncate', 't']],
    ])
  })
}
