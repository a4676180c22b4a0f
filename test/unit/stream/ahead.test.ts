import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import type { Batch } from '../../../src/model/batch.ts'
import type { Change } from '../../../src/model/change.ts'
import { tupleOf } from '../../../src/model/tuple.ts'
import { type Bench, bench, commit, idsOf, insert, settle, span, table, wide } from './bench.ts'

const limits = { ...wide, rows: 2 }
const never = new Promise<void>(() => undefined)

function removal(id: string): Change {
  return { kind: 'delete', table, row: null, old: tupleOf([id]) }
}

/** A bench that handed out its first batch when nothing was to be done, with the others waiting. */
async function following(
  t: TestContext,
  commits: readonly ReturnType<typeof commit>[],
  over: Parameters<typeof bench>[1] = {},
): Promise<Bench> {
  const made = bench(t, { limits, ...over })
  made.feed.push(commit(1))
  await made.next()
  for (const one of commits) made.feed.push(one)
  await settle()
  return made
}

/** The next batch, which is handed out when the one before it is done, and not earlier. */
async function inItsTurn(next: Bench['next']): Promise<Batch | null> {
  const busy = Promise.withResolvers<void>()
  const waiting = next(busy.promise)
  await settle()
  const early = await Promise.race([waiting.then(() => true), settle().then(() => false)])
  assert.equal(early, false)
  busy.resolve()
  return await waiting
}

const plain = (...orders: readonly number[]) => orders.map((order) => commit(order))

suite('while a batch is applied', () => {
  test('a full one of new rows is handed out after another such', async (t) => {
    const { next } = await following(t, plain(2, 3, 4, 5, 6, 7))
    const first = await next()
    assert.equal(first?.additive, true)
    const second = await next(never)
    assert.deepEqual([span(first), span(second)], ['1..3', '3..5'])
    assert.equal(second?.additive, true)
    assert.deepEqual(await idsOf(second), ['4', '5'])
  })

  test('none is, where there is no connection to write it', async (t) => {
    const { next } = await following(t, plain(2, 3, 4, 5, 6, 7), { ahead: false })
    assert.equal((await next())?.additive, true)
    assert.equal(span(await inItsTurn(next)), '3..5')
  })

  test('one that is not full waits, and is handed out when that is done', async (t) => {
    const { next } = await following(t, plain(2, 3, 4))
    assert.equal(span(await next()), '1..3')
    const batch = await inItsTurn(next)
    assert.equal(span(batch), '3..4')
    assert.equal(batch?.additive, false)
  })

  for (const [what, before, after] of [
    ['after a batch that does more', [removal('1'), insert('9')], [insert('7'), insert('8')]],
    ['that does more', [insert('9'), insert('8')], [removal('1'), insert('7')]],
  ] as const) {
    test(`a full one ${what} waits`, async (t) => {
      const { next } = await following(t, [commit(2, before), commit(3, after), commit(4)])
      assert.equal(span(await next()), '1..2')
      assert.equal(span(await inItsTurn(next)), '2..3')
    })
  }

  test('its failure is heard by whoever waits for the next', async (t) => {
    const { next } = await following(t, [])
    const busy = Promise.withResolvers<void>()
    const waiting = next(busy.promise)
    busy.reject(new Error('refused'))
    await assert.rejects(waiting, /refused/)
  })
})
