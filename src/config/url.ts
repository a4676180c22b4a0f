import { type Endpoint, Secret, type TlsMode } from '../model/endpoint.ts'
import { Fault } from '../model/fault.ts'
import { suggest } from './suggest.ts'

export const TLS_MODES: readonly TlsMode[] = [
  'disable',
  'prefer',
  'require',
  'verify-ca',
  'verify-full',
]

/** Parameters of a URL that have a meaning of their own in an Endpoint. */
const OWN = ['host', 'port', 'user', 'password', 'dbname']
const TLS = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey']
/** Parameters that are left to the connector. */
const PASSED = ['channel_binding']
/** Further ones of a scheme. */
const PASSED_BY_SCHEME: Readonly<Record<string, readonly string[]>> = {
  kafka: [
    'sasl',
    'registry',
    'decimal.handling.mode',
    'time.precision.mode',
    'binary.handling.mode',
  ],
  mongodb: ['authSource', 'authMechanism', 'replicaSet', 'directConnection', 'tls', 'ssl', 'json'],
}
/** Schemes whose URLs may name several hosts of one database. */
const MANY_HOSTS = ['kafka', 'mongodb']
/** Parameters by which other programs tune their own connections; they change nothing here. */
const FOREIGN = [
  'appName',
  'application_name',
  'connect_timeout',
  'connection_limit',
  'keepalives',
  'keepalives_count',
  'keepalives_idle',
  'keepalives_interval',
  'maxPoolSize',
  'pgbouncer',
  'pool_size',
  'pool_timeout',
  'prepare_threshold',
  'readPreference',
  'retryReads',
  'retryWrites',
  'schema',
  'socket_timeout',
  'statement_cache_size',
  'uselibpqcompat',
  'w',
]

/** Other names of a scheme. */
const SCHEMES: Readonly<Record<string, string>> = { postgresql: 'postgres', mariadb: 'mysql' }

interface Pieces {
  readonly scheme: string
  readonly user: string | null
  readonly password: string | null
  readonly host: string
  readonly port: string | null
  readonly database: string | null
  readonly query: readonly (readonly [string, string])[]
}

/**
 * A URL as an Endpoint. `origin` says where the URL stands, and is all that an error names: the
 * URL itself may hold a password.
 */
export function parseUrl(text: string, origin: string): Endpoint {
  const pieces = cut(text.trim(), origin)
  const params = new Map<string, string>()
  for (const [key, value] of pieces.query) {
    checkParam(key, pieces.scheme, origin)
    if (!FOREIGN.includes(key)) params.set(key, value)
  }
  const own = (key: string): string | null => {
    const value = params.get(key)
    params.delete(key)
    return value === undefined || value === '' ? null : value
  }
  const host = own('host') ?? pieces.host
  const port = own('port') ?? pieces.port
  const password = own('password') ?? pieces.password
  const endpoint = {
    scheme: SCHEMES[pieces.scheme] ?? pieces.scheme,
    host: host === '' ? 'localhost' : host,
    port: port === null ? null : portOf(port, origin),
    user: own('user') ?? pieces.user,
    database: own('dbname') ?? pieces.database,
    password: password === null ? null : new Secret(password),
    tls: {
      mode: tlsMode(own('sslmode') ?? 'prefer', `${origin}, parameter sslmode`),
      ca: own('sslrootcert'),
      cert: own('sslcert'),
      key: own('sslkey'),
    },
  }
  return { ...endpoint, params: Object.fromEntries(params) }
}

/** A TLS mode by its name in libpq. */
export function tlsMode(text: string, origin: string): TlsMode {
  const mode = TLS_MODES.find((known) => known === text)
  if (mode !== undefined) return mode
  const near = text === 'allow' ? 'prefer' : text === 'no-verify' ? 'require' : null
  const meant = near ?? suggest(text, TLS_MODES)
  throw new Fault('HF-C004', {
    what: `${origin}: "${text}" is not a TLS mode; known are ${TLS_MODES.join(', ')}`,
    todo: [{ text: meant === null ? 'Use one of the five modes.' : `Did you mean ${meant}?` }],
  })
}

