import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { z } from 'zod'
import {
  listAnswer,
  offsetsAnswer,
  statusAnswer,
  validationAnswer,
} from '../../../src/connect/answers.ts'
import { healthOf, isPassing } from '../../../src/connect/health.ts'
import { innermost, signOf, traceFault } from '../../../src/connect/trace.ts'

function recorded<T>(name: string, answer: z.ZodType<T>): T {
  const path = new URL(`../../fixtures/connect/${name}.json`, import.meta.url)
  return answer.parse(JSON.parse(readFileSync(path, 'utf8')))
}

test('what a worker answers is read', () => {
  assert.equal(recorded('status-running', statusAnswer).tasks.length, 1)
  const [listed] = Object.values(recorded('list', listAnswer))
  assert.equal(listed?.info.config['plugin.name'], 'pgoutput')
  const [offset] = recorded('offsets', offsetsAnswer).offsets
  assert.match(String(offset?.partition['server']), /^t/)
  const { configs } = recorded('validation-database-away', validationAnswer)
  const errors = configs.flatMap(({ value }) => value.errors)
  assert.equal(signOf(errors.join('\n')), 'HF-K411')
  assert.throws(() => statusAnswer.parse({ error_code: 404, message: 'No status found' }))
})

test('K21 a connector that is called RUNNING with a failed task is failed', () => {
  const health = (name: string) => healthOf(recorded(name, statusAnswer))
  assert.equal(health('status-running').condition, 'running')
  assert.equal(health('status-paused').condition, 'paused')
  assert.equal(health('status-stopped').condition, 'stopped')
  const gone = health('status-slot-gone')
  assert.equal(gone.state, 'RUNNING')
  assert.equal(gone.condition, 'failed')
  assert.deepEqual(
    gone.faults.map(({ code }) => code),
    ['HF-K413'],
  )
  assert.equal(isPassing(gone), false)
  const away = health('status-database-away')
  assert.deepEqual(
    away.faults.map(({ code }) => code),
    ['HF-K411'],
  )
  assert.equal(isPassing(away), true)
})

test('between two states a connector is starting, and without a task too', () => {
  const of = (connector: string, ...tasks: readonly string[]) =>
    healthOf({
      name: 'a',
      type: 'source',
      connector: { state: connector, worker_id: '' },
      tasks: tasks.map((state, id) => ({ id, state, worker_id: '' })),
    }).condition
  assert.equal(of('RUNNING'), 'starting')
  assert.equal(of('RUNNING', 'RUNNING', 'UNASSIGNED'), 'starting')
  assert.equal(of('RESTARTING', 'RUNNING'), 'starting')
  assert.equal(of('PAUSED', 'FAILED'), 'failed')
  assert.equal(of('STOPPED'), 'stopped')
})

test('a row that a driver wrote into a trace is not in the fault', () => {
  const { tasks } = recorded('status-sink-refused', statusAnswer)
  const trace = tasks[0]?.trace ?? ''
  assert.match(trace, /Failing row contains/)
  const fault = traceFault('task 0 of connector a', trace)
  assert.equal(fault.code, 'HF-K416')
  assert.equal(fault.detail.evidence?.['exception'], 'org.postgresql.util.PSQLException')
  const shown = JSON.stringify({ ...fault.detail, message: fault.message, why: fault.why })
  assert.doesNotMatch(shown, /Failing row|INSERT INTO/)
})

test('the kind of a failure is told by its most telling word', () => {
  const known = {
    'HF-K412':
      'PSQLException: The connection attempt failed.\nCaused by: FATAL: password authentication failed for user "a"',
    'HF-K413':
      'SQLException: Could not find first log file name in binary log index file Error code: 1236; SQLSTATE: HY000.',
    'HF-K414': 'PSQLException: ERROR: permission denied for table item',
    'HF-K415': 'org.apache.kafka.connect.errors.DataException: Invalid value',
    'HF-K417':
      'org.apache.kafka.common.errors.RecordTooLargeException: The message is 2097240 bytes',
    'HF-K411': 'java.net.ConnectException: Connection refused',
    'HF-K418': 'org.apache.kafka.common.config.ConfigException: Missing required configuration',
  }
  for (const [code, trace] of Object.entries(known)) assert.equal(signOf(trace), code)
  assert.equal(signOf('java.lang.NullPointerException'), null)
  assert.equal(traceFault('task 0', 'java.lang.NullPointerException: a').code, 'HF-K419')
  assert.equal(innermost('a.B: x\n\tat c.D\nCaused by: e.f.G$H: y\n\tat c.D'), 'e.f.G$H')
  assert.equal(innermost(''), 'unknown')
})
