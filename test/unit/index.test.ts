import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as holdfast from '../../src/index.ts'

test('the library door opens mirrors and reads URLs, faults and progress', () => {
  assert.deepEqual(Object.keys(holdfast).sort(), [
    'Fault',
    'Secret',
    'asFault',
    'checkMirror',
    'defaultLimits',
    'describePositions',
    'destroyMirror',
    'discoverMirror',
    'lagOf',
    'parseUrl',
    'reduce',
    'runMirror',
    'startProgress',
    'storedMirror',
    'verifyMirror',
  ])
  assert.equal(holdfast.parseUrl('postgres://h/d', 'the URL').database, 'd')
})
