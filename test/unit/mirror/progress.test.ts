import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  lagOf,
  type MirrorEvent,
  type Progress,
  reduce,
  startProgress,
} from '../../../src/mirror/progress.ts'
import { Fault } from '../../../src/model/fault.ts'
import { at, place } from '../places.ts'

const second = 1_000_000n
const after = (...events: readonly MirrorEvent[]): Progress =>
  events.reduce(
    (progress, event, i) => reduce(progress, event, BigInt(i + 1) * second),
    startProgress('m', 0n),
  )
const applied = (order: number, committedAt: bigint | null): MirrorEvent => ({
  kind: 'applied',
  positions: place(order),
  transactions: 2,
  changes: 3,
  committedAt,
  replayed: order % 2 === 1,
})
const head = (order: number): MirrorEvent => ({
  kind: 'source',
  head: place(order),
  retainedBytes: 7,
  limitBytes: null,
})

suite('progress', () => {
  test('counts what was applied and keeps the newest commit', () => {
    const { transactions, changes, batches, replayed, lastAppliedAt, committedAt } = after(
      applied(1, 5n),
      applied(2, null),
    )
    assert.deepEqual(
      { transactions, changes, batches, replayed, lastAppliedAt, committedAt },
      {
        transactions: 4,
        changes: 6,
        batches: 2,
        replayed: 1,
        lastAppliedAt: 2n * second,
        committedAt: 5n,
      },
    )
  })

  test('knows since when it is in its phase', () => {
    const streaming = { kind: 'phase', phase: 'streaming', reason: null } as const
    assert.equal(after(streaming, streaming, applied(1, null)).since, second)
    assert.equal(after(streaming, { ...streaming, phase: 'waiting' }).since, 2n * second)
    assert.equal(after(streaming, { ...streaming, reason: 'why' }).since, 2n * second)
  })

  test('keeps a fault until both ends are open again, and counts the retries', () => {
    const fault = new Fault('HF-S101', { what: 'gone' })
    const event = { kind: 'fault', fault, retryInMillis: 500 } as const
    assert.equal(after(event).fault, fault)
    assert.equal(after(event, { ...event, retryInMillis: null }).retries, 1)
    const opened = after(event, { kind: 'opened', source: 's', target: 't' })
    assert.deepEqual([opened.fault, opened.source, opened.target], [null, 's', 't'])
  })

  test('follows the copy of each table', () => {
    const table = {
      id: '1',
      name: 'a.b',
      mode: 'exact',
      copied: false,
      rowsCopied: 0,
      rowsExpected: null,
    } as const
    const { tables } = after(
      { kind: 'tables', tables: [table] },
      { kind: 'expected', id: '1', rows: 9, bytes: 1 },
      { kind: 'copied-rows', id: '1', rows: 4 },
      { kind: 'copied-rows', id: '1', rows: 5 },
      { kind: 'copied-rows', id: 'unknown', rows: 5 },
      { kind: 'copied-table', id: '1' },
    )
    assert.deepEqual(
      [...tables.values()],
      [{ ...table, copied: true, rowsCopied: 9, rowsExpected: 9 }],
    )
  })

  test('keeps the tables where they are, however many there are', () => {
    const table = { id: '1', name: 'a.b', mode: 'exact', copied: false, rowsCopied: 0 } as const
    const before = after({ kind: 'tables', tables: [{ ...table, rowsExpected: null }] })
    for (const event of [
      { kind: 'expected', id: '1', rows: 9, bytes: 1 },
      { kind: 'copied-rows', id: '1', rows: 4 },
      { kind: 'copied-table', id: '1' },
    ] as const)
      assert.equal(reduce(before, event, 9n).tables, before.tables)
  })

  test('does not change what it came from', () => {
    const before = after(head(1))
    const kept = structuredClone({ ...before })
    reduce(before, applied(1, 1n), 9n)
    assert.deepEqual({ ...before }, kept)
  })
})

suite('lag', () => {
  test('is unknown until both ends are', () => {
    assert.equal(lagOf(startProgress('m', 0n), 0n), null)
    assert.equal(lagOf(after(head(5)), 0n), null)
    assert.equal(lagOf(after(applied(5, 1n)), 0n), null)
  })

  test('is the distance to the head, and the age of the newest commit while there is one', () => {
    const behind = after(applied(40, 10n * second), head(100))
    assert.deepEqual(lagOf(behind, 12n * second), { bytes: 60n, seconds: 2 })
    const there = after(applied(100, 10n * second), head(100))
    assert.deepEqual(lagOf(there, 12n * second), { bytes: 0n, seconds: 0 })
    const past = after(applied(101, 10n * second), head(100))
    assert.deepEqual(lagOf(past, 12n * second), { bytes: 0n, seconds: 0 })
  })

  test('does not grow while the log grows by what is not mirrored', () => {
    const steps: readonly (readonly [MirrorEvent, bigint])[] = [
      [applied(40, 10n * second), 10n],
      [head(50), 100n],
      [applied(60, null), 101n],
      [head(70), 102n],
    ]
    const idle = steps.reduce(
      (progress, [event, at]) => reduce(progress, event, at * second),
      startProgress('m', 0n),
    )
    // The head that was seen at second 100 is applied, the one of second 102 is not.
    assert.deepEqual(lagOf(idle, 103n * second), { bytes: 10n, seconds: 3 })
  })

  test('is never negative, whatever the clocks say', () => {
    const behind = after(applied(40, 10n * second), head(100))
    assert.deepEqual(lagOf(behind, 2n * second), { bytes: 60n, seconds: 0 })
  })

  test('adds up the lanes, those that were never applied included', () => {
    const two: MirrorEvent = {
      kind: 'source',
      head: new Map([
        ['lane', at(10)],
        ['other', at(5)],
      ]),
      retainedBytes: null,
      limitBytes: null,
    }
    assert.equal(lagOf(after(applied(8, null), two), 0n)?.bytes, 7n)
  })
})
