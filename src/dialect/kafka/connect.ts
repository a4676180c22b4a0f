import type { BaseOptions, SASLOptions } from '@platformatic/kafka'
import { type Endpoint, Secret } from '../../model/endpoint.ts'
import { Fault } from '../../model/fault.ts'
import { tlsOf } from './tls.ts'

const PORT = 9092
export const CONNECT_MS = 5_000
/** A broker that says nothing for this long is gone. */
export const SILENT_MS = 30_000

/** The brokers to ask first, as `host:port`. Throws Fault HF-C102. */
export function brokersOf({ host, port }: Endpoint): readonly string[] {
  return host.split(',').map((one) => {
    const named = /^(?:\[[^\]]+\]|[^:[\]]+)(?::(\d{1,5}))?$/.exec(one.trim())
    if (named === null) {
      throw new Fault('HF-C102', {
        what: `"${one}" among the brokers is not of the form host:port`,
      })
    }
    return named[1] === undefined ? `${one.trim()}:${port ?? PORT}` : one.trim()
  })
}

const mechanisms = {
  plain: 'PLAIN',
  'scram-sha-256': 'SCRAM-SHA-256',
  'scram-sha-512': 'SCRAM-SHA-512',
  oauthbearer: 'OAUTHBEARER',
} as const

/** How the user proves who it is: `sasl` of the URL, PLAIN when it does not say. */
function saslOf({ user, password, params }: Endpoint): SASLOptions | null {
  if (user === null && password === null) return null
  const name = (params['sasl'] ?? 'plain').toLowerCase()
  const mechanism = Object.entries(mechanisms).find(([known]) => known === name)?.[1]
  if (mechanism === undefined) {
    const known = Object.keys(mechanisms).join(', ')
    throw new Fault('HF-C103', { what: `the URL asks for sasl "${name}"; known are ${known}` })
  }
  const secret = (password ?? NO_PASSWORD).reveal()
  if (mechanism === 'OAUTHBEARER') return { mechanism, token: secret }
  return { mechanism, username: user ?? '', password: secret }
}

const NO_PASSWORD = new Secret('')

/** What every client of the cluster is made with. Throws Fault. */
export async function clientOptions(
  endpoint: Endpoint,
  use: { readonly mirror: string; readonly purpose: string },
): Promise<BaseOptions> {
  const [tls, sasl] = [await tlsOf(endpoint), saslOf(endpoint)]
  return {
    clientId: `holdfast:${use.mirror}:${use.purpose}`,
    bootstrapBrokers: [...brokersOf(endpoint)],
    connectTimeout: CONNECT_MS,
    requestTimeout: SILENT_MS,
    timeout: SILENT_MS,
    retries: 1,
    retryDelay: 250,
    autocreateTopics: false,
    ...(tls === null ? {} : { tls, tlsServerName: true }),
    ...(sasl === null ? {} : { sasl }),
  }
}
