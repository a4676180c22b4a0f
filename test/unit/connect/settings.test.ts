import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUrl } from '../../../src/config/url.ts'
import { isReference, requireReferences, shownSettings } from '../../../src/connect/secrets.ts'
import { kinds, templateOf, type Wanted } from '../../../src/connect/template.ts'
import { Fault } from '../../../src/model/fault.ts'

/** As a worker's provider for variables reads it. */
const REFERENCE = ['$', '{env:PASSWORD}'].join('')

function wanted(over: Partial<Wanted> = {}): Wanted {
  return {
    kind: 'postgres',
    name: 'Shop-1',
    source: parseUrl('postgres://cdc@db:6000/shop?sslmode=verify-full', 'a test'),
    password: REFERENCE,
    prefix: 'shop',
    include: [],
    exclude: [],
    bootstrap: 'kafka:9092',
    partitions: null,
    ...over,
  }
}

test('every template tells of truncates, gives signs of life and makes no table in the source', () => {
  for (const kind of kinds) {
    const config = templateOf(wanted({ kind }))
    assert.equal(config['skipped.operations'], 'none')
    assert.notEqual(Number(config['heartbeat.interval.ms'] ?? 0), 0)
    assert.equal(config['signal.enabled.channels'], 'kafka')
    assert.equal(config['signal.data.collection'], undefined)
    assert.equal(config['event.processing.failure.handling.mode'], 'fail')
    assert.equal(config['decimal.handling.mode'], 'precise')
    assert.equal(config['value.converter.schemas.enable'], 'true')
    assert.equal(config['database.password'], REFERENCE)
    assert.equal(config['database.port'], '6000')
  }
})

test('a slot that was made anew is noticed, and the publication is of the tables alone', () => {
  const config = templateOf(wanted())
  assert.equal(config['offset.mismatch.strategy'], 'trust_offset')
  assert.equal(config['publication.autocreate.mode'], 'filtered')
  assert.equal(config['slot.name'], 'shop_1')
  assert.equal(config['database.sslmode'], 'verify-full')
  assert.equal(templateOf(wanted({ kind: 'mysql' }))['database.ssl.mode'], 'verify_identity')
  assert.equal(templateOf(wanted({ kind: 'mysql' }))['bigint.unsigned.handling.mode'], 'precise')
  assert.equal(templateOf(wanted({ kind: 'oracle' }))['log.mining.read.only'], 'true')
})

test('patterns become expressions that match whole names, dots and commas taken as they are', () => {
  const config = templateOf(wanted({ include: ['public.o*', '"a.b"."x,y(z)"'] }))
  assert.equal(config['table.include.list'], 'public\\.o.*,a\\.b\\.x\\,y\\(z\\)')
  const both = wanted({ include: ['a.b'], exclude: ['c.d'] })
  assert.throws(() => templateOf(both), { code: 'HF-C016' })
  assert.throws(() => templateOf(wanted({ include: ['orders'] })), { code: 'HF-C104' })
})

test('what lets somebody in is never shown, and not stored either', () => {
  const config = {
    'database.password': 'pa55',
    'database.user': 'cdc',
    'sasl.jaas.config': 'login required password="pa55";',
    'connection.url': 'jdbc:postgresql://u:pa55@h/d?user=a&password=pa55&x=1',
    'schema.history.internal.producer.ssl.key.password': REFERENCE,
  }
  const shown = shownSettings(config)
  assert.doesNotMatch(JSON.stringify(shown), /pa55/)
  assert.equal(shown['database.user'], 'cdc')
  assert.equal(shown['connection.url'], 'jdbc:postgresql://u:***@h/d?user=a&password=***&x=1')
  assert.equal(shown['schema.history.internal.producer.ssl.key.password'], REFERENCE)
  assert.throws(
    () => requireReferences('a', config),
    (error) =>
      error instanceof Fault &&
      error.code === 'HF-K409' &&
      error.message.includes('database.password, sasl.jaas.config, connection.url') &&
      !error.message.includes('pa55'),
  )
  requireReferences('a', { 'database.password': REFERENCE, 'database.user': 'cdc' })
  assert.equal(isReference('pa55'), false)
  assert.equal(isReference(`${REFERENCE}x`), false)
})
