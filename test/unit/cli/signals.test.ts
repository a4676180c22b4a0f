import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stopper } from '../../../src/cli/signals.ts'

test('Ctrl-C that arrives twice at once is one; another signal then stops at once', (t) => {
  const exits = t.mock.method(process, 'exit', () => undefined as never)
  const hurried: string[] = []
  using stop = stopper(true, (fault) => hurried.push(fault.code))
  process.emit('SIGINT', 'SIGINT')
  process.emit('SIGINT', 'SIGINT')
  assert.equal(stop.signal.aborted, true)
  assert.deepEqual([hurried, exits.mock.callCount()], [[], 0])
  process.emit('SIGTERM', 'SIGTERM')
  assert.deepEqual(hurried, ['HF-X002'])
  assert.deepEqual(exits.mock.calls[0]?.arguments, [1])
})

test('a second SIGTERM stops at once, however soon it comes', (t) => {
  const exits = t.mock.method(process, 'exit', () => undefined as never)
  const hurried: string[] = []
  using _stop = stopper(true, (fault) => hurried.push(fault.code))
  process.emit('SIGTERM', 'SIGTERM')
  process.emit('SIGTERM', 'SIGTERM')
  assert.deepEqual([hurried, exits.mock.callCount()], [['HF-X002'], 1])
})
