import { Fault, type FaultCode } from '../../model/fault.ts'
import { BindingError, TlsConfigError } from './tls.ts'

export interface ErrorContext {
  readonly side: 'source' | 'target'
  /** What was being done, to go after "while": `reading the catalogue`. */
  readonly doing: string
  /** `host:port`, as people know the server. */
  readonly label: string
}

/** The fields of an ErrorResponse or NoticeResponse that we look at. */
export interface ServerError {
  readonly code: string
  readonly message: string
  readonly severity?: string | undefined
  readonly hint?: string | undefined
  readonly schema?: string | undefined
  readonly table?: string | undefined
  readonly column?: string | undefined
  readonly constraint?: string | undefined
  /** Where in the statement's text, when it is about that. */
  readonly position?: string | undefined
  /** The server's CONTEXT; holds values of rows. */
  readonly where?: string | undefined
  /** The function of the server that raised it, which no language of messages changes. */
  readonly routine?: string | undefined
}

type Kind =
  | 'unreachable'
  | 'auth'
  | 'tls'
  | 'database'
  | 'connections'
  | 'permission'
  | 'refused'
  | 'busy'
  | 'locks'
  | 'disk'
  | 'readOnly'

const codes: Readonly<Record<Kind, { readonly source: FaultCode; readonly target: FaultCode }>> = {
  unreachable: { source: 'HF-S101', target: 'HF-T201' },
  auth: { source: 'HF-S102', target: 'HF-T204' },
  tls: { source: 'HF-S103', target: 'HF-T211' },
  database: { source: 'HF-S104', target: 'HF-T212' },
  connections: { source: 'HF-S105', target: 'HF-T213' },
  permission: { source: 'HF-S106', target: 'HF-T214' },
  refused: { source: 'HF-S107', target: 'HF-T216' },
  busy: { source: 'HF-S108', target: 'HF-T217' },
  locks: { source: 'HF-S109', target: 'HF-T206' },
  disk: { source: 'HF-S108', target: 'HF-T203' },
  readOnly: { source: 'HF-S107', target: 'HF-T215' },
}

/** By SQLSTATE (PostgreSQL documentation, appendix A), the class of two digits as the fallback. */
const bySqlstate: Readonly<Record<string, Kind>> = {
  '08': 'unreachable',
  '28': 'auth',
  '3D000': 'database',
  '53300': 'connections',
  '53100': 'disk',
  '53': 'busy',
  '42501': 'permission',
  '25006': 'readOnly',
  '40': 'busy',
  '55P03': 'busy',
  '55006': 'busy',
  '57014': 'busy',
  '57': 'unreachable',
  '57P04': 'database',
  '25P03': 'unreachable',
  '25P04': 'busy',
}

/** Classes whose messages quote the value that they complain about, or hold anybody's words. */
const valuesInMessage = new Set(['22', 'P0', '38', '39'])

const tlsCode =
  /^(ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO_|HOSTNAME_|EPROTO|INVALID_CA|PATH_LENGTH|CRL_)/

/** The error as the server sent it; null when it does not come from a server. */
export function serverError(error: unknown): ServerError | null {
  if (typeof error !== 'object' || error === null) return null
  if (!('severity' in error) || !('code' in error) || typeof error.code !== 'string') return null
  if (!/^[0-9A-Z]{5}$/.test(error.code)) return null
  return error as ServerError
}

/** What the server said, without anything that could be a value of a row. */
export function serverWords(error: ServerError): string {
  if (!valuesInMessage.has(error.code.slice(0, 2))) return error.message
  return `an error of SQLSTATE ${error.code}`
}

/** The SQLSTATE that a fault came with; null when no server spoke. */
export function sqlstateOf(fault: unknown): string | null {
  return fault instanceof Fault ? (fault.detail.evidence?.['sqlstate'] ?? null) : null
}

/** Any failure of a connection or statement as a Fault; a Fault stays what it is. */
export function faultOf(error: unknown, context: ErrorContext): Fault {
  if (error instanceof Fault) return error
  const server = serverError(error)
  return server === null ? ofConnection(error, context) : ofServer(server, context)
}

