import { type Db, MongoClient, type MongoClientOptions } from 'mongodb'
import { type Endpoint, Secret } from '../../model/endpoint.ts'
import { Fault } from '../../model/fault.ts'
import { faultOf } from './errors.ts'
import type { JsonForm } from './values.ts'

export interface ConnectOptions {
  readonly mirror: string
  /** What the connections are for; shown by the server as the application's name. */
  readonly purpose: string
}

/** A pool of connections to one database. */
export interface Connection extends AsyncDisposable {
  readonly client: MongoClient
  readonly db: Db
  /** `host:port`, or the hosts of a replica set. */
  readonly label: string
  /** As the server prints it. */
  readonly version: string
  /** It is a replica set or a cluster of them: several documents can be written as one. */
  readonly transactions: boolean
}

const CONNECT_MS = 5000
/** A server that says nothing for this long is gone; single commands are bounded well below it. */
const SILENT_MS = 60_000
const DEFAULT_PORT = 27017

export function endpointLabel({ host, port }: Endpoint): string {
  if (host.includes(',')) return host
  const name = host.includes(':') ? `[${host}]` : host
  return `${name}:${port ?? DEFAULT_PORT}`
}

/** Connects within 5 s. Throws Fault. */
export async function connect(endpoint: Endpoint, options: ConnectOptions): Promise<Connection> {
  const label = endpointLabel(endpoint)
  if (endpoint.database === null) {
    throw new Fault('HF-T212', {
      what: `the URL of the target at ${label} names no database: put /name behind the port`,
      side: 'target',
    })
  }
  let client: MongoClient | null = null
  try {
    client = new MongoClient(addressOf(endpoint), clientOptions(endpoint, options))
    await client.connect()
    const db = client.db(endpoint.database)
    const hello = await db.command({ hello: 1 })
    const build = await db.command({ buildInfo: 1 })
    const opened = client
    return {
      client,
      db,
      label,
      version: String(build['version'] ?? 'unknown'),
      // https://www.mongodb.com/docs/manual/reference/command/hello/: members of a replica set
      // have a setName, routers of a cluster say isdbgrid.
      transactions: typeof hello['setName'] === 'string' || hello['msg'] === 'isdbgrid',
      [Symbol.asyncDispose]: () => opened.close(),
    }
  } catch (error) {
    await client?.close()
    throw faultOf(error, { doing: 'connecting', label })
  }
}

/** The URL of the driver, without user and password. */
function addressOf(endpoint: Endpoint): string {
  return `mongodb://${endpointLabel(endpoint)}/`
}

const JSON_FORMS = ['text', 'document'] as const

/** What the URL's parameter `json` says; null when it is not there. Throws Fault HF-C103. */
export function jsonForm({ params }: Endpoint): JsonForm | null {
  const asked = params['json']
  if (asked === undefined) return null
  const known = JSON_FORMS.find((form) => form === asked)
  if (known !== undefined) return known
  throw new Fault('HF-C103', {
    what: `the target's URL asks for json=${asked}; known are ${JSON_FORMS.join(', ')}`,
  })
}

function clientOptions(endpoint: Endpoint, options: ConnectOptions): MongoClientOptions {
  const { user, password, params } = endpoint
  const { replicaSet, directConnection, authMechanism } = params
  const auth = user === null ? {} : { username: user, password: (password ?? NO_PASSWORD).reveal() }
  return {
    ...(user === null ? {} : { auth, authSource: params['authSource'] ?? 'admin' }),
    ...(authMechanism === undefined ? {} : { authMechanism: mechanism(authMechanism) }),
    ...(replicaSet === undefined ? {} : { replicaSet }),
    ...(directConnection === undefined ? {} : { directConnection: directConnection === 'true' }),
    ...tlsOptions(endpoint),
    appName: `holdfast:${options.mirror}:${options.purpose}`,
    serverSelectionTimeoutMS: CONNECT_MS,
    connectTimeoutMS: CONNECT_MS,
    socketTimeoutMS: SILENT_MS,
    maxPoolSize: 20,
    // What a majority has on disk stays (promise 1); what is read was never taken back.
    writeConcern: { w: 'majority', journal: true },
    readConcern: { level: 'majority' },
    readPreference: 'primary',
    ignoreUndefined: false,
  }
}

const NO_PASSWORD = new Secret('')

const mechanisms = ['SCRAM-SHA-1', 'SCRAM-SHA-256', 'MONGODB-X509', 'PLAIN'] as const

function mechanism(name: string): (typeof mechanisms)[number] {
  const known = mechanisms.find((one) => one === name)
  if (known !== undefined) return known
  throw new Fault('HF-C103', {
    what: `the target's URL asks for the authMechanism "${name}"; known are ${mechanisms.join(', ')}`,
  })
}

/**
 * The five modes of libpq. `prefer`, which is what nobody chose, is what the drivers of MongoDB do
 * by themselves: TLS when the URL says tls=true, else none.
 */
function tlsOptions({ tls, params }: Endpoint): MongoClientOptions {
  const asked = params['tls'] ?? params['ssl']
  if (tls.mode === 'disable' || (tls.mode === 'prefer' && asked !== 'true')) return { tls: false }
  const files = {
    ...(tls.ca === null ? {} : { tlsCAFile: tls.ca }),
    ...(tls.key === null ? {} : { tlsCertificateKeyFile: tls.key }),
  }
  if (tls.mode === 'require' && tls.ca === null) {
    return { tls: true, tlsAllowInvalidCertificates: true, ...files }
  }
  const anyName = tls.mode === 'verify-ca' || tls.mode === 'require'
  return { tls: true, ...(anyName ? { tlsAllowInvalidHostnames: true } : {}), ...files }
}
