import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { monotonic, sleep } from '../../src/async/clock.ts'
import { javaArguments, type Launch } from '../../src/demo/fetch/java.ts'
import { program } from '../../src/demo/fetch/maven.ts'
import { plainEnvironment, runFolder, startDaemon, type Watcher, watchOver } from './machine.ts'

const startDeadline = 120_000

/** A Java process with a folder of its own, which goes with it; ended when this process ends. */
export class JavaServer {
  /** Belongs to the server's user; its log and whatever it keeps lie here. */
  readonly folder: string
  readonly #kind: string
  readonly #watcher: Watcher
  #process: ChildProcess | undefined
  #lastLog: string | undefined

  constructor(kind: string) {
    this.#kind = kind
    this.folder = runFolder(kind)
    this.#watcher = watchOver(this.folder, join(this.folder, 'pid'), 'KILL')
  }

  get running(): boolean {
    const child = this.#process
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  get disposed(): boolean {
    return this.#lastLog !== undefined
  }

  /** All that the process and its predecessors wrote. */
  async log(): Promise<string> {
    return this.#lastLog ?? (await readFile(join(this.folder, 'log'), 'utf8').catch(() => ''))
  }

  /** Starts it and waits until `ready` says so, given what this process has written so far. */
  async start(launch: Launch, ready: (log: string) => boolean | Promise<boolean>): Promise<void> {
    if (this.running) return
    const before = (await this.log()).length
    const log = openSync(join(this.folder, 'log'), 'a')
    // The shell says its number and then becomes the program.
    const script = 'echo $$ >pid; exec "$@"'
    const args = ['-c', script, 'sh', program('java'), ...javaArguments(launch)]
    const env = { ...plainEnvironment(), ...launch.env }
    try {
      this.#process = startDaemon('/bin/sh', args, { log, cwd: this.folder, env })
    } finally {
      closeSync(log)
    }
    const until = monotonic() + startDeadline
    while (!(await ready((await this.log()).slice(before)))) {
      if (!this.running || monotonic() > until) {
        await this.stop('crash')
        throw new Error(`${this.#kind} did not start:\n${await this.log()}`)
      }
      await sleep(50)
    }
  }

  /** Resolves when it has ended; `crash` is SIGKILL. */
  async stop(mode: 'clean' | 'crash' = 'clean'): Promise<void> {
    const child = this.#process
    if (child === undefined || !this.running) return
    child.ref()
    const ended = once(child, 'exit')
    child.kill(mode === 'crash' ? 'SIGKILL' : 'SIGTERM')
    await ended
    rmSync(join(this.folder, 'pid'), { force: true })
  }

  /** Stops the clock for the process, or lets it go on. */
  freeze(frozen: boolean): void {
    this.#process?.kill(frozen ? 'SIGSTOP' : 'SIGCONT')
  }

  /** Ends it for good and removes its folder; the log can still be read. */
  async remove(): Promise<void> {
    if (this.disposed) return
    await this.stop('crash')
    this.#lastLog = await this.log()
    await this.#watcher.release()
  }
}
