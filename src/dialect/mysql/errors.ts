import { Fault, type FaultCode, type Todo } from '../../model/fault.ts'
import { TlsConfigError } from './tls.ts'

export interface ErrorContext {
  readonly side: 'source' | 'target'
  /** What was being done, to go after "while": `reading the catalogue`. */
  readonly doing: string
  /** `host:port`, as people know the server. */
  readonly label: string
}

/** An error that the server sent. */
export interface ServerError {
  readonly errno: number
  readonly sqlState: string
  readonly message: string
}

const codes = {
  unreachable: { source: 'HF-S101', target: 'HF-T201' },
  auth: { source: 'HF-S102', target: 'HF-T204' },
  tls: { source: 'HF-S103', target: 'HF-T211' },
  database: { source: 'HF-S104', target: 'HF-T212' },
  connections: { source: 'HF-S105', target: 'HF-T213' },
  permission: { source: 'HF-S106', target: 'HF-T214' },
  refused: { source: 'HF-S107', target: 'HF-T216' },
  busy: { source: 'HF-S108', target: 'HF-T217' },
  disk: { source: 'HF-S108', target: 'HF-T203' },
  readOnly: { source: 'HF-S107', target: 'HF-T215' },
} as const satisfies Readonly<
  Record<string, { readonly source: FaultCode; readonly target: FaultCode }>
>

type Kind = keyof typeof codes

/** By error number (https://dev.mysql.com/doc/mysql-errors/en/server-error-reference.html). */
const byNumber: Readonly<Record<Kind, readonly number[]>> = {
  unreachable: [1053, 1077, 1079, 1152, 1153, 1158, 1159, 1160, 1161, 1184, 1927, 3168, 4031],
  auth: [1045, 1130, 1251, 1275, 1524, 1698, 1820, 1862, 1873, 3118, 3878, 3955],
  tls: [3159],
  database: [1044, 1049],
  connections: [1040, 1129, 1135, 1203, 1226],
  permission: [1142, 1143, 1227, 1370, 1403, 1410, 3530],
  refused: [],
  busy: [1028, 1037, 1038, 1041, 1205, 1206, 1213, 1317, 1637, 1969, 3024, 3058, 3101, 3572],
  disk: [1021, 1114],
  readOnly: [1290, 1792, 1836, 3989],
}

const kinds: ReadonlyMap<number, Kind> = new Map(
  Object.entries(byNumber).flatMap(([kind, numbers]) =>
    numbers.map((number): [number, Kind] => [number, kind as Kind]),
  ),
)

/** What the server's own system said when it could not write, within errors of many numbers. */
const fullDisk =
  /\bNo space left on device\b|\bDisk quota exceeded\b|\b(?:errno|Errcode|error):? 28\b/i

/** Numbers that are not known, by the class of their SQLSTATE: those of clusters and proxies. */
const byClass: Readonly<Record<string, Kind>> = { '08': 'unreachable', '40': 'busy' }

function kindOfServer({ errno, sqlState, message }: ServerError): Kind {
  const known = kinds.get(errno)
  if (known !== undefined) return known
  if (!valuesInMessage.has(sqlState.slice(0, 2)) && fullDisk.test(message)) return 'disk'
  // A proxy that has no such command has its class in common with a cluster that is not ready.
  if (/^Unknown command/i.test(message)) return 'refused'
  return byClass[sqlState.slice(0, 2)] ?? 'refused'
}

/** Where the catalogue's words are about another server: what these servers are asked and told. */
const advice: Partial<Record<Kind, { readonly why: string; readonly todo: Todo }>> = {
  auth: {
    why: 'The user or password is wrong, or the server has no such account for the host that we come from.',
    todo: {
      text: 'Correct the user or password, or make the account for this host; its name is user@host.',
    },
  },
  connections: {
    why: 'All connections of the server or the account are in use, or the host was blocked after failures.',
    todo: {
      text: 'See who holds them; raise max_connections or the limit of the account if they are needed.',
      sql: 'SELECT user, host, command, count(*) FROM information_schema.processlist GROUP BY 1, 2, 3 ORDER BY 4 DESC',
    },
  },
  readOnly: {
    why: 'read_only or super_read_only is on, as it is on a replica.',
    todo: {
      text: 'See whether it is a replica.',
      sql: 'SELECT @@hostname, @@read_only',
    },
  },
}

/** Classes of SQLSTATE whose messages quote the value that they complain about. */
const valuesInMessage = new Set(['22', '23', '45'])

const tlsCode =
  /^(HANDSHAKE_(NO_)?SSL|ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO_|HOSTNAME_|EPROTO|INVALID_CA|PATH_LENGTH|CRL_)/

/** The error as the server sent it; null when it does not come from a server. */
export function serverError(error: unknown): ServerError | null {
  if (!(error instanceof Error) || !('errno' in error) || !('sqlState' in error)) return null
  const { errno, sqlState } = error
  if (typeof errno !== 'number' || typeof sqlState !== 'string') return null
  return { errno, sqlState, message: error.message }
}

/** Whatever a driver, a socket or a server throws, as a Fault; a Fault stays what it is. */
export function faultOf(error: unknown, context: ErrorContext): Fault {
  if (error instanceof Fault) return error
  const { side, doing, label } = context
  const sent = serverError(error)
  const kind = sent === null ? kindOfDriver(error) : kindOfServer(sent)
  const words = wordsOf(error, sent)
  const who = `the ${side} at ${label}`
  return new Fault(codes[kind][side], {
    what: `${who} failed while ${doing}${words === '' ? '' : `: ${words}`}`,
    side,
    cause: error,
    ...advised(kind, side),
    ...(sent === null
      ? {}
      : { evidence: { errno: String(sent.errno), sqlstate: sent.sqlState, server: words } }),
  })
}

function advised(kind: Kind, side: 'source' | 'target'): { why?: string; todo?: readonly Todo[] } {
  const known = advice[kind]
  if (known === undefined) return {}
  return { why: known.why, todo: [{ ...known.todo, at: side }] }
}

function wordsOf(error: unknown, sent: ServerError | null): string {
  if (sent !== null) {
    const { errno, sqlState, message } = sent
    return valuesInMessage.has(sqlState.slice(0, 2)) ? `error ${errno}` : message
  }
  return error instanceof Error ? error.message : String(error)
}

function kindOfDriver(error: unknown): Kind {
  return isOfTls(error) && !isCutOff(error) ? 'tls' : 'unreachable'
}

/** It came while TLS was agreed on, or keeps it from being. */
export function isOfTls(error: unknown): boolean {
  if (error instanceof TlsConfigError) return true
  return tlsCode.test(error instanceof Error && 'code' in error ? String(error.code) : '')
}

/** The driver calls whatever ends a handshake an error of TLS, a server that went away too. */
function isCutOff(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return /ECONNRESET|EPIPE|ETIMEDOUT|socket disconnected before/.test(error.message)
}
