import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Step } from '../../../../src/model/batch.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { batch, orderOf, rows, stand, table, types } from './support.ts'

const things = table('things', { id: types.int, name: types.text })

/** Rows that the source says to be new, more than are written one by one. */
function told(from: number, to: number, name: string): Step {
  const some = Array.from({ length: to - from + 1 }, (_, i) => [
    `${from + i}`,
    `${name} ${from + i}`,
  ])
  return { kind: 'insert', table: things, rows: rows(...some), existing: 'overwrite', fresh: true }
}

const STAGES = `select count(*) as n from pg_class where relname like 'hf_update%'`
const NAMES = `select split_part(name, ' ', 1) as name, count(*) as n from things
  where split_part(name, ' ', 2) = id::text group by 1 order by 1`

async function refused(work: Promise<unknown>): Promise<Fault> {
  const thrown: unknown = await work.then(
    () => assert.fail('it was not refused'),
    (error: unknown) => error,
  )
  assert.ok(thrown instanceof Fault, String(thrown))
  return thrown
}

for (const major of [14, 18] as const) {
  test(`${major}: rows that are new are copied, and overwrite what is there where they are not`, async (t) => {
    await using made = await stand(t, major, [things])
    const { target, db } = made
    await target.apply(batch(1, 2, [told(1, 100, 'a')]), 'pg-text')
    assert.deepEqual(await db.query(STAGES), [{ n: '0' }])
    await target.apply(batch(2, 3, [told(200, 299, 'a'), told(51, 150, 'b')]), 'pg-text')
    assert.deepEqual(await db.query(STAGES), [{ n: '1' }])
    assert.deepEqual(await db.query(NAMES), [
      { name: 'a', n: '150' },
      { name: 'b', n: '100' },
    ])
    assert.equal(await orderOf(target), 3n)
    // From now on they are looked for.
    for (let i = 3; i < 40; i++) {
      await target.apply(batch(i, i + 1, [told(1, 299, `${i}`)]), 'pg-text')
      assert.deepEqual(await db.query(NAMES), [{ name: `${i}`, n: '299' }])
    }
  })

  test(`${major}: rows that are new are refused where another index or no index finds them`, async (t) => {
    await using made = await stand(t, major, [things])
    const { target, db } = made
    await db.query('create unique index only_one on things (name)')
    await target.apply(batch(1, 2, [told(1, 100, 'a')]), 'pg-text')
    await db.query(`update things set id = id + 1000 where id = 7`)
    const twice = await refused(target.apply(batch(2, 3, [told(7, 107, 'a')]), 'pg-text'))
    assert.equal(twice.code, 'HF-T205')
    assert.equal(twice.detail.evidence?.['constraint'], 'only_one')
    await db.query('drop index only_one; alter table things drop constraint things_pkey')
    // No table is hoped for right after that was in vain.
    for (let i = 2; i < 40; i++) {
      const loose = await refused(target.apply(batch(2, 3, [told(500, 600, 'c')]), 'pg-text'))
      assert.equal(loose.detail.evidence?.['sqlstate'], '42P10')
    }
    assert.equal(await orderOf(target), 2n)
    assert.deepEqual(await db.query('select count(*) as n from things'), [{ n: '100' }])
  })
}
