import type { ChildProcess } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { within } from '../async/clock.ts'
import { Fault } from '../model/fault.ts'

/** A server of the demo with an empty database `shop`. */
export interface DemoServer {
  readonly name: string
  readonly version: string
  readonly url: string
  readonly port: number
  /** What has to end with the demo, as a guard takes it. */
  readonly processes: readonly { readonly kind: 'server' | 'program'; readonly pid: number }[]
  /** Resolves when it has ended, asked or not. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

/** Milliseconds that a process gets to end as it was asked to. */
const PATIENCE = 5000

/** How a process of a server ends, and how it is ended. */
export function ending(
  child: ChildProcess,
  signal: NodeJS.Signals,
): Pick<DemoServer, 'ended' | 'stop'> {
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  return {
    ended,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      await within(PATIENCE, ended, () => child.kill('SIGKILL'))
      await ended
    },
  }
}

export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o755 })
}

/** Throws HF-X304 for what keeps the programs of a server from being had. */
export async function had<T>(programs: Promise<T>): Promise<T> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw unfetched(`there are none for ${process.platform}-${process.arch}`)
  }
  return await programs.catch((error: unknown) => {
    throw unfetched(error instanceof Error ? error.message.trim().slice(-400) : String(error))
  })
}

function unfetched(why: string): Fault {
  return new Fault('HF-X304', { what: `the programs of a server of the demo: ${why}` })
}
