import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { monotonic, sleep } from '../../src/async/clock.ts'
import { type FerretPrograms, ferretPrograms, untilAnswers } from '../../src/demo/fetch/ferretdb.ts'
import {
  freePort,
  giveToServer,
  run,
  runFolder,
  startDaemon,
  tell,
  type Watcher,
  watchOver,
} from './machine.ts'

/** A server that speaks MongoDB's protocol, without passwords. */
export interface MongoServer extends AsyncDisposable {
  readonly kind: 'ferretdb' | 'given'
  url(database?: string): string
  /** All that the server wrote to its log. */
  log(): Promise<string>
  /** `crash`: nothing is said to its clients, and its storage recovers at the next start. */
  stop(mode?: 'clean' | 'crash'): Promise<void>
  /** On the same port, with the same data; nothing when it runs. */
  start(): Promise<void>
  readonly running: boolean
}

const deadline = 60_000

/** FerretDB over a PostgreSQL of its own, each in a folder that is removed with it. */
class Ferret implements MongoServer {
  readonly kind = 'ferretdb'
  readonly #programs: FerretPrograms
  readonly #shared: boolean
  readonly #below: string
  readonly #above: string
  readonly #watchers: readonly Watcher[]
  readonly #ports = { postgres: 0, mongodb: 0 }
  #postgres: ChildProcess | undefined
  #ferretdb: ChildProcess | undefined
  #lastLog: string | undefined

  constructor(programs: FerretPrograms, shared: boolean) {
    this.#programs = programs
    this.#shared = shared
    this.#below = runFolder('documentdb')
    this.#above = runFolder('ferretdb')
    this.#watchers = [
      watchOver(this.#above, join(this.#above, 'pid')),
      watchOver(this.#below, join(this.#below, 'data', 'postmaster.pid')),
    ]
  }

  url(database = 'test'): string {
    return `mongodb://127.0.0.1:${this.#ports.mongodb}/${encodeURIComponent(database)}`
  }

  get running(): boolean {
    return runs(this.#ferretdb)
  }

  async log(): Promise<string> {
    if (this.#lastLog !== undefined) return this.#lastLog
    const read = (folder: string): Promise<string> =>
      readFile(join(folder, 'log'), 'utf8').catch(() => '')
    return `${await read(this.#above)}${await read(this.#below)}`
  }

  async open(): Promise<void> {
    const data = join(this.#below, 'data')
    const copy = ['-R', '--reflink=auto', this.#programs.template, data]
    await run('cp', copy, { asServer: true })
    await mkdir(join(this.#above, 'state'))
    giveToServer(join(this.#above, 'state'))
    for (let attempt = 1; ; attempt++) {
      this.#ports.postgres = await freePort()
      this.#ports.mongodb = await freePort()
      try {
        return await this.start()
      } catch (error) {
        // Another process took a port between the look and the start.
        await this.stop('crash')
        if (attempt >= 5 || !/address already in use/i.test(String(error))) throw error
      }
    }
  }

  async start(): Promise<void> {
    if (this.running) return
    const { postgres, ferretdb, env } = this.#programs
    if (!runs(this.#postgres)) {
      const data = join(this.#below, 'data')
      const port = String(this.#ports.postgres)
      this.#postgres = launch(
        this.#below,
        [postgres, '-D', data, '-p', port, '-k', this.#below],
        env,
      )
      const child = this.#postgres
      const server = { runs: () => runs(child), log: join(this.#below, 'log') }
      await untilAnswers(this.#ports.postgres, server)
    }
    const storage = `postgres://postgres@127.0.0.1:${this.#ports.postgres}/postgres`
    const address = `127.0.0.1:${this.#ports.mongodb}`
    const folder = join(this.#above, 'state')
    const args = ['-address', address, '-storage', storage, '-folder', folder]
    const pid = ['-pid', join(this.#above, 'pid')]
    this.#ferretdb = launch(this.#above, [ferretdb, ...args, ...pid], env)
    await this.#answers(this.#ferretdb)
  }

  async #answers(child: ChildProcess): Promise<void> {
    const until = monotonic() + deadline
    for (;;) {
      const options = { serverSelectionTimeoutMS: 2000, directConnection: true }
      const client = new MongoClient(this.url(), options)
      try {
        // The extension is busy for a moment after a start, and refuses to be written to.
        await client.db('admin').command({ ping: 1 })
        return
      } catch {
        if (!runs(child) || monotonic() > until) {
          throw new Error(`FerretDB did not start:\n${await this.log()}`)
        }
        await sleep(20)
      } finally {
        await client.close()
      }
    }
  }

  async stop(mode: 'clean' | 'crash' = 'clean'): Promise<void> {
    for (const child of [this.#ferretdb, this.#postgres]) {
      if (child === undefined || !runs(child)) continue
      child.ref()
      const ended = once(child, 'exit')
      if (mode === 'clean') child.kill(child === this.#postgres ? 'SIGINT' : 'SIGTERM')
      else child.kill(child === this.#postgres ? 'SIGQUIT' : 'SIGKILL')
      await ended
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#shared || this.#lastLog !== undefined) return
    await this.stop('crash')
    this.#lastLog = await this.log()
    for (const watcher of this.#watchers) await watcher.release()
  }
}

function runs(child: ChildProcess | undefined): boolean {
  return child !== undefined && child.exitCode === null && child.signalCode === null
}

function launch(
  folder: string,
  [program = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
): ChildProcess {
  const log = openSync(join(folder, 'log'), 'a')
  try {
    return startDaemon(program, args, { log, cwd: folder, env })
  } finally {
    closeSync(log)
  }
}

/** A new server that answers. */
export async function startMongo(
  options: { readonly shared?: boolean } = {},
): Promise<MongoServer> {
  const server = new Ferret(await ferretPrograms(tell), options.shared ?? false)
  await server.open()
  return server
}

/** A server that somebody else runs; it cannot be stopped from here. */
export function givenMongo(address: string): MongoServer {
  const refuse = async (): Promise<never> => {
    throw new Error('The server was given by its address and is not ours to stop.')
  }
  return {
    kind: 'given',
    running: true,
    url: (database = 'test') => urlIn(address, database),
    log: async () => '(the log of a given server is not ours to read)',
    stop: refuse,
    start: async () => {},
    [Symbol.asyncDispose]: async () => {},
  }
}

/** The address of a database; whoever is known to another one stays known there. */
function urlIn(address: string, database: string): string {
  // Several hosts are no URL to the platform.
  const [, hosts = address, own = '', query = ''] =
    /^([^:]+:\/\/[^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(address) ?? []
  const options = new URLSearchParams(query)
  const known = hosts.includes('@') && !options.has('authSource')
  if (known) options.set('authSource', own === '' ? 'admin' : own)
  const more = options.size === 0 ? '' : `?${options}`
  return `${hosts}/${encodeURIComponent(database)}${more}`
}
