import { inspect } from 'node:util'

/** A text that never prints itself: not in JSON, not in logs, not in an error. */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }
  /** The only way to the text; called where a driver needs it. */
  reveal(): string {
    return this.#text
  }
  toString(): string {
    return '***'
  }
  toJSON(): string {
    return '***'
  }
  [inspect.custom](): string {
    return '***'
  }
}

/** libpq's meaning of each. */
export type TlsMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'

/** Where a database is and how to enter it. `null` leaves it to the connector's default. */
export interface Endpoint {
  /** `postgres`, `mysql`, …: chooses the connector. */
  readonly scheme: string
  readonly host: string
  readonly port: number | null
  readonly database: string | null
  readonly user: string | null
  readonly password: Secret | null
  readonly tls: {
    readonly mode: TlsMode
    /** Paths of PEM files. */
    readonly ca: string | null
    readonly cert: string | null
    readonly key: string | null
  }
  /** The database whose log is found there, where that is another one and known. */
  readonly behind?: Endpoint
  /** Other parameters of the URL, for the connector to accept or refuse. */
  readonly params: Readonly<Record<string, string>>
}

/** `postgres://user@host:port/database`, without the password, for people. */
export function describeEndpoint(endpoint: Endpoint): string {
  const user = endpoint.user === null ? '' : `${endpoint.user}@`
  const isAddress = endpoint.host.includes(':') && !endpoint.host.includes(',')
  const host = isAddress ? `[${endpoint.host}]` : endpoint.host
  const port = endpoint.port === null ? '' : `:${endpoint.port}`
  return `${endpoint.scheme}://${user}${host}${port}/${endpoint.database ?? ''}`
}
