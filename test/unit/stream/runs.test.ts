import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Route } from '../../../src/apply/route.ts'
import type { Batch } from '../../../src/model/batch.ts'
import type { Change } from '../../../src/model/change.ts'
import { describePositions } from '../../../src/model/position.ts'
import { tupleOf } from '../../../src/model/tuple.ts'
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
  stepsOf,
  table,
  wide,
} from './bench.ts'

const both = (order: number): ReturnType<typeof commit> =>
  commit(order, [insert(`${order}`), insert(`${order} held`, other)])

/** Every way to cut a batch down to single transactions: what each of those holds. */
async function apart(batch: Batch): Promise<readonly (readonly string[])[]> {
  const halves = batch.halves()
  if (halves === null) return [[span(batch), ...(await idsOf(batch))]]
  const [first, second] = halves
  assert.equal(first.transactions + second.transactions, batch.transactions)
  assert.equal(first.changes + second.changes, batch.changes)
  assert.deepEqual([first.flush, second.flush], [true, true])
  return [...(await apart(first)), ...(await apart(second))]
}

suite('a run of transactions', () => {
  test('is one batch with all of them, read as often as it is asked for', async (t) => {
    const { feed, next } = bench(t)
    const update: Change = { kind: 'update', table, row: tupleOf(['1']), old: null }
    feed.push(run(commit(1), commit(2, []), commit(5, [update, insert('5')])), progress(9))
    const batch = (await next()) ?? assert.fail()
    assert.equal(span(batch), '0..9')
    assert.equal(describePositions(batch.newest), '5')
    const { transactions, changes, committedAt } = batch
    assert.deepEqual([transactions, changes, committedAt], [3, 3, 1n])
    for (let time = 0; time < 2; time++) {
      assert.deepEqual(await idsOf(batch), ['1', '5'])
      assert.deepEqual(await idsOf(batch.inOrder()), ['1', 'update', '5'])
    }
  })

  test('goes together with what came before and after it, and with what comes in parts', async (t) => {
    const { feed, next } = bench(t)
    feed.push(
      part(6, insert('a')),
      commit(1),
      run(commit(2), commit(3)),
      run(commit(4), commit(5)),
      ...[commit(6, [insert('b')]), run(commit(7))],
    )
    const batch = (await next()) ?? assert.fail()
    assert.deepEqual([span(batch), batch.transactions], ['0..7', 7])
    assert.deepEqual(await idsOf(batch), ['1', '2', '3', '4', '5', 'a', 'b', '7'])
  })

  test('waits behind a change of shape, and is not mixed with it', async (t) => {
    const { feed, next } = bench(t)
    const schema: Change = { kind: 'schema', from: table, to: { ...table } }
    feed.push(run(commit(1), commit(2)), commit(3, [schema]), run(commit(4), commit(5)))
    const spans = [await next(), await next(), await next()].map(span)
    assert.deepEqual(spans, ['0..2', '2..3', '3..5'])
  })

  test('of which some was there before is taken from where it goes on', async (t) => {
    const { feed, next } = bench(t, { after: place(3) })
    feed.push(run(commit(1), commit(2)), run(commit(3)), progress(3))
    feed.push(run(commit(2), commit(3), commit(4), commit(5, [insert('5'), insert('5b')])))
    const batch = (await next()) ?? assert.fail()
    assert.deepEqual([span(batch), batch.transactions, batch.changes], ['3..5', 2, 3])
    assert.deepEqual(await idsOf(batch), ['4', '5', '5b'])
    assert.deepEqual(await apart(batch), [
      ['3..4', '4'],
      ['4..5', '5', '5b'],
    ])
  })

  test('is cut in halves inside, down to single transactions', async (t) => {
    const { feed, next } = bench(t)
    feed.push(
      run(commit(1), commit(2, []), commit(3, [insert('3a'), insert('3b')]), commit(4)),
      commit(5),
      run(commit(6), commit(7), commit(8)),
      progress(20),
    )
    const batch = (await next()) ?? assert.fail()
    assert.deepEqual([span(batch), batch.transactions], ['0..20', 8])
    assert.deepEqual(await apart(batch), [
      ['0..1', '1'],
      ['1..2'],
      ['2..3', '3a', '3b'],
      ['3..4', '4'],
      ['4..5', '5'],
      ['5..6', '6'],
      ['6..7', '7'],
      ['7..20', '8'],
    ])
    const [first, second] = batch.halves() ?? assert.fail()
    assert.deepEqual(
      [describePositions(first.newest), describePositions(second.newest)],
      ['4', '8'],
    )
  })

  test('leaves out what copies hold, transaction by transaction', async (t) => {
    const route = new Route(compare, [copiedAt(table, 0), copiedAt(other, 10)])
    const { feed, next } = bench(t, { route })
    const truncate: Change = { kind: 'truncate', tables: [table, other], restartSequences: false }
    feed.push(
      run(commit(8, [truncate]), both(9), commit(10, [insert('x', other)]), both(11)),
      run(both(12), both(13)),
    )
    const batch = (await next()) ?? assert.fail()
    assert.deepEqual([span(batch), batch.transactions, batch.changes], ['0..13', 6, 10])
    const [first] = await stepsOf(batch)
    assert.ok(first?.kind === 'truncate')
    assert.deepEqual(first.tables, [table])
    const held = (order: number): string[] => [`${order}`, `${order} held`]
    assert.deepEqual(await idsOf(batch.inOrder()), [
      ...['truncate', '9'],
      ...held(11),
      ...held(12),
      ...held(13),
    ])
    const [before, after] = batch.halves() ?? assert.fail()
    assert.deepEqual(await apart(before), [['0..8', 'truncate'], ['8..9', '9'], ['9..10']])
    assert.deepEqual(await apart(after), [
      ['10..11', ...held(11)],
      ['11..12', ...held(12)],
      ['12..13', ...held(13)],
    ])
  })

  test('of nothing but what copies hold moves the mirror on', async (t) => {
    const route = new Route(compare, [copiedAt(table, 10)])
    const { feed, next } = bench(t, { route })
    feed.push(run(commit(8), commit(9)))
    const batch = await next()
    assert.equal(span(batch), '0..9')
    assert.deepEqual(await stepsOf(batch), [])
  })

  test('says when the newest transaction committed of which that is known', async (t) => {
    const { feed, next } = bench(t)
    const unknown = { ...commit(4), committedAt: null }
    feed.push(
      run({ ...commit(2), committedAt: 7n }, { ...commit(3), committedAt: 8n }, unknown),
      run(unknown),
    )
    assert.equal((await next())?.committedAt, 8n)
    feed.push(run({ ...commit(5), committedAt: null }))
    assert.equal((await next())?.committedAt, null)
  })

  test('fills a batch, and what comes after it waits', async (t) => {
    const { feed, next } = bench(t, { limits: { ...wide, rows: 3 } })
    feed.push(commit(1))
    await next()
    feed.push(run(commit(2), commit(3), commit(4), commit(5)))
    feed.push(run(commit(6), commit(7)))
    await settle()
    assert.equal(feed.taken, 2)
    assert.deepEqual([span(await next()), span(await next())], ['1..5', '5..7'])
  })

  test('without any change weighs something, so that a batch ends', async (t) => {
    const { feed, next } = bench(t, { limits: { ...wide, bytes: 40_000 } })
    feed.push(commit(1))
    await next()
    for (let burst = 0; burst < 20; burst++) {
      const orders = Array.from({ length: 100 }, (_, i) => 2 + burst * 100 + i)
      feed.push(run(...orders.map((order) => commit(order, []))))
    }
    await settle()
    assert.equal(feed.taken, 1 + 10)
    assert.equal((await next())?.transactions, 1000)
    await settle()
    assert.equal((await next())?.transactions, 1000)
  })
})
