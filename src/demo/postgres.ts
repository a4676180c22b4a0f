import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, chown, cp, mkdir, open, readFile, stat, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, dirname, join, relative } from 'node:path'
import { monotonic, sleep, within } from '../async/clock.ts'

/** PostgreSQL refuses to run as root; root starts it as this user, `nobody` nearly everywhere. */
const NOBODY = 65534

/** Who the servers run as; empty when that is simply who we are. */
export const serverUser: { readonly uid?: number; readonly gid?: number } =
  process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}

/** Ambient PG… variables would change what the servers and initdb do. */
const environment = { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' }

/**
 * Makes a folder of PostgreSQL programs (`bin`, `lib`, `share`, as npm packages hold them)
 * runnable: sets the run bits and makes the links that packages cannot hold. Where that is not
 * possible, or the server's user cannot get there, it works on a copy under `scratch`. Returns
 * the folder of the programs themselves.
 */
export async function runnable(native: string, scratch: string): Promise<string> {
  const links = await readLinks(native)
  if ((await enterable(native)) && (await hydrate(native, links))) return join(native, 'bin')
  const copy = join(scratch, `programs-${basename(dirname(native))}`)
  await mkdir(scratch, { recursive: true })
  await cp(native, copy, { recursive: true, verbatimSymlinks: true })
  await chmod(copy, 0o755)
  if (!(await hydrate(copy, links))) throw new Error(`cannot make ${copy} runnable`)
  return join(copy, 'bin')
}

interface Link {
  readonly from: string
  readonly to: string
}

/** Both paths of each link, relative to the folder of programs. */
async function readLinks(native: string): Promise<readonly Link[]> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8')
  const entries: readonly { source: string; target: string }[] = JSON.parse(text)
  return entries.map(({ source, target }) => ({
    from: relative('native', source),
    to: relative('native', target),
  }))
}

/** False when the folder cannot be written and something is missing. */
async function hydrate(native: string, links: readonly Link[]): Promise<boolean> {
  try {
    for (const name of ['postgres', 'initdb', 'pg_ctl']) {
      const file = join(native, 'bin', name)
      if (((await stat(file)).mode & 0o555) !== 0o555) await chmod(file, 0o755)
    }
    for (const { from, to } of links) {
      const path = join(native, to)
      if (await exists(path)) continue
      await symlink(relative(dirname(path), join(native, from)), path).catch((error: unknown) => {
        if (!isCode(error, 'EEXIST')) throw error
      })
    }
    return true
  } catch (error) {
    if (isCode(error, 'EACCES') || isCode(error, 'EROFS') || isCode(error, 'EPERM')) return false
    throw error
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** Whether the server's user may enter a folder and all that it lies in. */
export async function enterable(folder: string): Promise<boolean> {
  if (serverUser.uid === undefined) return true
  for (let at = folder; ; at = dirname(at)) {
    const { mode } = await stat(at)
    if ((mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}

/**
 * Makes a data directory, and the folder around it, with one superuser, `postgres`, who needs no
 * password.
 */
export async function initialize(bin: string, data: string): Promise<void> {
  await mkdir(dirname(data), { mode: 0o755 })
  await mkdir(data, { mode: 0o700 })
  if (serverUser.uid !== undefined) await chown(data, serverUser.uid, serverUser.uid)
  const flags = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  const child = spawn(join(bin, 'initdb'), ['-D', data, ...flags], {
    ...serverUser,
    cwd: '/',
    env: environment,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  const code = await exit(child)
  if (code !== 0) throw new Error(`initdb failed (${code}): ${complaint.trim()}`)
}

export interface RunningServer extends AsyncDisposable {
  readonly pid: number
  readonly port: number
  /** Resolves when the server has ended, asked or not. */
  readonly ended: Promise<void>
  /** fast: sessions are cut, all is written. immediate: as a crash. */
  stop(how: 'fast' | 'immediate'): Promise<void>
}

/**
 * Starts a server on a loopback port and returns when it accepts connections. Its log goes to
 * `<data>/../log`. It is in a process group of its own, so that Ctrl-C does not reach it.
 */
export async function startServer(options: {
  readonly bin: string
  readonly data: string
  readonly settings: Readonly<Record<string, string>>
}): Promise<RunningServer> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const server = await startAt(options, port)
    if (typeof server !== 'string') return server
    if (attempt === 3 || !/could not (bind|create any TCP)/.test(server)) {
      throw new Error(`PostgreSQL did not start:\n${server}`)
    }
  }
}

async function startAt(
  options: { bin: string; data: string; settings: Readonly<Record<string, string>> },
  port: number,
): Promise<RunningServer | string> {
  const settings = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    ...options.settings,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const logPath = join(dirname(options.data), 'log')
  const log = await open(logPath, 'a')
  const child = spawn(join(options.bin, 'postgres'), ['-D', options.data, ...flags], {
    ...serverUser,
    cwd: '/',
    env: environment,
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  child.unref()
  const ended = exit(child).then(
    () => {},
    () => {},
  )
  await log.close()
  if (!(await ready(child, options.data))) {
    return (await readFile(logPath, 'utf8')).slice(-2000)
  }
  const stop = async (how: 'fast' | 'immediate'): Promise<void> => {
    child.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await within(5000, ended, () => child.kill('SIGKILL'))
    await ended
  }
  return {
    pid: child.pid ?? 0,
    port,
    ended,
    stop,
    [Symbol.asyncDispose]: () => stop('fast'),
  }
}

/** The eighth line of postmaster.pid is the server's state (miscadmin.h, PM_STATUS_READY). */
async function ready(child: ChildProcess, data: string): Promise<boolean> {
  const deadline = monotonic() + 30_000
  while (
    child.pid !== undefined &&
    child.exitCode === null &&
    child.signalCode === null &&
    monotonic() < deadline
  ) {
    const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')
    const lines = text.split('\n')
    if (lines[0] === String(child.pid) && lines[7]?.trim() === 'ready') return true
    await sleep(10)
  }
  child.kill('SIGKILL')
  return false
}

function exit(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 1))
  })
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const address = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no loopback port')
  return address.port
}
