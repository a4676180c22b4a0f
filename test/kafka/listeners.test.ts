import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import { monotonic, wallMicros } from '../../src/async/clock.ts'
import { parseUrl } from '../../src/config/url.ts'
import { Cluster } from '../../src/dialect/kafka/cluster.ts'
import { Fetcher } from '../../src/dialect/kafka/fetcher.ts'
import { Fault } from '../../src/model/fault.ts'
import { mirror } from '../../testkit/mirror.ts'
import { database, type KafkaServer, kafka, kafkaUser } from '../../testkit/servers/index.ts'
import { type Certificate, type Certificates, certificates } from '../../testkit/tls.ts'
import { TestTopics } from '../../testkit/topics.ts'
import { Envelopes } from '../integration/source/kafka/envelopes.ts'

const { name, password } = kafkaUser
const module = 'org.apache.kafka.common.security'
const mechanisms = 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512'

/** Who may enter a listener that asks; the brokers know users of SCRAM by themselves. */
const logins = {
  'sasl.enabled.mechanisms': mechanisms,
  'plain.sasl.jaas.config': `${module}.plain.PlainLoginModule required user_${name}="${password}";`,
  'scram-sha-256.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
  'scram-sha-512.sasl.jaas.config': `${module}.scram.ScramLoginModule required;`,
}

/** Milliseconds after which the broker wants to be told again who asks. */
const LASTING = 1500
const shortLogins = { ...logins, 'scram-sha-512.connections.max.reauth.ms': String(LASTING) }

const tokens = {
  'sasl.enabled.mechanisms': 'OAUTHBEARER',
  'oauthbearer.sasl.jaas.config': `${module}.oauthbearer.OAuthBearerLoginModule required;`,
}

/** Certificates as a file of properties holds them. */
async function keystore({ certificate, key }: Certificate): Promise<Record<string, string>> {
  const inline = async (path: string): Promise<string> =>
    (await readFile(path, 'utf8')).trim().replaceAll('\n', '\\n')
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.key': await inline(key),
    'ssl.keystore.certificate.chain': await inline(certificate),
  }
}

/** A token without a signature, which brokers take that are told of no authority. */
function token(lasting: number): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Number(wallMicros() / 1_000_000n)
  const claims = { sub: name, iat: now - 10, exp: now + lasting }
  return `${part({ alg: 'none' })}.${part(claims)}.`
}

