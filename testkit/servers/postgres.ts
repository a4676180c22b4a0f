import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { monotonic, sleep } from '../../src/async/clock.ts'
import { freePort, run, runFolder, startDaemon, type Watcher, watchOver } from './machine.ts'
import { type Major, type Programs, programs } from './programs.ts'

export type StopMode = 'immediate' | 'fast'

/** A PostgreSQL server on the loopback. Superuser postgres, no password unless `hba` asks. */
export interface PostgresServer extends AsyncDisposable {
  readonly major: Major
  readonly host: string
  readonly port: number
  /** Empty for a server that was given by its address. */
  readonly dataDirectory: string
  url(database?: string): string
  /** All that the server wrote to its log. */
  log(): Promise<string>
  /** `immediate` is what a crash is to the server: no checkpoint, recovery at the next start. */
  stop(mode?: StopMode): Promise<void>
  /** On the same port, with the same data; nothing when it runs. */
  start(): Promise<void>
  restart(mode?: StopMode): Promise<void>
  readonly running: boolean
  /** Stopped for good, with its data removed; the log can still be read. */
  readonly disposed: boolean
}

export interface PostgresOptions {
  /** Server settings beside or instead of the usual ones. */
  readonly settings?: Readonly<Record<string, string>>
  /** Lines of pg_hba.conf instead of trust for the loopback. */
  readonly hba?: readonly string[]
  /** Arguments of an initdb of its own, for data that the usual template is not fit for. */
  readonly initdb?: readonly string[]
  /** A server of the same major, stopped now, that this one follows as a hot standby. */
  readonly standbyOf?: PostgresServer
}

const usual: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  wal_level: 'logical',
  max_wal_senders: '40',
  max_replication_slots: '40',
  max_connections: '120',
  shared_buffers: '32MB',
  fsync: 'off',
  wal_writer_delay: '10ms',
  deadlock_timeout: '100ms',
  log_timezone: 'UTC',
  timezone: 'UTC',
}

const startDeadline = 60_000

/** A server of our own in a temporary folder. */
class OwnServer implements PostgresServer {
  readonly major: Major
  readonly host = '127.0.0.1'
  readonly dataDirectory: string
  readonly #folder: string
  readonly #programs: Programs
  readonly #watcher: Watcher
  readonly #shared: boolean
  #port = 0
  #process: ChildProcess | undefined
  #lastLog: string | undefined

  constructor(options: {
    readonly major: Major
    readonly folder: string
    readonly found: Programs
    readonly shared: boolean
  }) {
    this.major = options.major
    this.#folder = options.folder
    this.dataDirectory = join(options.folder, 'data')
    this.#programs = options.found
    this.#shared = options.shared
    this.#watcher = watchOver(options.folder, join(this.dataDirectory, 'postmaster.pid'))
  }

  get port(): number {
    return this.#port
  }

  get running(): boolean {
    const child = this.#process
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  get disposed(): boolean {
    return this.#lastLog !== undefined
  }

  url(database = 'postgres'): string {
    return `postgres://postgres@${this.host}:${this.#port}/${encodeURIComponent(database)}`
  }

  async log(): Promise<string> {
    return this.#lastLog ?? (await readFile(join(this.#folder, 'log'), 'utf8'))
  }

  /** The first start, on a port of its own choice. */
  async open(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#port = await freePort()
      try {
        return await this.start()
      } catch (error) {
        // Another process took the port between the look and the start.
        if (attempt >= 5 || !String(error).includes('Address already in use')) throw error
      }
    }
  }

