import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultOf } from '../../../../src/dialect/postgres/errors.ts'

// What a server sends (protocol-error-fields in the PostgreSQL documentation).
const full = { severity: 'ERROR', code: '53200', message: 'out of shared memory' }
const hint = 'You might need to increase "max_locks_per_transaction".'

test('a full lock table is told from memory that is short for a while', () => {
  const at = (side: 'source' | 'target') => ({ side, doing: 'trying', label: 'here' })
  assert.equal(faultOf({ ...full, hint }, at('source')).code, 'HF-S109')
  assert.equal(faultOf({ ...full, hint }, at('target')).code, 'HF-T206')
  assert.equal(faultOf(full, at('source')).code, 'HF-S108')
  assert.equal(faultOf(full, at('target')).code, 'HF-T217')
})