suite('listeners that ask who is there, and those that encrypt', () => {
  let broker: KafkaServer
  let files: Certificates

  before(async () => {
    files = await certificates()
    const ssl = await keystore(files.server.right)
    broker = await kafka({
      listeners: {
        LOGIN: { protocol: 'SASL_PLAINTEXT', settings: logins },
        SHORT: { protocol: 'SASL_PLAINTEXT', settings: shortLogins },
        TOKEN: { protocol: 'SASL_PLAINTEXT', settings: tokens },
        TLS: { protocol: 'SSL', settings: ssl },
        OTHER: { protocol: 'SSL', settings: await keystore(files.server['wrong-host']) },
        BOTH: { protocol: 'SASL_SSL', settings: { ...ssl, ...logins } },
      },
    })
  })
  after(async () => {
    await broker[Symbol.asyncDispose]()
    await files[Symbol.asyncDispose]()
  })

  const user = `${name}:${password}@`
  const tls = (mode: string, authority = files.authority): string =>
    `sslmode=${mode}&sslrootcert=${encodeURIComponent(authority)}`

  /** URLs that enter, by what is tried. */
  const right: Readonly<Record<string, () => string>> = {
    'SASL PLAIN': () => `kafka://${user}${broker.at('LOGIN')}`,
    'SASL SCRAM-SHA-256': () => `kafka://${user}${broker.at('LOGIN')}?sasl=scram-sha-256`,
    'SASL SCRAM-SHA-512': () => `kafka://${user}${broker.at('LOGIN')}?sasl=scram-sha-512`,
    'SASL OAUTHBEARER': () => `kafka://:${token(600)}@${broker.at('TOKEN')}?sasl=oauthbearer`,
    'TLS to the authority and the host': () => `kafka://${broker.at('TLS')}?${tls('verify-full')}`,
    'TLS to the authority alone': () => `kafka://${broker.at('OTHER')}?${tls('verify-ca')}`,
    'TLS to anybody': () => `kafka://${broker.at('OTHER')}?sslmode=require`,
    'SCRAM over TLS': () =>
      `kafka://${user}${broker.at('BOTH')}?sasl=scram-sha-512&${tls('verify-full')}`,
  }

  for (const [what, url] of Object.entries(right)) {
    test(`${what}: topics are mirrored`, async (t) => {
      const topics = TestTopics.at(t, broker)
      await topics.make('public.t', { partitions: 2 })
      const log = new Envelopes(topics.prefix)
      await topics.put('public.t', log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
      const target = await database(t, 17)
      const include = [`${topics.prefix}.*`]
      const made = mirror(t, { source: url(), target: target.url, selection: { include } })
      await made.catchUp()
      assert.equal((await target.query('select id from public.t')).length, 2)
    })
  }

  test('a listener that wants to be told again who asks is told', async (t) => {
    const topics = TestTopics.at(t, broker)
    const topic = await topics.make('told')
    await topics.put('told', [{ key: 'k', value: 'v' }])
    const endpoint = parseUrl(`kafka://${user}${broker.at('SHORT')}?sasl=scram-sha-512`, 'the test')
    await using cluster = await Cluster.open(endpoint, { mirror: 'm', purpose: 'test' })
    await using fetcher = await Fetcher.open(endpoint, { cluster, mirror: 'm' })
    const [known] = await cluster.describe([topic])
    assert.ok(known)
    const limits = { wait: 200, bytes: 1 << 20, partitionBytes: 1 << 20 }
    const place = { topic, id: known.id, partition: 0 }
    for (const began = monotonic(); monotonic() - began < 3 * LASTING; ) {
      await fetcher.fetch([{ ...place, offset: 1n }], limits)
    }
    const [portion] = await fetcher.fetch([{ ...place, offset: 0n }], limits)
    assert.equal(portion?.messages[0]?.value?.toString(), 'v')
  })

  /** URLs that do not, with the fault that says so; none of them is tried a second time. */
  const wrong: Readonly<Record<string, readonly [() => string, string]>> = {
    'a wrong password of PLAIN': [() => `kafka://${name}:no@${broker.at('LOGIN')}`, 'HF-S102'],
    'a wrong password of SCRAM': [
      () => `kafka://${name}:no@${broker.at('LOGIN')}?sasl=scram-sha-256`,
      'HF-S102',
    ],
    'a user whom nobody knows': [
      () => `kafka://who:no@${broker.at('LOGIN')}?sasl=scram-sha-512`,
      'HF-S102',
    ],
    'a token whose time is over': [
      () => `kafka://:${token(-5)}@${broker.at('TOKEN')}?sasl=oauthbearer`,
      'HF-S102',
    ],
    'a way that the listener does not know': [
      () => `kafka://:${token(600)}@${broker.at('LOGIN')}?sasl=oauthbearer`,
      'HF-S102',
    ],
    'a way that nobody knows': [
      () => `kafka://${user}${broker.at('LOGIN')}?sasl=gssapi`,
      'HF-C103',
    ],
    'the certificate of another host': [
      () => `kafka://${broker.at('OTHER')}?${tls('verify-full')}`,
      'HF-S103',
    ],
    'an authority that signed nothing here': [
      () => `kafka://${broker.at('TLS')}?${tls('verify-full', files.stranger)}`,
      'HF-S103',
    ],
  }

  for (const [what, [url, code]] of Object.entries(wrong)) {
    test(`${what} is refused with ${code}, without what was typed`, async () => {
      await assert.rejects(
        Cluster.open(parseUrl(url(), '--source'), { mirror: 'm', purpose: 'test' }),
        (error) => {
          assert.ok(error instanceof Fault, String(error))
          assert.equal(error.code, code, error.message)
          assert.equal(error.transient, false)
          assert.doesNotMatch(error.message, /secret|:no@|eyJ/)
          return true
        },
      )
    })
  }
})
