import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  chownSync,
  constants,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The user that servers run as when the tests run as root, which PostgreSQL refuses. */
const unprivileged = { uid: 65534, gid: 65534 } as const

const root = process.getuid?.() === 0

/** Passed to spawn for whatever must not run as root. */
export const serverUser: { readonly uid?: number; readonly gid?: number } = root ? unprivileged : {}

const checkout = fileURLToPath(new URL('../..', import.meta.url))

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

function temporary(): string {
  const own = realpathSync(tmpdir())
  return enterable(own) ? own : '/tmp'
}

/**
 * The folder that programs and template data are kept in between runs: `.servers` in the
 * checkout, or one below the temporary folder when the checkout is read-only or closed to the
 * server's user.
 */
export function cacheFolder(): string {
  if (enterable(checkout) && writable(checkout)) {
    const inside = join(checkout, '.servers')
    mkdirSync(inside, { recursive: true })
    return inside
  }
  const outside = join(temporary(), `holdfast-servers-${process.getuid?.() ?? 'user'}`)
  mkdirSync(outside, { recursive: true, mode: 0o755 })
  if (statSync(outside).uid !== process.getuid?.())
    throw new Error(`${outside} belongs to another user; remove it`)
  return outside
}

/** Gives a folder or file to the server's user. */
export function giveToServer(path: string): void {
  if (root) chownSync(path, unprivileged.uid, unprivileged.gid)
}

/** A new folder of the server's user below the temporary folder. */
export function runFolder(kind: string): string {
  const made = mkdtempSync(join(temporary(), `holdfast-${kind}-`))
  giveToServer(made)
  return made
}

/** What a server is started with: nothing of the caller's settings leaks in. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }
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

/** The folder, beside a server's data, that a disk of its own may be mounted at. */
export const ownDisk = 'disk'

// Ends when its input does, which is when the process that holds the other end has ended, however
// it ended.
const watch = `
cat >/dev/null
pid=$(head -n 1 "$2" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -"$3" "$pid" 2>/dev/null
  left=100
  while [ -e "$2" ] && kill -0 "$pid" 2>/dev/null && [ $left -gt 0 ]; do
    left=$((left - 1)); sleep 0.05
  done
  [ -e "$2" ] && kill -KILL "$pid" 2>/dev/null
fi
[ -e "$1/${ownDisk}" ] && umount -l "$1/${ownDisk}" 2>/dev/null
rm -rf "$1"
`

/** Ends a server and removes its folder, once. */
export interface Watcher {
  /** Resolves when the server has ended and its folder is gone. */
  release(): Promise<void>
}

/**
 * Watches over a server: when this process ends in any way, the process whose pid is on the first
 * line of `pidFile` is ended and `folder` removed. QUIT lets a postmaster take its children along;
 * a Java process only prints its threads at it, and takes KILL.
 */
export function watchOver(
  folder: string,
  pidFile: string,
  signal: 'QUIT' | 'KILL' = 'QUIT',
): Watcher {
  const child = spawn('/bin/sh', ['-c', watch, 'watcher', folder, pidFile, signal], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: plainEnvironment(),
  })
  child.unref()
  const hold = child.stdin
  if ('unref' in hold && typeof hold.unref === 'function') hold.unref()
  return {
    async release() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.ref()
      const ended = once(child, 'exit')
      hold.destroy()
      await ended
    },
  }
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
