import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Part, Step } from '../../../../src/model/batch.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { frame } from '../../../../src/model/tuple.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { startProxy } from '../../../../testkit/proxy.ts'
import { mysqlDatabase } from '../../../../testkit/servers/index.ts'
import { at, batch, orderOf, planFor, rows, table, types } from '../postgres/support.ts'
import { faultOf, kinds, open, stand } from './support.ts'

const things = table('things', { id: types.int, name: types.text })
const born: Step = {
  kind: 'insert',
  table: things,
  rows: rows(['1', 'a'], ['2', 'b']),
  existing: 'refuse',
}
const never = new AbortController().signal

/** As if the holder had not been heard of for an hour, however often it renews. */
const silence = [
  `create trigger unheard before update on _holdfast_leases for each row
     set new.renewed_at = utc_timestamp(6) - interval 1 hour`,
  'update _holdfast_leases set epoch = epoch',
]

for (const kind of kinds) {
  test(`${kind}: who stopped within a batch is ended, and its rows are not there`, async (t) => {
    await using made = await stand(t, kind, [things])
    const { target, db, claim } = made
    const stopped = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    async function* parts(): AsyncIterable<Part> {
      // Enough for a packet of its own, so that rows are written and locked.
      const many = Array.from({ length: 3000 }, (_, i) => [String(i + 10), 'x'.repeat(500)])
      yield { steps: [{ ...born, rows: rows(...many) } as Step] }
      reached.resolve()
      await stopped.promise
    }
    const first = target.apply({ ...batch(1, 2, []), parts: parts() }, 'values')
    first.catch(() => undefined)
    await reached.promise
    for (const sql of silence) await db.query(sql)
    await using other = await open(db.url)
    await using taken = await other.claim({ settings: {}, patience: 20_000 }, never)
    await db.query('drop trigger unheard')
    assert.ok(taken.epoch > claim.epoch)
    assert.deepEqual(await db.query('select * from things'), [])
    await other.apply(batch(1, 2, [born]), 'values')
    stopped.resolve()
    await assert.rejects(first, Fault)
    await eventually('the loss is known', () => claim.lost.aborted)
    await assert.rejects(target.prepare(planFor([things])), Fault)
    assert.equal(await orderOf(other), 2n)
    assert.deepEqual(await db.query('select id from things order by id'), [
      { id: '1' },
      { id: '2' },
    ])
  })

  test(`${kind}: whoever does not know yet that it lost the mirror writes nothing`, async (t) => {
    await using made = await stand(t, kind, [things])
    const { target, db, claim } = made
    await target.begin([things], { positions: at(1), source: {}, first: false })
    await db.query('update _holdfast_mirrors set epoch = epoch + 1')
    await db.query('update _holdfast_lanes set epoch = epoch + 1')
    const chunk = { table: things, index: 0, of: 1 }
    async function* framed(): AsyncIterable<Buffer> {
      yield frame([...rows(['5', 'copied'])])
    }
    const copied = { encoding: 'values', data: framed() }
    const writes: Readonly<Record<string, () => Promise<unknown>>> = {
      apply: () => target.apply(batch(1, 2, [born]), 'values'),
      copy: () => target.copy(chunk, copied, never),
      copied: () => target.copied(things),
      begin: () => target.begin([things], { positions: at(9), source: {}, first: true }),
      prepare: () => target.prepare(planFor([table('more', { id: types.int })])),
      finish: () => target.finish(),
    }
    for (const [what, write] of Object.entries(writes)) {
      assert.equal((await faultOf(write())).code, 'HF-X102', what)
    }
    assert.equal(claim.lost.aborted, false)
    assert.equal(await orderOf(target), 1n)
    assert.deepEqual(await db.query('select * from things'), [])
    assert.deepEqual(await db.query(`show tables like 'more'`), [])
    const [state] = await db.query('select state, rows_copied as n from _holdfast_tables')
    assert.deepEqual(state, { state: 'copying', n: '0' })
  })

  test(`${kind}: a connection that breaks while the lease is renewed is a loss that passes`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    await using proxy = await startProxy({ port: Number(new URL(db.url).port) })
    await using made = await stand(t, { ...db, url: proxy.url(db.url) }, [])
    const before = new Map(proxy.open.map((way) => [way, way.sent]))
    for (const way of proxy.open) way.mute()
    const { lost } = made.claim
    // One that was on its way already gets no answer, which is a loss, too.
    const renewing = await eventually(
      'a renewal is on its way',
      () => lost.aborted || proxy.open.find((way) => way.sent > (before.get(way) ?? 0)),
    )
    if (renewing !== true) renewing.cut()
    await eventually('the loss is known', () => lost.aborted)
    assert.ok(lost.reason instanceof Fault)
    assert.equal(lost.reason.code, 'HF-T201')
    assert.equal(lost.reason.transient, true)
  })

  test(`${kind}: the state is made once however many claim, each mirror for itself`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    const targets = await Promise.all(['a', 'b', 'c', 'c'].map((name) => open(db.url, name)))
    const claims = await Promise.allSettled(
      targets.map((target) => target.claim({ settings: {}, patience: 0 }, never)),
    )
    const had = claims.filter(({ status }) => status === 'fulfilled')
    assert.equal(had.length, 3)
    const [refused] = claims.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    assert.ok(refused instanceof Fault && refused.code === 'HF-X101', String(refused))
    assert.deepEqual(await targets[0]?.mirrors(), ['a', 'b', 'c'])
    for (const one of claims) if (one.status === 'fulfilled') await one.value[Symbol.asyncDispose]()
    for (const target of targets) await target[Symbol.asyncDispose]()
  })

  test(`${kind}: a state of a later version is not touched`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    {
      await using made = await stand(t, db, [things])
      assert.ok(made.claim.epoch > 0n)
    }
    await db.query('update _holdfast_about set version = 99')
    await using target = await open(db.url)
    assert.equal((await faultOf(target.checkpoint())).code, 'HF-X106')
    assert.equal(
      (await faultOf(target.claim({ settings: {}, patience: 0 }, never))).code,
      'HF-X106',
    )
  })
}
