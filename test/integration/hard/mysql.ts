import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Change } from '../../../src/model/change.ts'
import { Fault } from '../../../src/model/fault.ts'
import { type Positions, settled } from '../../../src/model/position.ts'
import type { Table } from '../../../src/model/table.ts'
import { textsOf } from '../../../src/model/tuple.ts'
import { openMysqlSource } from '../../../src/source/mysql/index.ts'
import type { Source } from '../../../src/source/source.ts'
import { endpointOf } from '../../../testkit/binlog.ts'
import { apart } from '../../../testkit/memory/runs.ts'
import {
  type MysqlDatabase,
  type MysqlServer,
  mysqlDatabase,
} from '../../../testkit/servers/index.ts'
import { type Read, readAll } from '../../contract/reading.ts'

export async function sourceOf(
  t: TestContext,
  db: { readonly server: MysqlServer; readonly name: string },
  notice?: (text: string) => void,
): Promise<Source> {
  const source = await openMysqlSource({
    endpoint: { ...endpointOf(db.server), database: db.name },
    mirror: 'test',
    selection: { include: [], exclude: [], keyless: 'refuse' },
    ...(notice === undefined ? {} : { notice }),
  })
  t.after(() => source[Symbol.asyncDispose]())
  return source
}

/** Whether what foreign keys change is in the log, as since MySQL 9.6. */
export async function saysCascades(db: MysqlDatabase): Promise<boolean> {
  const [row] = await db.query('select version() as v')
  const version = row?.['v'] ?? ''
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return !version.includes('MariaDB') && (major > 9 || (major === 9 && minor >= 6))
}

/** A change as texts; undefined is a cell that is left as it is. */
export type Told = readonly unknown[]

export interface Stand {
  readonly db: MysqlDatabase
  readonly source: Source
  readonly tables: readonly Table[]
  /** Where the stream begins. */
  readonly after: Positions
  read(after?: Positions): Promise<readonly Read[]>
  /** What each transaction since the beginning did. */
  told(after?: Positions): Promise<readonly (readonly Told[])[]>
}

/** A database with tables, and a source that is about to follow them. */
export async function stand(
  t: TestContext,
  where: Parameters<typeof mysqlDatabase>[1],
  sql: string,
): Promise<Stand> {
  const db = await mysqlDatabase(t, where)
  await db.query(sql)
  return await followed(t, db)
}

/** The same of a database as it is now. */
export async function followed(t: TestContext, db: MysqlDatabase): Promise<Stand> {
  const source = await sourceOf(t, db)
  const { tables } = await source.inspect()
  const after = settled(await source.fence())
  const read = (from = after): Promise<readonly Read[]> => readAll({ source, after: from, tables })
  const told = async (from = after): Promise<readonly (readonly Told[])[]> =>
    toldBy(await read(from))
  return { db, source, tables, after, read, told }
}

export function toldBy(read: readonly Read[]): readonly (readonly Told[])[] {
  return read.map(({ changes }) => [...changes].map(textOf))
}

/** What a stream that halts has handed on by then. */
export async function toldBeforeHalt({
  source,
  tables,
  after,
}: Pick<Stand, 'source' | 'tables' | 'after'>): Promise<readonly Told[]> {
  const told: Told[] = []
  const { signal } = new AbortController()
  const stream = source.stream(after, { tables, encoding: 'values' }, signal)
  await assert.rejects(async () => {
    for await (const burst of stream) {
      for (const item of burst.flatMap(apart)) {
        if (item.kind === 'commit') told.push(...[...item.changes].map(textOf))
      }
    }
  })
  return told
}

function textOf(change: Change): Told {
  if (change.kind === 'truncate') return ['truncate', ...change.tables.map(({ name }) => name)]
  if (change.kind === 'schema') return ['schema', ...change.to.columns.map(({ name }) => name)]
  const { kind, table, row, old } = change
  const cells = [table.name, row === null ? null : textsOf(row)]
  return old === null ? [kind, ...cells] : [kind, ...cells, textsOf(old)]
}

/** Fails with a fault of this code, whose sentence is like this. */
export async function refused(work: Promise<unknown>, code: string, what: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof Fault, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, what)
    return true
  })
}