  async start(): Promise<void> {
    if (this.running) return
    const log = openSync(join(this.#folder, 'log'), 'a')
    try {
      this.#process = startDaemon(
        join(this.#programs.home, 'bin', 'postgres'),
        ['-D', this.dataDirectory, '-p', String(this.#port)],
        { log, cwd: this.#folder },
      )
    } finally {
      closeSync(log)
    }
    await this.#ready(this.#process)
  }

  async #ready(child: ChildProcess): Promise<void> {
    const pidFile = join(this.dataDirectory, 'postmaster.pid')
    const until = monotonic() + startDeadline
    while (!ready(pidFile, child.pid)) {
      if (!this.running || monotonic() > until) {
        child.kill('SIGQUIT')
        throw new Error(`PostgreSQL ${this.major} did not start:\n${await this.log()}`)
      }
      await sleep(10)
    }
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    const child = this.#process
    if (child === undefined || !this.running) return
    child.ref()
    const ended = once(child, 'exit')
    child.kill(mode === 'immediate' ? 'SIGQUIT' : 'SIGINT')
    await ended
  }

  async restart(mode: StopMode = 'fast'): Promise<void> {
    await this.stop(mode)
    await this.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#shared || this.disposed) return
    await this.stop('immediate')
    this.#lastLog = await this.log()
    await this.#watcher.release()
  }
}

// The eighth line says how far the postmaster has come; it is what pg_ctl waits for.
function ready(pidFile: string, pid: number | undefined): boolean {
  if (!existsSync(pidFile)) return false
  const lines = readFileSync(pidFile, 'latin1').split('\n')
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready'
}

function setting([name, value]: readonly [string, string]): string {
  return `${name} = '${value.replaceAll("'", "''")}'\n`
}

async function fill(found: Programs, data: string, options: PostgresOptions): Promise<void> {
  const asServer = { asServer: true }
  const { initdb, standbyOf } = options
  if (initdb === undefined) {
    await run(
      'cp',
      ['-R', '--reflink=auto', standbyOf?.dataDirectory ?? found.template, data],
      asServer,
    )
    return
  }
  const usually = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C']
  await run(join(found.home, 'bin', 'initdb'), [...usually, '--no-sync', ...initdb], asServer)
}

async function standbySettings(
  primary: PostgresServer,
  data: string,
): Promise<Readonly<Record<string, string>>> {
  await writeFile(join(data, 'standby.signal'), '')
  const { host, port } = primary
  return {
    primary_conninfo: `host=${host} port=${port} user=postgres`,
    hot_standby: 'on',
    hot_standby_feedback: 'on',
  }
}

/** A new server that is ready for connections. */
export async function startServer(
  major: Major,
  options: PostgresOptions & { readonly shared?: boolean } = {},
): Promise<PostgresServer> {
  const found = await programs(major)
  const folder = runFolder(`postgres-${major}`)
  const server = new OwnServer({ major, folder, found, shared: options.shared ?? false })
  const data = server.dataDirectory
  await fill(found, data, options)
  const { standbyOf } = options
  const follows = standbyOf === undefined ? {} : await standbySettings(standbyOf, data)
  const settings = { ...usual, ...follows, ...options.settings }
  appendFileSync(join(data, 'postgresql.conf'), Object.entries(settings).map(setting).join(''))
  if (options.hba !== undefined) {
    await writeFile(join(data, 'pg_hba.conf'), `${options.hba.join('\n')}\n`)
  }
  await server.open()
  return server
}

/** A server that somebody else runs; it cannot be stopped from here. */
export function givenServer(major: Major, address: string): PostgresServer {
  const parsed = new URL(address)
  const refuse = async (): Promise<never> => {
    throw new Error(`PostgreSQL ${major} was given by its address and is not ours to stop.`)
  }
  return {
    major,
    host: parsed.hostname,
    port: Number(parsed.port || 5432),
    dataDirectory: '',
    running: true,
    disposed: false,
    url(database = 'postgres') {
      const at = new URL(address)
      at.pathname = `/${encodeURIComponent(database)}`
      return at.href
    },
    log: async () => '(the log of a given server is not ours to read)',
    stop: refuse,
    start: refuse,
    restart: refuse,
    [Symbol.asyncDispose]: async () => {},
  }
}
