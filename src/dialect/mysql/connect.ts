import type { Socket } from 'node:net'
import { type Connection, createConnection } from 'mysql2'
import { within } from '../../async/clock.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { Fault } from '../../model/fault.ts'
import { type ErrorContext, faultOf, isOfTls } from './errors.ts'
import { type Attempt, attempts } from './tls.ts'

export type TextRow = Readonly<Record<string, string | null>>

/** Which server it is: their logs, their words and their errors differ. */
export interface ServerVersion {
  readonly flavour: 'mysql' | 'mariadb'
  /** 50624, 90704, 101118. */
  readonly number: number
  /** As the server prints it. */
  readonly text: string
}

export interface ConnectOptions {
  readonly side: 'source' | 'target'
  readonly mirror: string
  /** What the session is for; shown among the connection's attributes. */
  readonly purpose: string
  /** A packet may hold several statements. */
  readonly multiple?: boolean
}

/** One connection with pinned settings. */
export interface Session extends AsyncDisposable {
  /** The raw client. */
  readonly client: Connection
  /** What it speaks through, with TLS or without. */
  readonly socket: Socket
  /** `host:port`. */
  readonly label: string
  /** The connection's number at the server. */
  readonly thread: number
  readonly version: ServerVersion
  /** Aborted with a Fault when the connection ends by itself. */
  readonly lost: AbortSignal
  /** The rows of a statement, all values as text. Throws Fault. */
  query(sql: string): Promise<TextRow[]>
}

const CONNECT_TIMEOUT_MS = 5000
const GOODBYE_MS = 1000
const DEFAULT_PORT = 3306

/**
 * What a session must not take over from the server or the account: the clock, how texts are
 * written and read, and how long the server waits for us.
 */
const pinned = [
  `time_zone = '+00:00'`,
  `sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION'`,
  'net_write_timeout = 86400',
  'net_read_timeout = 86400',
  'wait_timeout = 86400',
  'autocommit = 1',
]

export function endpointLabel(endpoint: Endpoint): string {
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host
  return `${host}:${endpoint.port ?? DEFAULT_PORT}`
}

/** Connects within 5 s for each way to do so. Throws Fault. */
export async function connect(endpoint: Endpoint, options: ConnectOptions): Promise<Session> {
  const label = endpointLabel(endpoint)
  const context: ErrorContext = { side: options.side, doing: 'connecting', label }
  try {
    return await firstThatWorks(await attempts(endpoint.tls), (way) => {
      return open(endpoint, options, way)
    })
  } catch (error) {
    throw faultOf(error, context)
  }
}

async function firstThatWorks(
  ways: readonly Attempt[],
  attempt: (way: Attempt) => Promise<Session>,
): Promise<Session> {
  let failed: unknown = new Error('no way to connect')
  for (const way of ways) {
    try {
      return await attempt(way)
    } catch (error) {
      failed = error
      // What TLS refused may be allowed without it.
      if (!isOfTls(error) && !mayGoWithout(error)) break
    }
  }
  throw failed
}

/** The server itself refuses to be spoken to so. */
function mayGoWithout(error: unknown): boolean {
  return faultOf(error, { side: 'source', doing: '', label: '' }).code === 'HF-S103'
}

/** What of mysql2's connection has no types. */
interface Inside {
  readonly stream: Socket
  readonly threadId: number | null
}

/** The driver's own `destroy` waits for the other end. */
function socketOf(client: Connection): Socket {
  return (client as unknown as Inside).stream
}

async function open(endpoint: Endpoint, options: ConnectOptions, way: Attempt): Promise<Session> {
  const client = createConnection({
    host: endpoint.host,
    port: endpoint.port ?? DEFAULT_PORT,
    user: endpoint.user ?? 'root',
    password: endpoint.password?.reveal() ?? '',
    ...(endpoint.database === null ? {} : { database: endpoint.database }),
    ...(way === false ? {} : { ssl: way }),
    charset: 'UTF8MB4_BIN',
    connectTimeout: CONNECT_TIMEOUT_MS,
    enableKeepAlive: true,
    keepAliveInitialDelay: 10_000,
    multipleStatements: options.multiple ?? false,
    // A server cannot ask for files of ours; a command is its text alone, and may be sent raw.
    flags: ['-LOCAL_FILES', '-CLIENT_QUERY_ATTRIBUTES'],
    typeCast: false,
    disableEval: true,
    connectAttributes: { program_name: `holdfast:${options.mirror}:${options.purpose}` },
  })
  const watched = watch(client, endpoint, options)
  try {
    await connected(client)
    await raw(client, `SET SESSION ${pinned.join(', ')}`)
    const [row] = await raw(client, 'SELECT VERSION() AS version')
    const version = versionOf(row?.['version'] ?? '')
    const thread = (client as unknown as Inside).threadId ?? 0
    return watched({ socket: socketOf(client), thread, version })
  } catch (error) {
    socketOf(client).destroy()
    throw error
  }
}

async function connected(client: Connection): Promise<void> {
  const done = Promise.withResolvers<void>()
  client.connect((error) => (error === null ? done.resolve() : done.reject(error)))
  await done.promise
}

type Opened = Pick<Session, 'socket' | 'thread' | 'version'>

function watch(
  client: Connection,
  endpoint: Endpoint,
  options: ConnectOptions,
): (opened: Opened) => Session {
  const { side } = options
  const label = endpointLabel(endpoint)
  const lost = new AbortController()
  let closing = false
  const fault = (error: unknown, doing: string): Fault => faultOf(error, { side, doing, label })
  const ended = (error: unknown): void => {
    if (!closing) lost.abort(fault(error, 'the session was open'))
  }
  client.on('error', ended)
  client.on('end', () => ended(new Error('the connection was closed')))
  const query: Session['query'] = async (sql) => {
    lost.signal.throwIfAborted()
    try {
      return await raw(client, sql)
    } catch (error) {
      throw fault(error, 'running a statement')
    }
  }
  const dispose = async (): Promise<void> => {
    closing = true
    const gone = Promise.withResolvers<void>()
    client.end(() => gone.resolve())
    await within(GOODBYE_MS, gone.promise, () => socketOf(client).destroy())
  }
  return (opened) => ({
    ...opened,
    client,
    label,
    lost: lost.signal,
    query,
    [Symbol.asyncDispose]: dispose,
  })
}

async function raw(client: Connection, sql: string): Promise<TextRow[]> {
  const done = Promise.withResolvers<unknown>()
  client.query(sql, (error, rows) => (error === null ? done.resolve(rows) : done.reject(error)))
  const rows = await done.promise
  if (!Array.isArray(rows)) return []
  return rows.map((row: Readonly<Record<string, Buffer | null>>) =>
    Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, textOf(cell)])),
  )
}

function textOf(cell: Buffer | null): string | null {
  return cell === null ? null : cell.toString('utf8')
}

/** `10.11.18-MariaDB-log` is 101118; MariaDB may put `5.5.5-` before it. Throws Fault. */
export function versionOf(text: string): ServerVersion {
  const flavour = /mariadb/i.test(text) ? 'mariadb' : 'mysql'
  const plain = flavour === 'mariadb' ? text.replace(/^5\.5\.5-/, '') : text
  const parts = /^(\d+)\.(\d+)\.(\d+)/.exec(plain)
  if (parts === null) {
    throw new Fault('HF-S107', { what: 'the server names no version that can be read' })
  }
  const [major, minor, patch] = parts.slice(1).map(Number)
  return { flavour, number: (major ?? 0) * 10_000 + (minor ?? 0) * 100 + (patch ?? 0), text }
}
