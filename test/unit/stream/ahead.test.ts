import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Change } from '../../../src/model/change.ts'
import { tupleOf } from '../../../src/model/tuple.ts'
import { bench, commit, idsOf, insert, settle, span, table, wide } from './bench.ts'

const limits = { ...wide, rows: 2 }
const never = new Promise<void>(() => undefined)

function removal(id: string): Change {
  return { kind: 'delete', table, row: null, old: tupleOf([id]) }
}

/** True when it has settled by now. */
async function settled(work: Promise<unknown>): Promise<boolean> {
  await settle()
  return await Promise.race([work.then(() => true), settle().then(() => false)])
}

suite('while a batch is applied', () => {
  test('a full one of new rows is handed out after another such, and no third', async (t) => {
    const { feed, next } = bench(t, { limits })
    feed.push(commit(1))
    await next()
    for (let order = 2; order <= 7; order++) feed.push(commit(order))
    await settle()
    const first = await next()
    assert.equal(first?.additive, true)
    const second = await next(never)
    assert.deepEqual([span(first), span(second)], ['1..3', '3..5'])
    assert.equal(second?.additive, true)
    assert.deepEqual(await idsOf(second), ['4', '5'])
  })

  test('none is, where there is no connection to write it', async (t) => {
    const { feed, next } = bench(t, { limits, ahead: false })
    feed.push(commit(1))
    await next()
    for (let order = 2; order <= 7; order++) feed.push(commit(order))
    await settle()
    assert.equal((await next())?.additive, true)
    const busy = Promise.withResolvers<void>()
    const waiting = next(busy.promise)
    assert.equal(await settled(waiting), false)
    busy.resolve()
    assert.equal(span(await waiting), '3..5')
  })

  test('one that is not full waits, and is handed out when that is done', async (t) => {
    const { feed, next } = bench(t, { limits })
    feed.push(commit(1))
    await next()
    for (const order of [2, 3, 4]) feed.push(commit(order))
    await settle()
    assert.equal(span(await next()), '1..3')
    const busy = Promise.withResolvers<void>()
    const waiting = next(busy.promise)
    assert.equal(await settled(waiting), false)
    busy.resolve()
    const batch = await waiting
    assert.equal(span(batch), '3..4')
    assert.equal(batch?.additive, false)
  })

  for (const [what, before, after] of [
    ['after a batch that does more', [removal('1'), insert('9')], [insert('7'), insert('8')]],
    ['that does more', [insert('9'), insert('8')], [removal('1'), insert('7')]],
  ] as const) {
    test(`a full one ${what} waits`, async (t) => {
      const { feed, next } = bench(t, { limits })
      feed.push(commit(1))
      await next()
      for (const one of [commit(2, before), commit(3, after), commit(4)]) feed.push(one)
      await settle()
      assert.equal(span(await next()), '1..2')
      const busy = Promise.withResolvers<void>()
      const waiting = next(busy.promise)
      assert.equal(await settled(waiting), false)
      busy.resolve()
      assert.equal(span(await waiting), '2..3')
    })
  }

  test('its failure is heard by whoever waits for the next', async (t) => {
    const { feed, next } = bench(t, { limits })
    feed.push(commit(1))
    await next()
    const busy = Promise.withResolvers<void>()
    const waiting = next(busy.promise)
    busy.reject(new Error('refused'))
    await assert.rejects(waiting, /refused/)
  })
})