function cut(text: string, origin: string): Pieces {
  if (/^mongodb\+srv:/i.test(text)) throw unresolved(origin)
  const whole = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?(#.*)?$/is.exec(
    text,
  )
  if (whole === null) {
    throw malformed(origin, 'it does not look like scheme://user:password@host:port/database')
  }
  const [, scheme = '', authority = '', path = '', query = '', rest] = whole
  if (!authority.includes('@') && text.slice(scheme.length + 3).includes('@')) {
    throw malformed(origin, 'the part before @ holds a character of URLs (/ ? or #)')
  }
  if (rest !== undefined) throw malformed(origin, 'it holds a #')
  if (path.includes('/')) throw malformed(origin, 'there is a second / after the host')
  const at = authority.lastIndexOf('@')
  const place = placeOf(authority.slice(at + 1), scheme.toLowerCase(), origin)
  const decode = (part: string): string => decoded(part, origin)
  const entry = at < 0 ? null : authority.slice(0, at)
  const colon = entry?.indexOf(':') ?? -1
  const user = entry === null ? '' : decode(colon < 0 ? entry : entry.slice(0, colon))
  return {
    scheme: scheme.toLowerCase(),
    user: user === '' ? null : user,
    password: entry === null || colon < 0 ? null : decode(entry.slice(colon + 1)),
    host: decode(place.host),
    port: place.port,
    database: path === '' ? null : decode(path),
    query: queryOf(query, decode),
  }
}

function placeOf(
  text: string,
  scheme: string,
  origin: string,
): { host: string; port: string | null } {
  if (text.includes(',') && MANY_HOSTS.includes(scheme)) return { host: text, port: null }
  if (text.includes(',')) throw malformed(origin, 'it names several hosts; a mirror has one')
  const place = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(text)
  if (place === null) throw malformed(origin, 'an IPv6 address stands in [brackets]')
  const port = place[3] ?? ''
  return { host: place[1] ?? place[2] ?? '', port: port === '' ? null : port }
}

function queryOf(query: string, decode: (part: string) => string): [string, string][] {
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=')
      if (equals < 0) return [decode(pair), '']
      return [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))]
    })
}

function checkParam(key: string, scheme: string, origin: string): void {
  const passed = [...PASSED, ...(PASSED_BY_SCHEME[scheme] ?? [])]
  const known = [...OWN, ...TLS, ...passed, ...FOREIGN]
  if (known.includes(key)) return
  const near = suggest(key, [...TLS, ...OWN, ...passed])
  throw new Fault('HF-C103', {
    what: `${origin}: the URL's parameter "${key}" has no meaning here`,
    todo: [
      { text: near === null ? `Remove ${key} from the URL.` : `Did you mean ${near}?` },
      { text: `Known are ${[...TLS, ...OWN, ...passed].join(', ')}.` },
    ],
  })
}

function portOf(text: string, origin: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port >= 1 && port <= 65535) return port
  throw malformed(origin, 'its port is not a number from 1 to 65535')
}

function decoded(part: string, origin: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw malformed(origin, 'a % in it is not followed by two hexadecimal digits')
  }
}

function unresolved(origin: string): Fault {
  return new Fault('HF-C101', {
    what: `${origin}: mongodb+srv:// has its hosts looked up in the DNS, which is not done here`,
    todo: [
      {
        text: 'Write the hosts out as mongodb://host1,host2,host3/database?replicaSet=NAME&tls=true; the DNS has them, and the options, under the name of the URL.',
        run: 'dig +short SRV _mongodb._tcp.NAME && dig +short TXT NAME',
      },
    ],
  })
}

function malformed(origin: string, why: string): Fault {
  return new Fault('HF-C102', { what: `the URL of ${origin} cannot be read: ${why}` })
}
