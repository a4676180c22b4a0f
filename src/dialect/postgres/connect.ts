import type { Socket } from 'node:net'
import pg from 'pg'
import { within } from '../../async/clock.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { asFault, Fault } from '../../model/fault.ts'
import { type Binding, bindingOf, cannotBind, watchBinding } from './binding.ts'
import { type ErrorContext, faultOf, MissingPassword, serverError } from './errors.ts'
import { Patience, type Word } from './patience.ts'
import { pinned, poolableSettings } from './settings.ts'
import { type Attempt, attempts, BindingError } from './tls.ts'

export type TextRow = Readonly<Record<string, string | null>>

export interface ConnectOptions {
  readonly side: 'source' | 'target'
  readonly mirror: string
  /** What the session is for; shown in `application_name` as `holdfast:<mirror>:<purpose>`. */
  readonly purpose: string
  /** A walsender session of the database: only simple queries and replication commands. */
  readonly replication?: boolean
  /** Further settings of the session. At a target they go through poolers only if those know them. */
  readonly settings?: Readonly<Record<string, string>>
}

/** One connection to a PostgreSQL server with pinned settings. */
export interface Session extends AsyncDisposable {
  /** The raw client, for Submittables. */
  readonly client: pg.Client
  readonly side: 'source' | 'target'
  /** `host:port`. */
  readonly label: string
  /** The process that BackendKeyData named; behind a pooler it is not the backend's. */
  readonly pid: number
  /** server_version_num, such as 140023. */
  readonly version: number
  /** Aborted with a Fault when the connection ends by itself. */
  readonly lost: AbortSignal
  /**
   * The server owes an answer until this is disposed; `query` says so itself. A connection on which
   * nothing moves meanwhile, while the server waits for us, is ended.
   */
  owed(): Disposable
  /** From here on such a connection is looked for; `pid` must be the server's own. */
  guard(): void
  /**
   * The rows of the last statement in `sql`, all values as the server's text. Statements of one
   * session run one after another, in the order of the calls. Throws Fault, with the SQLSTATE in
   * its evidence (`sqlstateOf`).
   */
  query(sql: string, params?: readonly (string | Buffer | null)[]): Promise<TextRow[]>
}

const CONNECT_TIMEOUT_MS = 5000
const GOODBYE_MS = 1000

/** The port of an endpoint that names none. */
const DEFAULT_PORT = 5432

export function endpointLabel(endpoint: Endpoint): string {
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host
  return `${host}:${endpoint.port ?? DEFAULT_PORT}`
}

/**
 * Connects within 5 s. The environment (PGHOST, PGOPTIONS, PGSSLMODE, a password file …) has no
 * say. Throws Fault.
 */
export async function connect(endpoint: Endpoint, options: ConnectOptions): Promise<Session> {
  const label = endpointLabel(endpoint)
  const context: ErrorContext = { side: options.side, doing: 'connecting', label }
  try {
    const binding = bindingOf(endpoint)
    const all = await attempts(endpoint.tls, endpoint.host)
    const ways = binding === 'require' ? all.filter((way) => way !== false) : all
    return await firstThatWorks(ways, (way) => openBound(endpoint, options, { ssl: way, binding }))
  } catch (error) {
    throw faultOf(error, context)
  }
}

async function firstThatWorks(
  ways: readonly Attempt[],
  attempt: (way: Attempt) => Promise<Session>,
): Promise<Session> {
  let failed: unknown = new BindingError('channel binding needs TLS')
  for (const way of ways) {
    try {
      return await attempt(way)
    } catch (error) {
      failed = error
      if (!worthPlain(error)) break
    }
  }
  throw failed
}

/** As libpq: what TLS or the server's host rules refused may be allowed without TLS. */
function worthPlain(error: unknown): boolean {
  if (serverError(error)?.code === '28000') return true
  const kind = faultOf(error, { side: 'source', doing: '', label: '' }).code
  return kind === 'HF-S103'
}

/** What of pg's client has no types: it is set so that the environment has no say. */
interface Startup {
  getStartupConf: () => Record<string, string>
  processID: number | null
}

/** With or without TLS, bound to it or not. */
interface Way {
  readonly ssl: Attempt
  readonly binding: Binding
}

async function openBound(endpoint: Endpoint, options: ConnectOptions, way: Way): Promise<Session> {
  try {
    return await open(endpoint, options, way)
  } catch (error) {
    if (way.binding !== 'prefer' || !cannotBind(error)) throw error
    return await open(endpoint, options, { ...way, binding: 'disable' })
  }
}

