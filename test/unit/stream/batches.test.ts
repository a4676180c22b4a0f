import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { Route } from '../../../src/apply/route.ts'
import type { Batch } from '../../../src/model/batch.ts'
import type { Change } from '../../../src/model/change.ts'
import { covers, describePositions, type Positions } from '../../../src/model/position.ts'
import { tupleOf } from '../../../src/model/tuple.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { compare, place } from '../places.ts'
import {
  bench,
  commit,
  copiedAt,
  idsOf,
  insert,
  other,
  part,
  progress,
  run,
  settle,
  span,
  spillFolder,
  stepsOf,
  table,
  wide,
} from './bench.ts'

const schema: Change = { kind: 'schema', from: table, to: { ...table } }

suite('batches', () => {
  test('hand over a transaction at once while the source is quiet', async (t) => {
    const { feed, next } = bench(t)
    for (const order of [5, 7, 9]) {
      const waiting = next()
      await settle()
      feed.push(commit(order))
      const batch = await waiting
      assert.deepEqual(await idsOf(batch), [String(order)])
      assert.equal(batch?.transactions, 1)
    }
  })

  test('grow while the one before is applied, and follow one another without a gap', async (t) => {
    const { feed, next } = bench(t)
    feed.push(commit(1))
    assert.equal(span(await next()), '0..1')
    for (const order of [2, 3, 4, 5]) feed.push(commit(order))
    await settle()
    const batch = await next()
    assert.equal(span(batch), '1..5')
    const { transactions, changes, flush, collapsed, committedAt } = batch ?? assert.fail()
    assert.deepEqual(
      { transactions, changes, flush, collapsed, committedAt },
      { transactions: 4, changes: 4, flush: false, collapsed: true, committedAt: 1n },
    )
  })

  for (const [limit, limits] of [
    ['rows', { ...wide, rows: 3 }],
    ['bytes', { ...wide, bytes: 4000 }],
  ] as const) {
    test(`stop reading at the limit of ${limit}, and go on when there is room`, async (t) => {
      const { feed, next } = bench(t, { limits })
      feed.push(commit(1))
      await next()
      for (let order = 2; order <= 20; order++) feed.push(commit(order))
      await settle()
      assert.equal(feed.taken, 4)
      assert.equal(span(await next()), '1..4')
      await settle()
      assert.equal(feed.taken, 7)
      assert.equal(span(await next()), '4..7')
    })
  }

  test('never hold more than about twice the limit', async (t) => {
    const limits = { ...wide, rows: 10 }
    const { feed, next } = bench(t, { limits })
    for (let order = 1; order <= 500; order++) feed.push(commit(order))
    let delivered = 0
    while (delivered < 500) {
      const batch = await next()
      delivered += batch?.transactions ?? 0
      await settle()
      assert.ok(feed.taken - delivered <= 10, `${feed.taken - delivered} read ahead`)
      assert.ok((batch?.transactions ?? 0) <= 10)
    }
  })

  test('keep a schema change and a spilled transaction alone', async (t) => {
    const directory = await spillFolder(t)
    const { feed, next, leave } = bench(t, { limits: { ...wide, directory, memory: 500 } })
    const many = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((id) => insert(id))
    feed.push(commit(1))
    await next()
    feed.push(part(5, ...many), commit(2), commit(3, [schema]), commit(4), commit(5, []), commit(6))
    const spans: string[] = []
    const ids: (readonly string[])[] = []
    for (let i = 0; i < 5; i++) {
      const batch = await next()
      spans.push(span(batch))
      ids.push(await idsOf(batch))
    }
    assert.deepEqual(spans, ['1..2', '2..3', '3..4', '4..5', '5..6'])
    assert.deepEqual(ids, [['2'], ['schema'], ['4'], ['a', 'b', 'c', 'd', 'e', 'f', 'g'], ['6']])
    await leave()
    assert.deepEqual(await readdir(directory), [])
  })

  test('read a spilled transaction again for a second attempt, in order', async (t) => {
    const directory = await spillFolder(t)
    const { feed, next } = bench(t, { limits: { ...wide, directory, memory: 0 } })
    const update: Change = { kind: 'update', table, row: tupleOf(['a']), old: null }
    feed.push(part(1, insert('a'), update), commit(1, []))
    const batch = await next()
    assert.deepEqual(await idsOf(batch), ['a'])
    assert.deepEqual(await idsOf(batch), ['a'])
    assert.deepEqual(await idsOf(batch?.inOrder() ?? null), ['a', 'update'])
    assert.equal(batch?.inOrder().collapsed, false)
  })

  test('leave out of a spilled transaction what a copy holds, whatever was read after it', async (t) => {
    const directory = await spillFolder(t)
    const route = new Route(compare, [copiedAt(table, 0), copiedAt(other, 10)])
    const { feed, next } = bench(t, { route, limits: { ...wide, directory, memory: 0 } })
    feed.push(part(5, insert('mine'), insert('held', other)), commit(5, []))
    feed.push(commit(20), commit(21, [insert('later', other)]))
    const batch = await next()
    assert.equal(span(batch), '0..5')
    await settle()
    assert.deepEqual(await idsOf(batch), ['mine'])
    assert.deepEqual(await idsOf(batch?.inOrder() ?? null), ['mine'])
    assert.deepEqual(await idsOf(await next()), ['20', 'later'])
  })

  test('are cut in halves between transactions down to a single one', async (t) => {
    const { feed, next } = bench(t)
    feed.push(commit(1), commit(2, []), commit(5, [insert('5a'), insert('5b')]), progress(9))
    const batch = await next()
    const [first, second] = batch?.halves() ?? assert.fail('it has no halves')
    assert.deepEqual([span(first), span(second)], ['0..1', '1..9'])
    assert.deepEqual([await idsOf(first), await idsOf(second)], [['1'], ['5a', '5b']])
    assert.equal(first.halves(), null)
    const [empty, last] = second.halves() ?? assert.fail('it has no halves')
    assert.deepEqual([span(empty), span(last)], ['1..2', '2..9'])
    assert.deepEqual([await idsOf(empty), await idsOf(last)], [[], ['5a', '5b']])
    assert.equal(describePositions(last.newest), '5')
    for (const one of [first, second, empty, last]) assert.ok(one.flush && one.collapsed)
    const sums = (of: readonly Batch[]): readonly number[] =>
      (['transactions', 'changes', 'bytes'] as const).map((what) =>
        of.reduce((sum, one) => sum + one[what], 0),
      )
    assert.deepEqual(sums([first, second]), sums([batch ?? assert.fail()]))
    assert.deepEqual(sums([empty, last]), sums([second]))
  })

  test('grow to so many transactions, however small they are', async (t) => {
    const limits = { ...wide, rows: 1 << 30, bytes: 1 << 30 }
    const { feed, next } = bench(t, { limits })
    feed.push(commit(1))
    await next()
    for (let burst = 0; burst < 17; burst++) {
      feed.push(...Array.from({ length: 1024 }, (_, i) => commit(burst * 1024 + i + 2, [])))
    }
    await eventually('there is no room', () => feed.taken === 1 + 16)
    await settle()
    assert.equal((await next())?.transactions, 16 * 1024)
    assert.equal((await next())?.transactions, 1024)
  })

  test('leave out what the source sends again', async (t) => {
    const { feed, next } = bench(t, { after: place(3) })
    feed.push(commit(2), commit(3), commit(4))
    const batch = await next()
    assert.equal(span(batch), '3..4')
    assert.deepEqual(await idsOf(batch), ['4'])
  })

  test('deliver what was read, flushed, when they are drained', async (t) => {
    const { feed, next, drain } = bench(t)
    feed.push(commit(1))
    await next()
    feed.push(commit(2), part(4, insert('unfinished')))
    await settle()
    drain.abort()
    const batch = await next()
    assert.equal(span(batch), '1..2')
    assert.equal(batch?.flush, true)
    assert.equal(await next(), null)
    assert.ok(feed.closed)
  })

  test('deliver what was read before the stream failed, and then the failure', async (t) => {
    const { feed, next } = bench(t)
    feed.push(commit(1))
    await next()
    feed.push(commit(2))
    feed.fail(new Error('the source is gone'))
    await eventually('the failure', () => feed.closed)
    assert.equal(span(await next()), '1..2')
    await assert.rejects(next(), /the source is gone/)
  })

  test('end a stream that the consumer leaves, and what it spilled', async (t) => {
    const directory = await spillFolder(t)
    const { feed, next, leave } = bench(t, { limits: { ...wide, rows: 1, directory, memory: 0 } })
    feed.push(part(2, insert('a')), part(9, insert('b')), commit(1), commit(2, []), commit(3))
    await next()
    await settle()
    await leave()
    assert.ok(feed.closed)
    assert.deepEqual(await readdir(directory), [])
  })

  test('say that an idle stream has moved on, in time, not at once', async (t) => {
    const { feed, next } = bench(t, { limits: { ...wide, idleMillis: 30 } })
    feed.push(progress(5), progress(6))
    const batch = await next()
    assert.equal(span(batch), '0..6')
    assert.deepEqual(await stepsOf(batch), [])
    assert.equal(batch?.transactions, 0)
  })

  test('say nothing of progress that nobody waits for', async (t) => {
    const { feed, next } = bench(t)
    const waiting = next()
    feed.push(progress(5))
    await settle()
    feed.push(commit(7))
    assert.equal(span(await waiting), '0..7')
  })

  test('say at once that they have got far', async (t) => {
    const { feed, next } = bench(t, { limits: { ...wide, idleDistance: 100n } })
    const waiting = next()
    feed.push(progress(99))
    await settle()
    feed.push(progress(100))
    assert.equal(span(await waiting), '0..100')
  })

  test('flush what is waited for, and do not hold it back', async (t) => {
    const awaited = (at: Positions): boolean => covers(compare, at, place(5))
    const { feed, next } = bench(t, { awaited })
    feed.push(commit(4))
    assert.equal((await next())?.flush, false)
    feed.push(progress(5))
    const batch = await next()
    assert.equal(span(batch), '4..5')
    assert.equal(batch?.flush, true)
  })

  test('reach the progress behind a transaction that had to wait', async (t) => {
    const awaited = (positions: Positions): boolean => covers(compare, positions, place(5))
    const { feed, next } = bench(t, { awaited })
    feed.push(commit(1), commit(2, [schema]), progress(5))
    assert.equal(span(await next()), '0..1')
    const batch = await next()
    assert.deepEqual([span(batch), batch?.flush], ['1..5', true])
  })

  test('of any stream and any pace hold each change once, in order', async (t) => {
    const item = fc.record({ size: fc.nat(6), pause: fc.nat(3), kind: fc.nat(9) })
    const directory = await spillFolder(t)
    await fc.assert(
      fc.asyncProperty(fc.array(item, { maxLength: 40 }), async (items) => {
        const limits = { ...wide, rows: 7, memory: 600, directory }
        const { feed, next, leave } = bench(t, { limits })
        const wanted: string[] = []
        for (const [i, { size, kind }] of items.entries()) {
          const order = (i + 1) * 10
          const ids = Array.from({ length: size }, (_, n) => `${order}.${n}`)
          const changes = ids.map((id) => insert(id))
          if (kind === 0) feed.push(progress(order))
          else if (kind < 3)
            feed.push(
              run(...changes.map((one, n) => commit(order - 7 + n, [one])), commit(order, [])),
            )
          else if (kind < 5) feed.push(part(order, ...changes), commit(order, []))
          else feed.push(commit(order, changes))
          if (kind !== 0) wanted.push(...ids)
        }
        feed.end()
        const got: string[] = []
        let at = '0'
        for (let i = 0; ; i++) {
          const batch = await next()
          if (batch === null) break
          const [from, to] = span(batch).split('..')
          assert.equal(from, at)
          at = String(to)
          got.push(...(await idsOf(batch)))
          for (let turns = items[i]?.pause ?? 0; turns > 0; turns--) await settle()
        }
        assert.deepEqual(got, wanted)
        assert.equal(at, String(items.length * 10))
        await leave()
      }),
      { numRuns: 100 },
    )
    assert.deepEqual(await readdir(directory), [])
  })
})
