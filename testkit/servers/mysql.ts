import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { monotonic, sleep } from '../../src/async/clock.ts'
import {
  copyTemplate,
  type MysqlKind,
  type MysqlPrograms,
  mysqlPrograms,
  startOf,
} from '../../src/demo/fetch/mysql.ts'
import { freePort, runFolder, startDaemon, tell, type Watcher, watchOver } from './machine.ts'
import { openMysql } from './mysql-session.ts'

/** A server of the MySQL family on the loopback. Its root has no password. */
export interface MysqlServer extends AsyncDisposable {
  readonly kind: MysqlKind | 'given'
  readonly host: string
  readonly port: number
  /** Empty for a server that was given by its address. */
  readonly dataDirectory: string
  url(database?: string): string
  /** All that the server wrote to its log. */
  log(): Promise<string>
  /** `crash` is SIGKILL: recovery at the next start. */
  stop(mode?: 'clean' | 'crash'): Promise<void>
  /** On the same port, with the same data; nothing when it runs. */
  start(): Promise<void>
  readonly running: boolean
  /** Stopped for good, with its data removed; the log can still be read. */
  readonly disposed: boolean
}

export interface MysqlOptions {
  /** Server settings, named as options are, beside or instead of the usual ones. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Beside the usual ones. */
const further = { 'max-connections': '120' }

const startDeadline = 90_000

/** A server of our own in a temporary folder. */
class OwnServer implements MysqlServer {
  readonly kind: MysqlKind
  readonly host = '127.0.0.1'
  readonly dataDirectory: string
  readonly #folder: string
  readonly #programs: MysqlPrograms
  readonly #settings: Readonly<Record<string, string>>
  readonly #watcher: Watcher
  readonly #shared: boolean
  #port = 0
  #process: ChildProcess | undefined
  #lastLog: string | undefined

  constructor(options: {
    readonly kind: MysqlKind
    readonly folder: string
    readonly programs: MysqlPrograms
    readonly settings: Readonly<Record<string, string>>
    readonly shared: boolean
  }) {
    this.kind = options.kind
    this.#folder = options.folder
    this.dataDirectory = join(options.folder, 'data')
    this.#programs = options.programs
    this.#settings = options.settings
    this.#shared = options.shared
    this.#watcher = watchOver(options.folder, join(options.folder, 'pid'))
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

  url(database = 'mysql'): string {
    return `mysql://root@${this.host}:${this.#port}/${encodeURIComponent(database)}`
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
        if (attempt >= 5 || !/Address already in use/i.test(String(error))) throw error
      }
    }
  }

  async start(): Promise<void> {
    if (this.running) return
    const { program, args } = startOf(this.#programs, {
      folder: this.#folder,
      port: this.#port,
      settings: { ...further, ...this.#settings },
    })
    const log = openSync(join(this.#folder, 'log'), 'a')
    try {
      const { env } = this.#programs
      const options = { log, cwd: this.#folder, env }
      this.#process = startDaemon(program, args, options)
    } finally {
      closeSync(log)
    }
    await this.#answers(this.#process)
  }

  async #answers(child: ChildProcess): Promise<void> {
    const until = monotonic() + startDeadline
    for (;;) {
      try {
        await using session = await openMysql(this.url())
        await session.query('select 1')
        return
      } catch {
        if (!this.running || monotonic() > until) {
          child.kill('SIGKILL')
          throw new Error(`${this.kind} did not start:\n${await this.log()}`)
        }
        await sleep(20)
      }
    }
  }

  async stop(mode: 'clean' | 'crash' = 'clean'): Promise<void> {
    const child = this.#process
    if (child === undefined || !this.running) return
    child.ref()
    const ended = once(child, 'exit')
    child.kill(mode === 'crash' ? 'SIGKILL' : 'SIGTERM')
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#shared || this.disposed) return
    await this.stop('crash')
    this.#lastLog = await this.log()
    await this.#watcher.release()
  }
}

/** A new server that answers. */
export async function startMysql(
  kind: MysqlKind,
  options: MysqlOptions & { readonly shared?: boolean } = {},
): Promise<MysqlServer> {
  const programs = await mysqlPrograms(kind, tell)
  const folder = runFolder(kind)
  const { settings = {}, shared = false } = options
  const server = new OwnServer({ kind, folder, programs, settings, shared })
  await copyTemplate(programs, folder)
  await server.open()
  return server
}

/** A server that somebody else runs; it cannot be stopped from here. */
export function givenMysql(address: string): MysqlServer {
  const parsed = new URL(address)
  const refuse = async (): Promise<never> => {
    throw new Error('The server was given by its address and is not ours to stop.')
  }
  return {
    kind: 'given',
    host: parsed.hostname,
    port: Number(parsed.port || 3306),
    dataDirectory: '',
    running: true,
    disposed: false,
    url(database = 'mysql') {
      const at = new URL(address.replace(/^mariadb:/, 'mysql:'))
      at.pathname = `/${encodeURIComponent(database)}`
      return at.href
    },
    log: async () => '(the log of a given server is not ours to read)',
    stop: refuse,
    start: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}
