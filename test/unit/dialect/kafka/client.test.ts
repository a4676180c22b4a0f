import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { client } from '../../../../src/dialect/kafka/client.ts'
import { Ajv2020 } from '../../../../src/dialect/kafka/late-checks.ts'

suite('the client of Kafka', () => {
  test('compiles what it checks options with when it is asked to check some', async () => {
    assert.ok((client.ajv as unknown) instanceof Ajv2020)
    const options = { clientId: 'test', bootstrapBrokers: ['127.0.0.1:1'] }
    await new client.Admin({ ...options, retryDelay: -1 }).close()
    const strict = { ...options, strict: true }
    await new client.Admin(strict).close()
    const wrong = { message: /options\/timeout must be >= 0/ }
    assert.throws(() => new client.Admin({ ...strict, timeout: -1 }), wrong)
  })
})
