import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Step } from '../../../../src/model/batch.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { startProxy } from '../../../../testkit/proxy.ts'
import { database, postgres } from '../../../../testkit/servers/index.ts'
import {
  at,
  batch,
  copyData,
  LANE,
  open,
  orderOf,
  planFor,
  rows,
  stand,
  table,
  types,
} from './support.ts'

const things = table('things', { id: types.int, name: types.text })
const never = new AbortController().signal

function born(id: number): Step {
  return { kind: 'insert', table: things, rows: rows([String(id), 'x']), existing: 'refuse' }
}

for (const major of [14, 18] as const) {
  test(`${major}: what is applied becomes durable by itself, at once when it must`, async (t) => {
    await using made = await stand(t, major, [things])
    const { target } = made
    await target.apply(batch(1, 2, [born(1)]), 'pg-text')
    await eventually('the batch is durable', async () => {
      return (await target.durable()).get(LANE)?.order === 2n
    })
    await target.apply(batch(2, 3, [born(2)], { flush: true }), 'pg-text')
    assert.deepEqual(await target.durable(), at(3))
  })

  test(`${major}: a crash takes rows and checkpoint back together, and never what was durable`, async (t) => {
    // Without the writer's rounds nothing but a waiting commit flushes.
    await using server = await postgres(major, { settings: { wal_writer_delay: '10s' } })
    const db = await database(t, server)
    let order = 1
    let durable = 1
    {
      await using made = await stand(t, db, [things])
      for (; order < 400; order++) {
        const flush = order === 100
        await made.target.apply(batch(order, order + 1, [born(order)], { flush }), 'pg-text')
        const reached = (await made.target.durable()).get(LANE)?.order ?? 0n
        durable = Math.max(durable, Number(reached))
      }
      await server.restart('immediate')
      await eventually('the loss is seen', () => made.claim.lost.aborted)
      assert.ok(made.claim.lost.reason instanceof Fault && made.claim.lost.reason.transient)
    }
    await using target = await open(db.url)
    await using claim = await target.claim({ settings: {}, patience: 20_000 }, never)
    const stands = Number(claim.checkpoint?.positions.get(LANE)?.order)
    assert.ok(stands >= durable, `${stands} is before ${durable}`)
    assert.ok(durable >= 101)
    t.diagnostic(`applied up to ${order}, durable up to ${durable}, found at ${stands}`)
    const [found] = await db.query('select count(*) as n, max(id) as last from things')
    assert.deepEqual(found, { n: String(stands - 1), last: String(stands - 1) })
    assert.deepEqual(await target.durable(), at(stands))
  })

  test(`${major}: a COMMIT whose reply is lost is found in the checkpoint`, async (t) => {
    const db = await database(t, major)
    await using proxy = await startProxy(db.server)
    {
      await using target = await open(proxy.url(db.url))
      await using claim = await target.claim({ settings: {}, patience: 0 }, never)
      await target.prepare(planFor([things]))
      await target.begin([things], { positions: at(1), source: {}, first: true })
      await target.copied(things)
      await target.apply(batch(1, 2, [born(1)]), 'pg-text')
      // The oldest connection is the one that applies; its next answer is lost on the way.
      const [apply] = proxy.open
      assert.ok(apply !== undefined)
      apply.cutAfter(30)
      const lost = target.apply(batch(2, 3, [born(2)]), 'pg-text')
      await assert.rejects(lost, (error: unknown) => error instanceof Fault && error.transient)
      await eventually('the claim is lost', () => claim.lost.aborted)
    }
    await using again = await open(db.url)
    await using claim = await again.claim({ settings: {}, patience: 20_000 }, never)
    const [found] = await db.query('select count(*) as n from things')
    const stands = claim.checkpoint?.positions.get(LANE)?.order
    assert.equal(stands, BigInt(found?.['n'] ?? 0) + 1n)
    if (stands === 2n) await again.apply(batch(2, 3, [born(2)]), 'pg-text')
    assert.equal(await orderOf(again), 3n)
  })
}

test('a target that says nothing any more is given up, whatever waits for it', async (t) => {
  const db = await database(t, 18)
  await using proxy = await startProxy(db.server)
  await using target = await open(proxy.url(db.url))
  await using claim = await target.claim({ settings: {}, patience: 0 }, never)
  await target.prepare(planFor([things]))
  await target.begin([things], { positions: at(1), source: {}, first: true })
  const endless = (async function* () {
    for (let i = 0; ; i++) yield await Promise.resolve(copyData(Buffer.from(`${i}\tx\n`)))
  })()
  const copying = target.copy(
    { table: things, index: 0, of: 1 },
    { encoding: 'pg-copy-text', data: endless },
    never,
  )
  copying.catch(() => undefined)
  proxy.freezeAll()
  const refused = target.apply(batch(1, 2, [born(1)]), 'pg-text')
  await assert.rejects(refused, (error: unknown) => error instanceof Fault && error.transient)
  await assert.rejects(copying, (error: unknown) => error instanceof Fault && error.transient)
  assert.ok(claim.lost.aborted)
  proxy.cutAll()
})
