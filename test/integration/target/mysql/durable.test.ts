import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Step } from '../../../../src/model/batch.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { mysql, mysqlDatabase } from '../../../../testkit/servers/index.ts'
import { at, batch, LANE, rows, table, types } from '../postgres/support.ts'
import { kinds, open, stand } from './support.ts'

const things = table('things', { id: types.int, name: types.text })

function born(id: number): Step {
  return { kind: 'insert', table: things, rows: rows([String(id), 'x']), existing: 'refuse' }
}

for (const kind of kinds) {
  test(`${kind}: a server that waits for its disk has on it what it has committed`, async (t) => {
    const settings = { 'innodb-flush-log-at-trx-commit': '1', 'sync-binlog': '1' }
    await using server = await mysql(kind, { settings })
    await using made = await stand(t, server, [things])
    await made.target.apply(batch(1, 2, [born(1)]), 'values')
    assert.deepEqual(await made.target.durable(), at(2))
  })

  test(`${kind}: a crash takes rows and checkpoint back together, and never what was durable`, async (t) => {
    // Commits wait in memory for up to a second.
    const settings = { 'innodb-flush-log-at-trx-commit': '0' }
    await using server = await mysql(kind, { settings })
    const db = await mysqlDatabase(t, server)
    let order = 1
    let durable = 1
    {
      await using made = await stand(t, db, [things])
      for (; order < 400; order++) {
        const flush = order === 100
        await made.target.apply(batch(order, order + 1, [born(order)], { flush }), 'values')
        const reached = Number((await made.target.durable()).get(LANE)?.order ?? 0n)
        if (flush) assert.equal(reached, order + 1)
        durable = Math.max(durable, reached)
      }
      assert.ok(durable < order, 'not everything is on disk at once')
      await server.stop('crash')
      await eventually('the loss is seen', () => made.claim.lost.aborted)
      assert.ok(made.claim.lost.reason instanceof Fault && made.claim.lost.reason.transient)
      await server.start()
    }
    await using target = await open(db.url)
    const until = AbortSignal.timeout(60_000)
    await using claim = await target.claim({ settings: {}, patience: 20_000 }, until)
    const reached = Number(claim.checkpoint?.positions.get(LANE)?.order ?? 0n)
    assert.ok(reached >= durable, `${reached} of ${durable}`)
    const [row] = await db.query('select count(*) as n, max(id) as m from things')
    assert.deepEqual(row, { n: String(reached - 1), m: String(reached - 1) })
    await target.apply(batch(reached, reached + 1, [born(reached)], { flush: true }), 'values')
    assert.deepEqual(await target.durable(), at(reached + 1))
  })
}