/** Only the hint tells a full lock table (lock.c) from memory that is short for a while. */
function kindOfServer({ code, hint }: ServerError): Kind {
  if (code === '53200' && hint?.includes('max_locks_per_transaction') === true) return 'locks'
  return bySqlstate[code] ?? bySqlstate[code.slice(0, 2)] ?? 'refused'
}

function ofServer(error: ServerError, context: ErrorContext): Fault {
  const kind = kindOfServer(error)
  const words = serverWords(error)
  const evidence: Record<string, string> = { sqlstate: error.code, server: words }
  for (const name of ['schema', 'table', 'column', 'constraint'] as const) {
    const value = error[name]
    if (value !== undefined) evidence[name] = value
  }
  return new Fault(codes[kind][context.side], {
    what: `the ${context.side} at ${context.label} answered ${quote(words)} while ${context.doing}`,
    side: context.side,
    evidence,
  })
}

function ofConnection(thrown: unknown, context: ErrorContext): Fault {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  const code = codeOf(error)
  const kind = kindOf(error, code)
  if (kind === null) {
    return new Fault('HF-X001', { what: `${error.message}, while ${context.doing}`, cause: error })
  }
  const words = wordsFor(error, code)
  return new Fault(codes[kind][context.side], {
    what: `the ${context.side} at ${context.label} ${words} while ${context.doing}`,
    side: context.side,
    evidence: { ...(code === '' ? {} : { code }), driver: error.message },
  })
}

/** Node tries several addresses and gathers their errors into one without a message. */
function codeOf(error: Error): string {
  if ('code' in error && typeof error.code === 'string') return error.code
  if (error instanceof AggregateError) {
    const first: unknown = error.errors[0]
    if (first instanceof Error) return codeOf(first)
  }
  return ''
}

function kindOf(error: Error, code: string): Kind | null {
  if (error instanceof TlsConfigError || tlsCode.test(code)) return 'tls'
  if (/SSL/.test(error.message)) return 'tls'
  if (error instanceof MissingPassword || /SASL|password|SCRAM/i.test(error.message)) return 'auth'
  if (/^E[A-Z_]+$/.test(code)) return 'unreachable'
  if (/timeout expired|terminated|closed|not queryable/i.test(error.message)) return 'unreachable'
  return null
}

const sentences: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections (ECONNREFUSED)',
  ENOTFOUND: 'has a host name that is not known (ENOTFOUND)',
  EAI_AGAIN: 'has a host name that cannot be looked up now (EAI_AGAIN)',
  ETIMEDOUT: 'does not answer (ETIMEDOUT)',
  EHOSTUNREACH: 'is on a host that cannot be reached (EHOSTUNREACH)',
  ENETUNREACH: 'is on a network that cannot be reached (ENETUNREACH)',
  ECONNRESET: 'broke the connection (ECONNRESET)',
  EPIPE: 'broke the connection (EPIPE)',
  ERR_TLS_CERT_ALTNAME_INVALID: 'has a certificate made for another host name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'has a self-signed certificate that no given authority proves',
  SELF_SIGNED_CERT_IN_CHAIN: 'has a certificate of an authority that is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'has a certificate of an authority that is not trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'has a certificate of an authority that is not trusted',
  CERT_HAS_EXPIRED: 'has a certificate that has expired',
}

function wordsFor(error: Error, code: string): string {
  if (error instanceof BindingError) {
    return 'does not prove itself by channel binding, which the URL requires,'
  }
  if (error instanceof TlsConfigError) return `cannot be asked for TLS (${error.message})`
  if (error instanceof MissingPassword) return 'asks for a password and none is given'
  if (/timeout expired/.test(error.message)) return 'does not answer within 5 s'
  if (/does not support SSL/.test(error.message)) return 'does not offer TLS'
  if (/terminated/.test(error.message)) return 'ended the connection'
  return sentences[code] ?? `failed (${code === '' ? error.message : code})`
}

/** The server wants a password and the endpoint has none. */
export class MissingPassword extends Error {
  override readonly name = 'MissingPassword'
}

function quote(words: string): string {
  return `“${words}”`
}
