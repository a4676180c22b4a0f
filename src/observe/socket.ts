import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { within } from '../async/clock.ts'
import type { MirrorSettings } from '../config/settings.ts'
import { type Endpoint, Secret } from '../model/endpoint.ts'

/** The folder of a working directory in which running mirrors can be found. */
export const FOLDER = '.holdfast'
/** The longest path of a socket that every system takes. */
const LONGEST = 100
/** Milliseconds that somebody on the same machine may take to answer. */
const PATIENCE = 2000
const MOST_BYTES = 16 << 20

/** What may be asked of a running mirror. */
export type Question = 'status' | 'settings'

/** Makes the folder where it is not there; nobody else may look into it. */
export function makeFolder(directory: string): void {
  const folder = join(directory, FOLDER)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
}

export function socketPath(directory: string, mirror: string): string {
  return join(directory, FOLDER, `${mirror}.sock`)
}

/** The names of mirrors that have a socket in this folder; some may be left from a crash. */
export function socketNames(directory: string): string[] {
  const folder = join(directory, FOLDER)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sock'))
    .map((file) => file.slice(0, -'.sock'.length))
}

/**
 * Answers questions about a running mirror, to processes of the same user alone: the folder has
 * mode 0700, the socket 0600. A socket left by a crash is replaced. Null when the path is too long
 * for a socket; the mirror then runs without one.
 */
export async function answer(
  directory: string,
  mirror: string,
  answers: Readonly<Record<Question, () => unknown>>,
): Promise<AsyncDisposable | null> {
  const path = socketPath(directory, mirror)
  if (Buffer.byteLength(path) > LONGEST) return null
  makeFolder(directory)
  rmSync(path, { force: true })
  const server = createServer((socket) => serve(socket, answers))
  await listening(server, path)
  chmodSync(path, 0o600)
  server.unref()
  return {
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function listening(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function serve(socket: Socket, answers: Readonly<Record<Question, () => unknown>>): void {
  socket.on('error', () => socket.destroy())
  socket.unref()
  socket.once('data', (data) => {
    const question = data.toString('utf8').trim()
    const known = question === 'status' || question === 'settings'
    socket.end(`${JSON.stringify(known ? answers[question]() : null)}\n`)
  })
}

/** What a running mirror answers, or null when none of that name runs here. */
export async function ask(directory: string, mirror: string, question: Question): Promise<unknown> {
  const path = socketPath(directory, mirror)
  if (!existsSync(path)) return null
  const socket = createConnection(path)
  try {
    return await within(PATIENCE, reply(socket, question), () => null)
  } catch {
    return null
  } finally {
    socket.destroy()
  }
}

async function reply(socket: Socket, question: Question): Promise<unknown> {
  socket.write(`${question}\n`)
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of socket) {
    pieces.push(piece)
    bytes += piece.length
    if (bytes > MOST_BYTES) return null
  }
  return JSON.parse(Buffer.concat(pieces).toString('utf8'))
}

/** An endpoint with its password, and that of the one behind it. */
function open({ behind, ...endpoint }: Endpoint): unknown {
  const password = endpoint.password?.reveal() ?? null
  return { ...endpoint, password, ...(behind === undefined ? {} : { behind: open(behind) }) }
}

/** Settings with their passwords, for a process of the same user that asks for them. */
export function openSettings(settings: MirrorSettings): unknown {
  const { source, target, database, owned } = settings
  const ends = { source: open(source), target: open(target) }
  const behind = database === null ? null : open(database)
  const own = owned === null ? null : { ...owned, worker: owned.worker.reveal() }
  return { ...settings, ...ends, database: behind, owned: own }
}

/** The settings of a running mirror, or null when none of that name runs here. */
export async function askSettings(
  directory: string,
  mirror: string,
): Promise<MirrorSettings | null> {
  const told = await ask(directory, mirror, 'settings')
  if (typeof told !== 'object' || told === null || !('source' in told) || !('target' in told)) {
    return null
  }
  // The other end is this program under the same user; what it sends is what openSettings made.
  const settings = told as MirrorSettings
  const { source, target, database, owned } = settings
  const ends = { source: closed(source), target: closed(target) }
  const behind = database === null ? null : closed(database)
  const own = owned === null ? null : { ...owned, worker: new Secret(String(owned.worker)) }
  return { ...settings, ...ends, database: behind, owned: own }
}

function closed({ behind, ...endpoint }: Endpoint): Endpoint {
  const told: unknown = endpoint.password
  const password = typeof told === 'string' ? new Secret(told) : null
  return { ...endpoint, password, ...(behind === undefined ? {} : { behind: closed(behind) }) }
}
