import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Step } from '../../../../src/model/batch.ts'
import { pgbouncer } from '../../../../testkit/pgbouncer.ts'
import { database, openSession, postgres } from '../../../../testkit/servers/index.ts'
import { at, batch, copyData, LANE, open, orderOf, planFor, rows, table, types } from './support.ts'

const things = table('things', { id: types.int, name: types.text })
const never = new AbortController().signal

function steps(from: number, count: number): Step[] {
  const ids = Array.from({ length: count }, (_, i) => String(from + i))
  const half = ids.slice(0, count / 2)
  return [
    {
      kind: 'insert',
      table: things,
      rows: rows(...ids.map((id) => [id, 'a'])),
      existing: 'refuse',
    },
    {
      kind: 'update',
      table: things,
      set: [1],
      rows: rows(...ids.map((id) => [id, 'b'])),
      old: null,
    },
    { kind: 'delete', table: things, old: rows(...half.map((id) => [id, null])) },
  ]
}

for (const major of [14, 18] as const) {
  test(`${major}: everything works through a pooler of transactions`, async (t) => {
    const db = await database(t, major)
    await using pooler = await pgbouncer(await postgres(major), {
      settings: { default_pool_size: '3' },
    })
    // What the session would be without our settings.
    await db.query(`alter database "${db.name}" set datestyle = 'SQL, DMY'`)
    await db.query(`alter database "${db.name}" set search_path = nowhere`)
    await using target = await open(pooler.url(db.name))
    await using claim = await target.claim({ settings: {}, patience: 0 }, never)
    assert.equal(claim.epoch, 1n)
    await target.prepare(planFor([things]))
    await target.begin([things], { positions: at(1), source: {}, first: true })
    const data = (async function* () {
      yield await Promise.resolve(copyData(Buffer.from('1000000\tc\n')))
    })()
    assert.equal(
      await target.copy(
        { table: things, index: 0, of: 1 },
        { encoding: 'pg-copy-text', data: data },
        never,
      ),
      1,
    )
    await target.copied(things)
    await target.finish()
    await target.apply(batch(1, 2, steps(0, 10)), 'pg-text')
    // Somebody else takes the backend that we had; we are given another one.
    await using rival = await openSession(pooler.url(db.name))
    await rival.query('begin')
    await target.apply(batch(2, 3, steps(100, 1000)), 'pg-text')
    await rival.query('commit')
    await target.apply(batch(3, 4, steps(5000, 1000), { flush: true }), 'pg-text')
    const bad: Step = { kind: 'delete', table: things, old: rows(['77777777', null]) }
    await assert.rejects(target.apply(batch(4, 5, [...steps(9000, 200), bad]), 'pg-text'), /row/)
    assert.equal(await orderOf(target), 4n)
    await target.apply(batch(4, 5, steps(9000, 200)), 'pg-text')
    assert.deepEqual(
      await db.query(`select name, count(*) as n from things group by 1 order by 1`),
      [
        { name: 'b', n: String(5 + 500 + 500 + 100) },
        { name: 'c', n: '1' },
      ],
    )
    assert.ok(((await target.durable()).get(LANE)?.order ?? 0n) >= 4n)
    const left = await db.query(`select relname from pg_class where relname like 'hf_%'`)
    assert.deepEqual(left, [])
    await assertClean(db)
  })
}

/** The pooler's other clients must not meet settings or statements of ours. */
async function assertClean(db: { query(sql: string): Promise<readonly unknown[]> }): Promise<void> {
  const temps = await db.query(`select 1 from pg_class where relpersistence = 't'`)
  assert.deepEqual(temps, [])
}
