import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Step } from '../../../../src/model/batch.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { database, openSession } from '../../../../testkit/servers/index.ts'
import { at, batch, open, orderOf, planFor, rows, table, types } from './support.ts'

const parents = table('parents', { id: types.int })
const children = table('children', { id: types.int, parent: types.int })
const never = new AbortController().signal

function insert(of: typeof parents, ...cells: readonly string[][]): Step {
  return { kind: 'insert', table: of, rows: rows(...cells), existing: 'refuse' }
}

for (const major of [14, 18] as const) {
  test(`${major}: a role that may create in the database is enough`, async (t) => {
    const db = await database(t, major)
    const role = `mirror_${db.name}`
    await db.query(`create role ${role} login; grant create on database ${db.name} to ${role}`)
    await db.query(`create schema shop authorization ${role}`)
    t.after(async () => {
      await using admin = await openSession(db.server.url())
      await admin.query(`drop role ${role}`)
    })
    const url = new URL(db.url)
    url.username = role
    const own = [parents, children].map((one) => ({ ...one, schema: 'shop' }))
    const [mine, theirs] = own
    assert.ok(mine !== undefined && theirs !== undefined)
    await using target = await open(url.href)
    await using claim = await target.claim({ settings: {}, patience: 0 }, never)
    assert.equal(claim.epoch, 1n)
    await target.prepare(planFor(own))
    await target.begin(own, { positions: at(1), source: {}, first: true })
    await target.copied(mine)
    await target.copied(theirs)
    await target.finish()
    await db.query(`set role ${role}; alter table shop.children add foreign key (parent)
      references shop.parents deferrable initially deferred; reset role`)
    const steps = [insert(theirs, ['1', '5']), insert(mine, ['5'])]
    await target.apply(batch(1, 2, steps), 'pg-text')
    assert.equal(await orderOf(target), 2n)
    const orphan = target.apply(batch(2, 3, [insert(theirs, ['2', '6'])]), 'pg-text')
    await assert.rejects(orphan, (error: unknown) => {
      assert.ok(error instanceof Fault)
      assert.equal(error.code, 'HF-T205')
      assert.equal(error.detail.table, 'shop.children')
      return true
    })
    const both: Step = { kind: 'truncate', tables: own, restartSequences: false }
    await target.apply(batch(2, 3, [both]), 'pg-text')
    assert.deepEqual(await db.query('select 1 from shop.children'), [])
  })
}
