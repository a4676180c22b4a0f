import type { TestContext } from 'node:test'
import { sleep } from '../../src/async/clock.ts'
import { parseUrl } from '../../src/config/url.ts'
import { ident } from '../../src/dialect/mysql/quote.ts'
import { openMysqlSource } from '../../src/source/mysql/index.ts'
import {
  type MysqlDatabase,
  type MysqlKind,
  type MysqlSession,
  mysqlDatabase,
} from '../../testkit/servers/index.ts'
import type { SourceStand } from './source.ts'
import type { Contents, Named, Write, Writer } from './writes.ts'

const tables = `
create table plain (id varchar(190) primary key, a text);
create table wide (a text, id varchar(190) primary key, big longtext);
create table loose (a text, b text);
create table aside (id varchar(190) primary key)`

/** Seconds after which the server of the test gives up somebody who reads nothing. */
const PATIENCE = 1

export async function mysqlStand(
  t: TestContext,
  kind: MysqlKind | 'given',
): Promise<SourceStand & { readonly db: MysqlDatabase }> {
  const db = await mysqlDatabase(t, kind)
  await db.query(
    `alter database ${ident(db.name)} character set utf8mb4 collate utf8mb4_bin; ${tables}`,
  )
  return {
    db,
    many: 150,
    keeps: false,
    open: async () => {
      const source = await openMysqlSource({
        endpoint: parseUrl(db.url, 'the test'),
        mirror: 'contract',
        selection: { include: [], exclude: ['aside'], keyless: 'refuse' },
      })
      t.after(() => source[Symbol.asyncDispose]())
      return source
    },
    begin: () => begin(db),
    contents: () => contentsIn(db),
    silence: async () => {
      await db.query(`set global net_write_timeout = ${PATIENCE}`)
      await sleep(PATIENCE * 2000)
      await db.query('set global net_write_timeout = 60')
    },
  }
}

async function begin(db: MysqlDatabase): Promise<Writer> {
  const session = await db.session()
  // Rows that were rolled back leave locks of gaps to others otherwise.
  await session.query('set session transaction isolation level read committed')
  await session.query('set autocommit = 0')
  const end = async (how: string): Promise<void> => {
    await session.query(how)
    await session.close()
  }
  return {
    commit: () => end('commit'),
    rollback: () => end('rollback'),
    write: async (...writes) => {
      for (const write of writes) await carryOut(session, write)
    },
  }
}

async function carryOut(session: MysqlSession, write: Write): Promise<void> {
  switch (write.kind) {
    case 'insert': {
      const values = write.row.map(() => '?').join(', ')
      await session.query(`insert into ${ident(write.table)} values (${values})`, write.row)
      return
    }
    case 'update': {
      const set = Object.keys(write.set).map((name) => `${ident(name)} = ?`)
      const { where, cells } = rowOf(write.find)
      const sql = `update ${ident(write.table)} set ${set.join(', ')} where ${where} limit 1`
      await session.query(sql, [...Object.values(write.set), ...cells])
      return
    }
    case 'delete': {
      const { where, cells } = rowOf(write.find)
      await session.query(`delete from ${ident(write.table)} where ${where} limit 1`, cells)
      return
    }
    case 'truncate':
      for (const table of write.tables) await session.query(`truncate ${ident(table)}`)
      return
    case 'column':
      await session.query(`alter table ${ident(write.table)} add column ${ident(write.name)} text`)
      return
    case 'savepoint':
      await session.query('savepoint s')
      return
    case 'release':
      await session.query('release savepoint s')
      return
    case 'undo':
      await session.query('rollback to savepoint s')
  }
}

/** Texts are compared by their bytes, spaces at the end included. */
function rowOf(find: Named): { readonly where: string; readonly cells: (string | null)[] } {
  const where = Object.keys(find).map(
    (name) => `cast(${ident(name)} as binary) <=> cast(? as binary)`,
  )
  return { where: where.join(' and '), cells: Object.values(find) }
}

async function contentsIn(db: MysqlDatabase): Promise<Contents> {
  const all = new Map<string, readonly string[]>()
  for (const table of ['aside', 'loose', 'plain', 'wide']) {
    const rows = await db.query(`select * from ${ident(table)}`)
    all.set(table, rows.map((row) => JSON.stringify(Object.values(row))).sort())
  }
  return all
}
