import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { wallMicros } from '../../../src/async/clock.ts'
import { progressLine } from '../../../src/cli/live.ts'
import { Output } from '../../../src/cli/output.ts'
import { paintFor } from '../../../src/cli/paint.ts'
import { count, plural, short, size, span } from '../../../src/cli/words.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { Positions } from '../../../src/model/position.ts'
import { Follower } from '../../../src/observe/follower.ts'
import { runningStatus } from '../../../src/observe/status.ts'

const at = (order: bigint): Positions =>
  new Map([['main', { log: 'l', order, token: `0/${order}` }]])

const table = {
  id: '1',
  name: 'public.item',
  mode: 'exact',
  copied: false,
  rowsCopied: 0,
  rowsExpected: null,
} as const

test('a line says what goes on, or why nothing does', () => {
  const follower = new Follower('shop')
  assert.match(progressLine(follower), /^\[shop\] Preparing: /)
  follower.take({ kind: 'tables', tables: [table] })
  follower.take({ kind: 'phase', phase: 'snapshotting', reason: null })
  follower.take({ kind: 'expected', id: '1', rows: 2000, bytes: 1 })
  assert.match(progressLine(follower), /Copy 0\/~2k rows 0\.0%; 0\/1 table; waiting for the first/)
  follower.take({ kind: 'copied-rows', id: '1', rows: 500 })
  assert.match(progressLine(follower), /Copy 500\/~2k rows 25\.0%; 0\/1 table/)
  follower.take({ kind: 'copied-rows', id: '1', rows: 2500 })
  follower.take({ kind: 'copied-table', id: '1' })
  assert.match(progressLine(follower), /Copy 3k\/~3k rows 100\.0%; 1\/1 table/)
  follower.take({ kind: 'phase', phase: 'catching-up', reason: null })
  assert.match(progressLine(follower), /Catching up; applied 0 changes.*lag not known yet/)
  follower.take({ kind: 'source', head: at(900n), retainedBytes: 1, limitBytes: null })
  const applied = { kind: 'applied', transactions: 2, changes: 1234, replayed: false } as const
  const committedAt = wallMicros() - 90_000_000n
  follower.take({ ...applied, positions: at(400n), committedAt })
  assert.match(
    progressLine(follower),
    /applied 1,234 changes in 2 transactions;.*lag 1m 30s \(500 B\)/,
  )
  const fault = new Fault('HF-X001', { what: 'gone' })
  follower.take({ kind: 'fault', fault, retryInMillis: 1000 })
  follower.take({ kind: 'phase', phase: 'waiting', reason: 'HF-X001 gone' })
  assert.match(progressLine(follower), /Waiting: HF-X001 gone/)
})

test('healthy is only what was heard of both ends a moment ago', () => {
  const follower = new Follower('shop')
  follower.take({ kind: 'phase', phase: 'streaming', reason: null })
  assert.equal(runningStatus(follower).overall, 'degraded')
  follower.take({ kind: 'durable', positions: at(1n) })
  assert.equal(runningStatus(follower).overall, 'degraded')
  assert.equal(runningStatus(follower).consumer.healthy, true)
  follower.take({ kind: 'source', head: at(1n), retainedBytes: null, limitBytes: null })
  assert.equal(runningStatus(follower).overall, 'healthy')
  const fault = new Fault('HF-X001', { what: 'gone' })
  follower.take({ kind: 'fault', fault, retryInMillis: null })
  follower.take({ kind: 'phase', phase: 'halted', reason: 'HF-X001 gone' })
  const halted = runningStatus(follower)
  assert.equal(halted.overall, 'failed')
  assert.equal(halted.connector.state, 'FAILED')
  assert.deepEqual(halted.fault, { code: 'HF-X001', what: 'gone', todo: fault.todo })
  assert.ok(JSON.stringify(halted).length > 0)
})

test('numbers as people read them', () => {
  assert.equal(count(1234567), '1,234,567')
  assert.deepEqual(
    [short(999), short(1500), short(150_000), short(9_140_000)],
    ['999', '1.5k', '150k', '9.1M'],
  )
  assert.deepEqual(
    [size(512), size(1500), size(812e6), size(50e9)],
    ['512 B', '1.5 kB', '812 MB', '50.0 GB'],
  )
  assert.deepEqual(
    [span(0.04), span(41), span(134), span(10_920), span(525_600)],
    ['0.0 s', '41 s', '2m 14s', '3h 02m', '6d 02h'],
  )
  assert.deepEqual([plural(1, 'table'), plural(0, 'row')], ['1 table', '0 rows'])
})

test('several mirrors share the one living line, which never wraps', () => {
  const written: string[] = []
  const stream = Object.assign(new PassThrough(), { columns: 30 })
  stream.on('data', (data) => written.push(String(data)))
  const paint = paintFor(true, 'never', {})
  const out = new Output({
    json: false,
    quiet: false,
    verbose: false,
    stdout: stream,
    stderr: stream,
    paint: { stdout: paint, stderr: paint },
  })
  out.live('a', '[a] copying')
  out.live('b', '[b] streaming along')
  out.say('a line')
  out.live('a', null)
  assert.deepEqual(written, [
    '\r\u001b[2K[a] copying',
    '\r\u001b[2K[a] copying   [b] streaming a',
    '\r\u001b[2K',
    'a line\n',
    '\r\u001b[2K[b] streaming along',
  ])
})
