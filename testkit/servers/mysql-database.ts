import type { TestContext } from 'node:test'
import type { MysqlServer } from './mysql.ts'
import { type MysqlSession, openMysql } from './mysql-session.ts'
import type { TextRow } from './session.ts'

/** A database of one test, in a server of the MySQL family. */
export interface MysqlDatabase {
  readonly url: string
  readonly name: string
  readonly server: MysqlServer
  /** Runs on a connection that is kept and made anew when it was lost. */
  query(sql: string, params?: readonly unknown[]): Promise<TextRow[]>
  /** Another connection, closed after the test. */
  session(): Promise<MysqlSession>
}

const logTail = 60

// The type declarations do not know the property yet.
function failed(t: TestContext): boolean {
  return (t as TestContext & { readonly passed?: boolean }).passed === false
}

async function showLog(server: MysqlServer): Promise<void> {
  const lines = (await server.log()).trimEnd().split('\n').slice(-logTail)
  process.stderr.write(`# the log of ${server.kind}, its end\n`)
  for (const line of lines) process.stderr.write(`#   ${line}\n`)
}

async function once(server: MysqlServer, sql: string): Promise<void> {
  await using session = await openMysql(server.url())
  await session.query(sql)
}

/** A fresh database in a server, dropped after the test. `how` is put behind CREATE DATABASE. */
export async function mysqlDatabaseIn(
  t: TestContext,
  server: MysqlServer,
  how = '',
): Promise<MysqlDatabase> {
  const name = `t_${process.pid}_${Math.random().toString(36).slice(2, 10)}`
  await server.start()
  await once(server, `create database \`${name}\` ${how}`)
  const url = server.url(name)
  const sessions: MysqlSession[] = []
  let kept: Promise<MysqlSession> | undefined
  const open = async (): Promise<MysqlSession> => {
    const session = await openMysql(url)
    sessions.push(session)
    return session
  }
  const line = async (): Promise<MysqlSession> => {
    const session = await open()
    const forget = (): void => {
      kept = undefined
    }
    session.client.once('end', forget)
    session.client.once('error', forget)
    return session
  }
  t.after(async () => {
    if (failed(t)) await showLog(server)
    await Promise.all(sessions.map((session) => session.close()))
    if (server.disposed) return
    await server.start()
    await once(server, `drop database if exists \`${name}\``)
  })
  return {
    url,
    name,
    server,
    async query(sql, params) {
      kept ??= line()
      return await (await kept).query(sql, params)
    },
    session: open,
  }
}
