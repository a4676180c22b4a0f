import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { Route } from '../../../src/apply/route.ts'
import type { Batch } from '../../../src/model/batch.ts'
import type { Change, StreamItem } from '../../../src/model/change.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { BatchOptions } from '../../../src/stream/batches.ts'
import { eventually } from '../../../testkit/eventually.ts'
import type { Feed } from '../../../testkit/memory/feed.ts'
import { compare, place } from '../places.ts'
import {
  type Bench,
  bench,
  commit,
  copiedAt,
  idsOf,
  insert,
  other,
  part,
  progress,
  settle,
  span,
  spillFolder,
  table,
  wide,
} from './bench.ts'

/** A part of a transaction that is known to have committed past `past`. */
const certain = (order: number, past: number, ...changes: readonly Change[]): StreamItem => ({
  ...(part(order, ...changes) as Extract<StreamItem, { kind: 'part' }>),
  committed: place(past),
})

const empties: Change = { kind: 'truncate', tables: [other], restartSequences: false }

async function growing(
  t: Parameters<typeof bench>[0],
  over: Partial<BatchOptions> = {},
): Promise<Bench & { readonly directory: string }> {
  const directory = await spillFolder(t)
  const limits = { ...wide, directory, memory: 0 }
  return { ...bench(t, { growing: true, limits, ...over }), directory }
}

/** All that was said has been read, and spilled. */
const dry = (feed: Feed): Promise<true> => {
  return eventually('everything was read', () => feed.dry, { within: 60_000 })
}

/** What a target does: the parts, and then what is said of the batch. */
const applied = async (batch: Batch | null): Promise<readonly [readonly string[], string]> => [
  await idsOf(batch),
  span(batch),
]

suite('a batch that grows', () => {
  test('is handed over before its transaction has been read to the end', async (t) => {
    const { feed, next, leave, directory } = await growing(t)
    feed.push(commit(1))
    assert.equal(span(await next()), '0..1')
    feed.push(certain(9, 8, insert('a')))
    const batch = await next()
    assert.ok(batch?.growing)
    assert.deepEqual(
      [span(batch), batch.transactions, batch.flush, batch.halves()],
      ['1..1', 1, true, null],
    )
    const all = applied(batch)
    feed.push(certain(9, 8, insert('b'), empties), certain(9, 8, insert('c')))
    await dry(feed)
    feed.push(commit(9, [insert('d')]), commit(10), progress(12))
    assert.deepEqual(await all, [['a', 'b', 'truncate', 'c', 'd'], '1..9'])
    assert.deepEqual([batch.growing, batch.changes, batch.committedAt], [false, 5, 1n])
    assert.deepEqual(await idsOf(batch.inOrder()), ['a', 'b', 'truncate', 'c', 'd'])
    assert.equal(span(await next()), '9..12')
    await leave()
    assert.deepEqual(await readdir(directory), [])
  })

  test('waits for its turn behind another one, and may be whole by then', async (t) => {
    // Whether it is whole when its turn comes is a race with the disk: it is run until it was.
    const isWhole = async (): Promise<boolean> => {
      const { feed, next } = await growing(t)
      feed.push(commit(1), certain(5, 4, insert('a')), progress(3))
      assert.deepEqual(await applied(await next()), [['1'], '0..1'])
      feed.push(commit(5, []), certain(7, 6, insert('b')), commit(7, [insert('c')]), progress(8))
      await settle()
      const first = await next()
      const grew = first?.growing
      assert.deepEqual(await applied(first), [['a'], '1..5'])
      assert.deepEqual(await applied(await next()), [['b', 'c'], '5..8'])
      return grew === false
    }
    await eventually('it was whole when its turn came', isWhole, { within: 60_000 })
  })

  test('is not made of what may be taken back, was seen before, or is held by a copy', async (t) => {
    const route = new Route(compare, [copiedAt(table, 0), copiedAt(other, 6)])
    const { feed, next } = await growing(t, { route, after: place(3) })
    feed.push(certain(3, 2, insert('seen')), commit(3, []))
    feed.push(part(5, insert('a')), commit(5, []))
    assert.deepEqual(await applied(await next()), [['a'], '3..5'])
    feed.push(certain(6, 5, insert('b'), insert('held', other)))
    const held = next()
    await dry(feed)
    feed.push(commit(6, []))
    assert.deepEqual(await applied(await held), [['b'], '5..6'])
    feed.push(certain(9, 8, insert('c', other)))
    const batch = await next()
    assert.ok(batch?.growing)
    feed.push(commit(9, []))
    assert.deepEqual(await applied(batch), [['c'], '6..9'])
  })

  test('is read to its end by who was asked to stop', async (t) => {
    const { feed, next, drain } = await growing(t)
    feed.push(certain(5, 4, insert('a')))
    const batch = await next()
    drain.abort()
    await dry(feed)
    feed.push(certain(5, 4, insert('b')), commit(5, []))
    assert.deepEqual(await applied(batch), [['a', 'b'], '0..5'])
    feed.push(commit(6))
    assert.equal(span(await next()), 'end')
  })

  test('fails with what kept it from being read, and with it the stream', async (t) => {
    const { feed, next } = await growing(t)
    feed.push(certain(5, 4, insert('a')))
    const batch = await next()
    const gone = new Error('the log is gone')
    feed.fail(gone)
    await assert.rejects(idsOf(batch), gone)
    await assert.rejects(batch?.grown() ?? assert.fail(), gone)
    await assert.rejects(next(), gone)
  })

  test('says so when its transaction is to be read anew', async (t) => {
    const { feed, next } = await growing(t)
    feed.push(certain(5, 4, insert('a')))
    const batch = await next()
    feed.push({ kind: 'discard', transaction: 'x5', sub: null })
    const isFault = (error: unknown): boolean =>
      error instanceof Fault && error.code === 'HF-L119' && error.transient
    await assert.rejects(idsOf(batch), isFault)
    await assert.rejects(next(), isFault)
  })
})
