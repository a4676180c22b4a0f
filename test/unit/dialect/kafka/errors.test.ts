import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AuthenticationError, NetworkError, TimeoutError } from '@platformatic/kafka'
import { faultOf } from '../../../../src/dialect/kafka/errors.ts'

const about = { doing: 'connecting', label: 'broker:9092' }
const codeOf = (error: Error): string => faultOf(error, about).code

test('a broker that goes away while it is told who comes may come back; a password that it refuses may not', () => {
  const failed = (cause: Error): Error =>
    new AuthenticationError('SASL authentication failed.', { cause })
  assert.equal(codeOf(failed(new NetworkError('Connection closed'))), 'HF-S101')
  assert.equal(codeOf(failed(new TimeoutError('Request timed out'))), 'HF-S101')
  const refused = new AuthenticationError('Invalid server signature.')
  assert.equal(codeOf(refused), 'HF-S102')
  assert.equal(codeOf(new NetworkError('Connection failed', { cause: refused })), 'HF-S102')
})

test('a broker that goes away while TLS is agreed on may come back; a certificate does not change', () => {
  const words = 'Client network socket disconnected before secure TLS connection was established'
  const connecting = (cause: Error): Error => new NetworkError('Connection failed', { cause })
  assert.equal(codeOf(connecting(new Error(words))), 'HF-S101')
  assert.equal(codeOf(connecting(new Error('self-signed certificate'))), 'HF-S103')
})
