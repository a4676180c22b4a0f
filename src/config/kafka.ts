import { z } from 'zod'
import { type Endpoint, Secret } from '../model/endpoint.ts'
import type { Owned } from './settings.ts'
import { DURATION, milliseconds, WANTED_DURATION } from './units.ts'
import { parseUrl } from './url.ts'

const text = z.string().min(1)
const address = text.nullable().default(null)
const names = z.array(text).default([])

/** What a source that is read out of topics has beside what every source has. */
export const kafkaSchema = z.strictObject({
  brokers: names.describe('Brokers as host:port, in the place of url or host and port.'),
  topics: names.describe('Patterns of topics with *, in the place of tables.include.'),
  format: z
    .enum(['debezium-json', 'debezium-avro'])
    .nullable()
    .default(null)
    .describe(
      'What records are written in; null tells by each record. debezium-avro needs registry.',
    ),
  registry: address.describe('A registry of schemas that speaks Confluent’s interface.'),
  sasl: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'])
    .nullable()
    .default(null)
    .describe(
      'How user and password prove who it is; null takes sasl of the URL, else plain. The ' +
        'password of oauthbearer is the token.',
    ),
  connect_url: address.describe(
    'A worker of Kafka Connect as http://user:password@host:8083: its connectors start and stop ' +
      'with the mirror.',
  ),
  connectors: names.describe('Names of the connectors there that fill the topics.'),
  connect_attempts: z
    .int()
    .min(0)
    .max(100)
    .nullable()
    .default(null)
    .describe(
      'How often in a row a connector of the mirror that has failed is started again, with waits ' +
        'that double from 2 s to a minute, before the mirror halts; null is 5.',
    ),
  transaction_wait: z
    .string()
    .regex(DURATION, WANTED_DURATION)
    .nullable()
    .default(null)
    .describe(
      'How long rows wait for the rest of their transaction where a topic tells of transactions; ' +
        'null is 30s.',
    ),
  source_url: address.describe(
    'The database behind the connectors: holdfast verify compares it with the target, and tables ' +
      'of records without a schema are taken from it.',
  ),
  modes: names.describe(
    'How the connectors write values into records without a schema, as their settings say: ' +
      'decimal.handling.mode=…, time.precision.mode=…, binary.handling.mode=….',
  ),
})

/** Settings of a connector that say how it writes values. */
const MODES = ['decimal.handling.mode', 'time.precision.mode', 'binary.handling.mode']

export type KafkaConfig = z.infer<typeof kafkaSchema>

/** The URL of the brokers; null where none are named. */
export function brokersUrl({ brokers }: KafkaConfig): string | null {
  return brokers.length === 0 ? null : `kafka://${brokers.join(',')}`
}

/** The endpoint with what the keys say, which are over its URL. */
export function withKafka(
  base: Endpoint,
  { registry, sasl, transaction_wait: wait, source_url: behind, modes }: KafkaConfig,
): Endpoint {
  const millis = wait === null ? null : milliseconds(wait)
  const params = {
    ...base.params,
    ...(registry === null ? {} : { registry }),
    ...(sasl === null ? {} : { sasl }),
    // A connector knows no units.
    ...(millis === null ? {} : { transaction_wait: String(millis) }),
    ...Object.fromEntries(modes.map(modeOf)),
  }
  if (behind === null) return { ...base, params }
  return { ...base, params, behind: parseUrl(behind, 'source.kafka.source_url') }
}

function modeOf(mode: string): readonly [name: string, value: string] {
  const [name = '', value = ''] = mode.split('=').map((part) => part.trim())
  return [name, value]
}

export function ownedOf(config: KafkaConfig): Owned | null {
  const { connect_url: worker, connectors, connect_attempts: attempts } = config
  return worker === null ? null : { worker: new Secret(worker), connectors, attempts }
}

/** The database behind the connectors; `origin` is where its URL stands. */
export function databaseOf({ source_url: url }: KafkaConfig, origin: string): Endpoint | null {
  return url === null ? null : parseUrl(url, origin)
}

/** What cannot hold at once: the key, and what is wrong with it. */
export function contradictionsIn(
  config: KafkaConfig,
  { scheme, params }: Pick<Endpoint, 'scheme' | 'params'>,
  include: readonly string[],
): readonly { readonly key: keyof KafkaConfig; readonly what: string }[] {
  const given = Object.keys(kafkaSchema.shape).find((name) => isGiven(config, name))
  if (scheme !== 'kafka') {
    if (given === undefined) return []
    const key = given as keyof KafkaConfig
    return [{ key, what: `kafka.${given} is given, and the source is not Kafka` }]
  }
  const wrong: (readonly [keyof KafkaConfig, string, boolean])[] = [
    [
      'topics',
      'kafka.topics and tables.include are both given',
      include.length > 0 && isGiven(config, 'topics'),
    ],
    [
      'format',
      'debezium-avro needs kafka.registry',
      config.format === 'debezium-avro' && params['registry'] === undefined,
    ],
    [
      'format',
      'debezium-json has no use for a registry',
      config.format === 'debezium-json' && params['registry'] !== undefined,
    ],
    [
      'modes',
      `kafka.modes takes SETTING=VALUE, with ${MODES.join(', ')}`,
      config.modes.some((mode) => !MODES.includes(modeOf(mode)[0])),
    ],
    [
      'connectors',
      'kafka.connectors needs kafka.connect_url',
      config.connect_url === null && isGiven(config, 'connectors'),
    ],
    [
      'connect_attempts',
      'kafka.connect_attempts needs kafka.connect_url',
      config.connect_url === null && isGiven(config, 'connect_attempts'),
    ],
    [
      'connect_url',
      'kafka.connect_url needs kafka.connectors',
      config.connect_url !== null && !isGiven(config, 'connectors'),
    ],
    [
      'connect_url',
      'kafka.connect_url is not http://host:port or https://host:port',
      config.connect_url !== null && !/^https?:\/\/[^/]/.test(config.connect_url),
    ],
  ]
  return wrong.flatMap(([key, what, holds]) => (holds ? [{ key, what }] : []))
}

function isGiven(config: KafkaConfig, name: string): boolean {
  const value = Object.entries(config).find(([key]) => key === name)?.[1] ?? null
  return Array.isArray(value) ? value.length > 0 : value !== null
}
