import type { ChildProcess } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { monotonic, sleep } from '../async/clock.ts'
import { freePort, giveToServer, startDaemon, type Telling } from './fetch/machine.ts'
import { copyTemplate, type MysqlKind, mysqlPrograms, startOf } from './fetch/mysql.ts'
import { type DemoServer, ending, had, makeFolder } from './server.ts'

const DEADLINE = 90_000

/** A server of the MySQL family with an empty database `shop`. */
export async function startMysql(
  kind: MysqlKind,
  folder: string,
  telling: Telling,
): Promise<DemoServer> {
  const programs = await had(mysqlPrograms(kind, telling))
  await makeFolder(folder)
  giveToServer(folder)
  await copyTemplate(programs, folder)
  const port = await freePort()
  const { program, args } = startOf(programs, { folder, port })
  const logPath = join(folder, 'log')
  const log = await open(logPath, 'a')
  const how = { log: log.fd, cwd: folder, env: programs.env }
  const child = startDaemon(program, args, how)
  const { ended, stop } = ending(child, 'SIGKILL')
  await log.close()
  const url = `mysql://root@127.0.0.1:${port}/shop`
  try {
    const name = kind === 'mariadb-10.11' ? 'MariaDB' : 'MySQL'
    const version = await created(port, child)
    const processes = [{ kind: 'program', pid: child.pid ?? 0 }] as const
    return { name, version, url, port, processes, ended, stop }
  } catch (error) {
    await stop()
    const text = await readFile(logPath, 'utf8')
    throw new Error(`${kind} did not start:\n${text.slice(-2000)}`, { cause: error })
  }
}

/** Makes the database once the server answers; returns the server's version. */
async function created(port: number, child: ChildProcess): Promise<string> {
  const until = monotonic() + DEADLINE
  for (;;) {
    try {
      const client = await createConnection({ host: '127.0.0.1', port, user: 'root' })
      try {
        await client.query('create database shop character set utf8mb4')
        const [rows] = await client.query('select version() as version')
        const [row] = Array.isArray(rows) ? rows : []
        const version = row !== undefined && 'version' in row ? String(row['version']) : ''
        return version.split('-')[0] ?? ''
      } finally {
        await client.end()
      }
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null || monotonic() > until) throw error
      await sleep(20)
    }
  }
}