async function open(endpoint: Endpoint, options: ConnectOptions, way: Way): Promise<Session> {
  const user = endpoint.user ?? 'postgres'
  const database = endpoint.database ?? user
  const client = new pg.Client({
    host: endpoint.host,
    port: endpoint.port ?? DEFAULT_PORT,
    user,
    database,
    password: () => {
      bound.allow()
      const password = endpoint.password?.reveal() ?? ''
      if (password === '') throw new MissingPassword('no password given')
      return password
    },
    ssl: way.ssl,
    enableChannelBinding: way.ssl !== false && way.binding !== 'disable',
    sslnegotiation: 'postgres',
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    types: { getTypeParser: () => (value: string) => value },
  })
  const bound = watchBinding(client, way.binding)
  const startup = client as unknown as Startup
  startup.getStartupConf = () => startupPacket(user, database, options)
  let version = 0
  const parameters = client.connection as unknown as NodeJS.EventEmitter
  parameters.on('parameterStatus', (status: { parameterName: string; parameterValue: string }) => {
    if (status.parameterName === 'server_version') version = versionNumber(status.parameterValue)
  })
  const session = watch(client, endpoint, options)
  try {
    await client.connect()
    bound.allow()
  } catch (error) {
    client.connection.stream.destroy()
    throw error
  }
  const opened = session(startup.processID ?? 0, version)
  // There is no pooler before a source: none passes replication on.
  if (options.side === 'source' && options.purpose !== PING) opened.guard()
  return opened
}

function startupPacket(
  user: string,
  database: string,
  options: ConnectOptions,
): Record<string, string> {
  return {
    user,
    database,
    application_name: `holdfast:${options.mirror}:${options.purpose}`,
    ...(options.replication === true ? { replication: 'database' } : {}),
    ...(options.side === 'source' ? pinned : poolableSettings()),
    ...options.settings,
  }
}

/** server_version_num of what `server_version` says: `16.4 (Debian …)` is 160004. */
export function versionNumber(text: string): number {
  const parts = /^(\d+)(?:\.(\d+))?/.exec(text)
  return Number(parts?.[1] ?? 0) * 10_000 + Number(parts?.[2] ?? 0)
}

function watch(
  client: pg.Client,
  endpoint: Endpoint,
  options: ConnectOptions,
): (pid: number, version: number) => Session {
  const { side } = options
  const label = endpointLabel(endpoint)
  let patience: Patience | null = null
  const lost = new AbortController()
  let closing = false
  const fault = (error: unknown, doing: string): Fault => faultOf(error, { side, doing, label })
  client.on('error', (error: unknown) => {
    if (!closing) lost.abort(fault(error, 'the session was open'))
  })
  client.on('end', () => {
    patience?.stop()
    if (!closing) lost.abort(fault(new Error('Connection terminated'), 'the session was open'))
  })
  let last: Promise<unknown> = Promise.resolve()
  const query: Session['query'] = (sql, params) => {
    const run = last.then(async () => {
      lost.signal.throwIfAborted()
      try {
        using _answer = owed()
        return await rowsOf(client, sql, params)
      } catch (error) {
        throw fault(error, 'running a statement')
      }
    })
    last = run.catch(() => undefined)
    return run
  }
  const owed = (): Disposable => patience?.owed() ?? nothingOwed
  const dispose = async (): Promise<void> => {
    closing = true
    patience?.stop()
    await within(GOODBYE_MS, client.end(), () => client.connection.stream.destroy())
  }
  return (pid, version) => ({
    client,
    side: options.side,
    label,
    pid,
    version,
    lost: lost.signal,
    query,
    owed,
    guard: () => {
      patience ??= patienceWith(client, pid, { endpoint, options })
    },
    [Symbol.asyncDispose]: dispose,
  })
}

const nothingOwed: Disposable = { [Symbol.dispose]: () => undefined }

/** What sessions are for that only ask about another one. */
const PING = 'ping'

function patienceWith(
  client: pg.Client,
  pid: number,
  { endpoint, options }: { readonly endpoint: Endpoint; readonly options: ConnectOptions },
): Patience {
  const socket = client.connection.stream as Socket
  return new Patience({
    traffic: () => ({
      read: socket.bytesRead,
      written: socket.bytesWritten - socket.writableLength,
    }),
    ask: () => wordOf(endpoint, options, pid),
    dead: (silent) => {
      const seconds = Math.round(silent / 1000)
      const words = `has not answered for ${seconds} s and does not know that it should`
      const what = `the ${options.side} at ${endpointLabel(endpoint)} ${words}: the connection is dead`
      const { side } = options
      socket.destroy(new Fault(side === 'source' ? 'HF-S101' : 'HF-T201', { what, side }))
    },
  })
}

const WORD = `
select exists (select from pg_catalog.pg_stat_activity where pid = $1::int
  and wait_event is distinct from 'ClientRead' and wait_event is distinct from 'ClientWrite'
) as works`

/** Asks over another connection what the process with this pid does. */
async function wordOf(endpoint: Endpoint, options: ConnectOptions, pid: number): Promise<Word> {
  const { side, mirror } = options
  try {
    await using session = await connect(endpoint, { side, mirror, purpose: PING })
    const [row] = await session.query(WORD, [String(pid)])
    return row?.['works'] === 't' ? 'works' : 'waits'
  } catch (error) {
    // One that is full or refuses us is there at least, and may be at work.
    const unreachable = ['HF-S101', 'HF-T201'].includes(asFault(error).code)
    return unreachable ? 'unreachable' : 'works'
  }
}

async function rowsOf(
  client: pg.Client,
  sql: string,
  params: readonly (string | Buffer | null)[] | undefined,
): Promise<TextRow[]> {
  const result: unknown =
    params === undefined ? await client.query(sql) : await client.query(sql, [...params])
  const last: unknown = Array.isArray(result) ? result.at(-1) : result
  return (last as pg.QueryResult<Record<string, string | null>>).rows
}
