import { mkdtempSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep } from '../../src/async/clock.ts'
import { type Child, type Ended, holdfast } from '../child.ts'
import { type Watcher, watchOver } from '../servers/machine.ts'

export interface MirrorSetup {
  readonly name: string
  readonly source: string
  readonly target: string
  readonly batchRows: number
  readonly memory: string
  /** The launcher of the product that is tried; that of the checkout unless given. */
  readonly program?: string
  readonly env?: Readonly<Record<string, string>>
  /** Which way the log is read, as HOLDFAST_CATCHUP takes it. */
  readonly path?: string
  /** What documents are, at a target that knows several. */
  readonly shape?: 'mirror' | 'history'
  /** What is mirrored; all tables of the oracle unless given. */
  readonly include?: readonly string[]
  /** Of `run`. */
  readonly flags?: readonly string[]
}

/** An end of the mirror that nobody asked for and that waiting does not heal. */
export class Halt extends Error {}

/** Exit codes that only say that a server was away. */
const AWAY = 3
const MOST_RESTARTS = 20

/**
 * The mirror as a process that is started again whenever it ends, as a service manager does it.
 * What it halts for is a failure of the run.
 */
export class MirrorProcess implements AsyncDisposable {
  readonly folder: string
  readonly #setup: MirrorSetup
  /** Removes the folder, also when this process is killed. */
  readonly #watcher: Watcher
  readonly #halted = Promise.withResolvers<never>()
  #child: Child | null = null
  #stopping = false
  #unforeseen = 0
  #loop: Promise<void> = Promise.resolve()
  #killAt: string | null = null
  #armed = false
  #shot = false
  #path: string | null
  /** A process that was left to itself and may take the mirror again when this one lets go of it. */
  #rival: Child | null = null
  #replaced = Promise.withResolvers<null>()
  /** Processes that were started. */
  starts = 0
  /** Those that ended with SIGKILL. */
  kills = 0
  /** How many of them ended themselves, by the point at which. */
  readonly deaths: Record<string, number> = {}

  constructor(setup: MirrorSetup) {
    this.#setup = setup
    this.#path = setup.path ?? null
    this.folder = mkdtempSync(join(tmpdir(), 'holdfast-oracle-'))
    this.#watcher = watchOver(this.folder, join(this.folder, 'no-server'))
    const { name, source, target, batchRows, memory, shape } = setup
    const end = (url: string): object => ({ url, await: '120s', ssl: { mode: 'disable' } })
    const config = {
      version: 1,
      mirrors: [
        {
          name,
          source: end(source),
          target: { ...end(target), ...(shape === undefined ? {} : { shape }) },
          tables: { include: setup.include ?? ['oracle.*'], keyless: 'append' },
          copy: { workers: 2 },
          apply: { memory, batch: { rows: batchRows }, spill: join(this.folder, 'spill') },
        },
      ],
    }
    writeFileSync(join(this.folder, 'holdfast.yaml'), JSON.stringify(config))
    this.setClock(0)
    this.#halted.promise.catch(() => undefined)
  }

  /** Rejects with Halt when the mirror gives up. */
  get halted(): Promise<never> {
    return this.#halted.promise
  }
  get child(): Child | null {
    return this.#child
  }

  /** Which way the log is read. */
  get path(): string | null {
    return this.#path
  }

  /** The clock of every process of the mirror is off by this from now on, in milliseconds. */
  setClock(by: number): void {
    // At once as a whole, since it is read at any moment.
    const file = join(this.folder, 'clock')
    writeFileSync(`${file}.new`, String(by))
    renameSync(`${file}.new`, file)
  }

  start(killAt?: string): void {
    this.#killAt = killAt ?? null
    this.#loop = this.#keep()
  }

  command(args: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
    const { program, env: always } = this.#setup
    const [command = '', ...rest] = args
    const clock = { HOLDFAST_CLOCK: join(this.folder, 'clock') }
    return holdfast([command, '--config', 'holdfast.yaml', ...rest], {
      cwd: this.folder,
      env: { ...always, ...clock, ...env },
      ...(program === undefined ? {} : { program }),
    })
  }

  async #keep(): Promise<void> {
    while (!this.#stopping) {
      const killAt = this.#killAt
      this.#killAt = null
      this.#shot = false
      const child = this.command(['run', ...(this.#setup.flags ?? [])], {
        ...(killAt === null ? {} : { HOLDFAST_KILL_AT: killAt }),
        ...(this.#path === null ? {} : { HOLDFAST_CATCHUP: this.#path }),
      })
      this.#child = child
      this.#armed = killAt !== null
      this.starts++
      const end = await Promise.race([child.ended, this.#replaced.promise])
      if (this.#stopping) return
      if (end === null) this.#replaced = Promise.withResolvers()
      else if (end.signal === 'SIGKILL') this.#died(killAt)
      else if (await this.#lostTo(child)) continue
      else if (end.code === AWAY && this.#unforeseen++ < MOST_RESTARTS) await sleep(200)
      else return this.#halted.reject(this.#halt(child, end))
    }
  }

  /** Whether the other one took the mirror, as it may; it is ended then, so that one is left. */
  async #lostTo(child: Child): Promise<boolean> {
    const rival = this.#rival
    if (rival === null || !child.lines.some((line) => line.includes('HF-X101'))) return false
    this.#rival = null
    await rival.kill('SIGKILL')
    return true
  }

  #died(killAt: string | null): void {
    this.kills++
    const at = killAt?.split(':')[0]
    if (at !== undefined && !this.#shot) this.deaths[at] = (this.deaths[at] ?? 0) + 1
  }

  #halt(child: Child, { code, signal }: Ended): Halt {
    const tail = child.lines.slice(-25).join('\n')
    return new Halt(`the mirror ended by itself with ${code ?? signal}:\n${tail}`)
  }

  /** Kills it now; with `at` the next one ends itself at that point, with `path` it reads so. */
  async kill(next: { readonly at?: string; readonly path?: string } = {}): Promise<void> {
    this.#killAt = next.at ?? null
    this.#path = next.path ?? this.#path
    this.#shot = true
    await this.#child?.kill('SIGKILL')
  }

  /** The process may no longer end itself at a point: another one takes its place if it would. */
  async disarm(): Promise<void> {
    if (this.#armed || this.#killAt !== null) await this.kill()
  }

  /** Starts another process beside the one there is, which is given back and no longer kept. */
  replace(): Child | null {
    const left = this.#child
    this.#rival = left
    this.#replaced.resolve(null)
    return left
  }

  /** Lets it apply what it has read, and end. */
  async stop(): Promise<Ended | null> {
    this.#stopping = true
    const child = this.#child
    child?.signal('SIGTERM')
    const end = (await child?.end({ within: 60_000 })) ?? null
    await this.#loop
    return end
  }

  /** Kills it for good. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true
    await this.#child?.[Symbol.asyncDispose]()
    await this.#loop
    await this.#watcher.release()
  }
}
