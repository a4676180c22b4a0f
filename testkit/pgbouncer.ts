import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { monotonic, sleep } from '../src/async/clock.ts'
import { debian } from './debian.ts'
import type { PostgresServer } from './servers/index.ts'
import { freePort, giveToServer, runFolder, startDaemon, watchOver } from './servers/machine.ts'
import { openSession } from './servers/session.ts'

/** A PgBouncer before a server. */
export interface PgBouncer extends AsyncDisposable {
  readonly port: number
  /** The address of a database through it. */
  url(database?: string): string
  log(): Promise<string>
}

export interface PgBouncerOptions {
  /** `transaction` when absent. */
  readonly mode?: 'transaction' | 'session' | 'statement'
  /** Lines of the section [pgbouncer]. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Starts a PgBouncer that pools transactions unless told otherwise, and waits until it answers. */
export async function pgbouncer(
  server: PostgresServer,
  options: PgBouncerOptions = {},
): Promise<PgBouncer> {
  const found = await debian('pgbouncer')
  const folder = runFolder('pgbouncer')
  const port = await freePort()
  const pidFile = join(folder, 'pid')
  const settings: Readonly<Record<string, string>> = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'any',
    pool_mode: options.mode ?? 'transaction',
    default_pool_size: '20',
    max_client_conn: '200',
    pidfile: pidFile,
    admin_users: 'postgres',
    ...options.settings,
  }
  await place(join(folder, 'pgbouncer.ini'), [
    '[databases]',
    `* = host=${server.host} port=${server.port} user=postgres`,
    '[pgbouncer]',
    ...Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
  ])
  const log = openSync(join(folder, 'log'), 'a')
  const watcher = watchOver(folder, pidFile)
  const child = startDaemon(found.program('pgbouncer'), [join(folder, 'pgbouncer.ini')], {
    log,
    cwd: folder,
    env: found.env,
  })
  closeSync(log)
  const ended = once(child, 'exit')
  ended.catch(() => {})
  let lastLog: string | undefined
  const readLog = async (): Promise<string> =>
    lastLog ?? (await readFile(join(folder, 'log'), 'utf8'))
  const bouncer: PgBouncer = {
    port,
    url: (database = 'postgres') =>
      `postgres://postgres@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    log: readLog,
    async [Symbol.asyncDispose]() {
      lastLog = await readLog()
      if (child.exitCode === null && child.signalCode === null) {
        child.ref()
        child.kill('SIGKILL')
        await ended
      }
      await watcher.release()
    },
  }
  await answers(bouncer, () => child.exitCode === null && child.signalCode === null)
  return bouncer
}

async function place(path: string, lines: readonly string[]): Promise<void> {
  await writeFile(path, `${lines.join('\n')}\n`)
  await chmod(path, 0o644)
  giveToServer(path)
}

async function answers(bouncer: PgBouncer, running: () => boolean): Promise<void> {
  const until = monotonic() + 15_000
  for (;;) {
    try {
      await using session = await openSession(bouncer.url('pgbouncer'))
      await session.query('show version')
      return
    } catch (error) {
      if (!running() || monotonic() > until) {
        const log = await bouncer.log()
        throw new Error(`PgBouncer does not answer:\n${log}`, { cause: error })
      }
      await sleep(20)
    }
  }
}
