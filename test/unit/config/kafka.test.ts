import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { shownConfig } from '../../../src/config/describe.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { resolveMirrors } from '../../../src/config/resolve.ts'
import type { MirrorSettings } from '../../../src/config/settings.ts'
import { describeEndpoint } from '../../../src/model/endpoint.ts'
import { Fault } from '../../../src/model/fault.ts'

const directory = mkdtempSync(join(tmpdir(), 'holdfast-kafka-'))
after(() => rmSync(directory, { recursive: true }))

interface Given {
  readonly source?: string
  readonly tables?: string
  readonly set?: readonly string[]
  readonly environment?: Record<string, string>
  readonly flag?: string
}

function load({ source = 'kafka: { brokers: ["b1:9092", b2] }', ...given }: Given) {
  const { tables = '', set = [], environment = {}, flag = null } = given
  const text = `version: 1
mirrors:
  - name: shop
    source: { ${source} }
    ${tables}
    target: { url: "postgres://b@h2/t" }
`
  writeFileSync(join(directory, 'some.yaml'), text)
  const choice = { include: [], exclude: [], keyless: null, onExisting: null }
  const flags = { name: null, source: flag, target: null, ...choice, set }
  return loadConfig({ environment, directory, file: 'some.yaml', flags })
}

function one(given: Given): MirrorSettings {
  return resolveMirrors(load(given), directory)[0] ?? assert.fail()
}

function refused(given: Given): Fault {
  try {
    one(given)
  } catch (error) {
    const fault = error instanceof AggregateError ? error.errors[0] : error
    return fault instanceof Fault ? fault : assert.fail(String(error))
  }
  return assert.fail('it was accepted')
}

suite('the block of a source that is read out of topics', () => {
  test('brokers take the place of the address, and a password stands beside them', () => {
    const { source } = one({
      source: 'user: reader, password: pw, kafka: { brokers: ["b1:9092", b2] }',
    })
    assert.equal(source.scheme, 'kafka')
    assert.equal(describeEndpoint(source), 'kafka://reader@b1:9092,b2/')
    assert.equal(source.password?.reveal(), 'pw')
    assert.deepEqual(source.params, {})
  })

  test('the same may be said by a URL, by a variable and by --set', () => {
    const url = one({ source: 'url: "kafka://b1:9092,b2"', set: ['source.kafka.sasl=plain'] })
    assert.equal(url.source.host, 'b1:9092,b2')
    assert.equal(url.source.params['sasl'], 'plain')
    const name = 'HOLDFAST__MIRRORS__SHOP__SOURCE__KAFKA__TOPICS'
    const environment = { [name]: 'cdc.public.*,cdc.audit.a' }
    assert.deepEqual(one({ environment }).selection.include, ['cdc.public.*', 'cdc.audit.a'])
    const set = ['source.kafka.brokers=c:1,d:2']
    assert.equal(one({ set }).source.host, 'c:1,d:2')
    assert.equal(one({ flag: 'kafka://e:3' }).source.host, 'e')
  })

  test('topics are what is mirrored', () => {
    const topics = 'kafka: { brokers: [b], topics: ["cdc.public.*"] }'
    assert.deepEqual(one({ source: topics }).selection.include, ['cdc.public.*'])
    const tables = 'tables: { include: ["cdc.*"] }'
    assert.deepEqual(one({ tables }).selection.include, ['cdc.*'])
    assert.match(refused({ source: topics, tables }).message, /topics and tables\.include/)
  })

  test('a registry goes with Avro, and with nothing else', () => {
    const of = (more: string): Given => ({ source: `kafka: { brokers: [b], ${more} }` })
    const registry = 'registry: "http://r:8081"'
    assert.equal(one(of(registry)).source.params['registry'], 'http://r:8081')
    assert.equal(one(of(`format: debezium-avro, ${registry}`)).source.host, 'b')
    assert.equal(one(of('format: debezium-json')).source.host, 'b')
    assert.match(refused(of('format: debezium-avro')).message, /needs kafka\.registry/)
    assert.match(refused(of(`format: debezium-json, ${registry}`)).message, /no use/)
    assert.equal(refused(of('format: protobuf')).code, 'HF-C004')
  })

  test('how long rows wait for their transaction', () => {
    const wait = 'kafka: { brokers: [b], transaction_wait: 2m }'
    assert.equal(one({ source: wait }).source.params['transaction_wait'], '120000')
    assert.equal(refused({ source: wait.replace('2m', 'long') }).code, 'HF-C005')
  })

  test('each way of SASL', () => {
    for (const sasl of ['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer']) {
      const { source } = one({ source: `kafka: { brokers: [b], sasl: ${sasl} }` })
      assert.equal(source.params['sasl'], sasl)
    }
    assert.equal(refused({ source: 'kafka: { brokers: [b], sasl: gssapi }' }).code, 'HF-C004')
  })

  test('connectors that belong to the mirror, and the database behind them', () => {
    const worker = 'connect_url: "http://me:pw@connect:8083", connectors: [shop, more]'
    const behind = 'source_url: "postgres://me:pw@db1/shop"'
    const loaded = { source: `kafka: { brokers: [b], ${worker}, ${behind} }` }
    const mirror = one(loaded)
    assert.equal(mirror.owned?.worker.reveal(), 'http://me:pw@connect:8083')
    assert.deepEqual(mirror.owned?.connectors, ['shop', 'more'])
    assert.equal(mirror.database?.database, 'shop')
    assert.equal(one({}).owned, null)
    assert.equal(one({}).database, null)
    const shown = JSON.stringify(shownConfig(load(loaded)))
    assert.doesNotMatch(shown, /pw/)
    assert.match(shown, /http:\/\/me:\*\*\*@connect:8083/)
  })

  test('what cannot be meant is refused with its place', () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['kafka: { brokers: [b], connectors: [shop] }', /needs kafka\.connect_url/],
      ['kafka: { brokers: [b], connect_url: "http://c" }', /needs kafka\.connectors/],
      ['kafka: { brokers: [b], connect_url: "c:8083", connectors: [s] }', /is not http/],
      ['url: "kafka://b", kafka: { brokers: [b] }', /url and kafka\.brokers/],
      ['host: b, kafka: { brokers: [b] }', /host and kafka\.brokers/],
      ['type: mysql, kafka: { brokers: [b] }', /type is mysql/],
      ['url: "postgres://a/b", kafka: { sasl: plain }', /the source is not Kafka/],
    ]
    for (const [source, expected] of cases) {
      const fault = refused({ source })
      assert.equal(fault.code, 'HF-C016', source)
      assert.match(fault.message, expected)
      assert.match(fault.message, /^some\.yaml:\d+:\d+ /)
    }
    const near = refused({ source: 'kafka: { brokers: [b], topic: [a] }' })
    assert.equal(near.code, 'HF-C003')
    assert.match(String(near.detail.todo?.[0]?.text), /topics/)
  })
})
