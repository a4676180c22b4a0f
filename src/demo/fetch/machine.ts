import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What is told about a fetch while it goes on. */
export type Telling = (sentence: string) => void

/** The user that servers run as when root starts them, which most of them refuse. */
const unprivileged = { uid: 65534, gid: 65534 } as const

const root = process.getuid?.() === 0

/** Passed to spawn for whatever must not run as root. */
export const serverUser: { readonly uid?: number; readonly gid?: number } = root ? unprivileged : {}

const checkout = fileURLToPath(new URL('../../..', import.meta.url))

/** Whether the server's user can reach this existing folder. */
function enterable(folder: string): boolean {
  if (!root) return true
  for (let at = realpathSync(folder); ; at = dirname(at)) {
    if ((statSync(at).mode & constants.S_IXOTH) === 0) return false
    if (at === dirname(at)) return true
  }
}

function writable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** The temporary folder, or another one when the server's user cannot reach it. */
export function temporary(): string {
  const own = realpathSync(tmpdir())
  return enterable(own) ? own : '/tmp'
}

/**
 * The folder that programs and template data are kept in between runs: `.servers` in a checkout,
 * else the user's own cache folder; or one below the temporary folder where those are read-only or
 * closed to the server's user.
 */
export function cacheFolder(): string {
  if (existsSync(join(checkout, 'testkit'))) {
    if (enterable(checkout) && writable(checkout)) return made(join(checkout, '.servers'))
  } else {
    const own = made(join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'holdfast'))
    if (enterable(own)) return own
  }
  const outside = made(join(temporary(), `holdfast-servers-${process.getuid?.() ?? 'user'}`))
  if (statSync(outside).uid !== process.getuid?.())
    throw new Error(`${outside} belongs to another user; remove it`)
  return outside
}

function made(folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  return folder
}

/** Makes `wanted` by filling a folder beside it and renaming, so that nobody sees a part of it. */
export async function madeOnce(
  wanted: string,
  fill: (folder: string) => Promise<void>,
): Promise<string> {
  if (existsSync(wanted)) return wanted
  const draft = `${wanted}.${process.pid}-${Math.random().toString(36).slice(2)}`
  await mkdir(draft, { mode: 0o755 })
  try {
    await fill(draft)
    await rename(draft, wanted)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    if (!existsSync(wanted)) throw error
  }
  return wanted
}

/** Gives a folder or file to the server's user. */
export function giveToServer(path: string): void {
  if (root) chownSync(path, unprivileged.uid, unprivileged.gid)
}

/** What a server is started with: nothing of the caller's settings leaks in. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Run as the server's user. */
  readonly asServer?: boolean
}

/** Runs a program to its end; resolves to its output, rejects with it when it fails. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: options.env ?? plainEnvironment(),
    cwd: options.cwd ?? '/',
    ...(options.asServer === true ? serverUser : {}),
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [code, signal] = await once(child, 'close')
  if (code !== 0) throw new Error(`${program} ended with ${code ?? signal}:\n${output}`)
  return output
}

/** Starts a server that keeps neither this process alive nor its output open. */
export function startDaemon(
  program: string,
  args: readonly string[],
  options: { readonly log: number; readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
): ChildProcess {
  const stdio: StdioOptions = ['ignore', options.log, options.log]
  const child = spawn(program, args, {
    stdio,
    env: options.env ?? plainEnvironment(),
    cwd: options.cwd,
    detached: true,
    ...serverUser,
  })
  child.unref()
  return child
}

/**
 * A port on the loopback that is free now. Outside the range that the system takes for outgoing
 * connections, so that it is still free when a server comes back to it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 17_000)
    const probe = createServer()
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false))
      probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(true))
    })
    if (!free) continue
    await new Promise((resolve) => probe.close(resolve))
    return port
  }
}
