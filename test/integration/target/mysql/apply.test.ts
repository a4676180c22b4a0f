import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Step } from '../../../../src/model/batch.ts'
import type { Table } from '../../../../src/model/table.ts'
import { Tuples } from '../../../../src/model/tuples.ts'
import { mysqlDatabase } from '../../../../testkit/servers/index.ts'
import { batch, orderOf, rows, table, types } from '../postgres/support.ts'
import { faultOf, kinds, stand } from './support.ts'

const things = table('things', { id: types.int, name: types.text })
/** A key of two columns, the second one first, that stands last. */
const pairs = table(
  'pairs',
  { note: types.text, a: types.text, b: types.int, big: types.text },
  { by: 'key', columns: [2, 1] },
)

type Cells = readonly (string | null | undefined)[]

function insert(into: Table, cells: readonly Cells[]): Step {
  return { kind: 'insert', table: into, rows: rows(...cells), existing: 'refuse' }
}
function update(of: Table, set: readonly number[], cells: readonly Cells[]): Step {
  return { kind: 'update', table: of, set, rows: rows(...cells), old: null }
}
function remove(from: Table, cells: readonly Cells[]): Step {
  return { kind: 'delete', table: from, old: rows(...cells) }
}

const some = (count: number, cells: (i: number) => Cells): readonly Cells[] =>
  Array.from({ length: count }, (_, i) => cells(i))

for (const kind of kinds) {
  for (const count of [1, 7, 8, 700]) {
    test(`${kind}: of ${count} rows one is missing: all are refused, and found again later`, async (t) => {
      await using made = await stand(t, kind, [things, pairs])
      const { target, db } = made
      const named = some(count, (i) => [String(i), `n${i}`])
      const paired = some(count, (i) => ['note', `a${i % 7}`, String(i), 'large'])
      await target.apply(batch(1, 2, [insert(things, named), insert(pairs, paired)]), 'values')
      const steps: readonly Step[] = [
        update(
          things,
          [0, 1],
          some(count, (i) => [String(i), 'x']),
        ),
        update(
          pairs,
          [0, 1, 2],
          some(count, (i) => ['y', `a${i % 7}`, String(i), undefined]),
        ),
        remove(things, named),
        remove(pairs, paired),
      ]
      for (const step of steps) {
        const { name } = (step as { readonly table: Table }).table
        await db.query(`create table kept as select * from ${name}`)
        await db.query(`delete from ${name} order by ${name === 'things' ? 'id' : 'b'} limit 1`)
        const more = insert(things, [['-1', 'more']])
        const fault = await faultOf(target.apply(batch(2, 3, [more, step]), 'values'))
        assert.equal(fault.code, 'HF-D201', fault.message)
        assert.equal(fault.detail.table, `public.${name}`)
        assert.equal(await orderOf(target), 2n)
        assert.deepEqual(await db.query('select * from things where id = -1'), [])
        const [left] = await db.query(`select count(*) as n from ${name}`)
        assert.equal(left?.['n'], String(count - 1))
        await db.query(`replace into ${name} select * from kept; drop table kept`)
      }
      await target.apply(batch(2, 3, steps.slice(0, 2)), 'values')
      const [x] = await db.query(`select count(*) as n from things where name = 'x'`)
      const [y] = await db.query(
        `select count(*) as n from pairs where note = 'y' and big = 'large'`,
      )
      assert.deepEqual([x?.['n'], y?.['n']], [String(count), String(count)])
      await target.apply(batch(3, 4, steps.slice(2)), 'values')
      assert.deepEqual(await db.query('select id from things union all select b from pairs'), [])
    })
  }

  test(`${kind}: a table that was found is written by its own key and keeps its other columns`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    await db.query(
      `create table things (own int auto_increment primary key, name varchar(50) not null,
         id bigint not null, more varchar(9) not null default 'kept', unique key found_by (id))`,
    )
    await using made = await stand(t, db, [things])
    const { target } = made
    const named = some(20, (i) => [String(i), `n${i}`])
    await target.apply(batch(1, 2, [insert(things, named)]), 'values')
    // The primary key is another unique index: rows go one by one.
    await target.apply(
      batch(2, 3, [
        update(
          things,
          [0, 1],
          some(20, (i) => [String(i), 'x']),
        ),
        remove(things, named.slice(10)),
      ]),
      'values',
    )
    const found = await db.query(`select count(*) as n, min(own) as a, max(own) as b from things
      where name = 'x' and more = 'kept' and own = id + 1`)
    assert.deepEqual(found, [{ n: '10', a: '1', b: '10' }])
  })

  test(`${kind}: zero is a value of a counter, and no rows are no statement`, async (t) => {
    const db = await mysqlDatabase(t, kind)
    await db.query('create table things (id int auto_increment primary key, name longtext)')
    await using made = await stand(t, db, [things])
    await made.target.apply(batch(1, 2, [insert(things, [['0', 'zero']])]), 'values')
    assert.deepEqual(await db.query('select * from things'), [{ id: '0', name: 'zero' }])
    const none = Tuples.of([])
    await made.target.apply(
      batch(2, 3, [{ kind: 'insert', table: things, rows: none, existing: 'refuse' }]),
      'values',
    )
  })
}

for (const kind of kinds) {
  test(`${kind}: a table that the source emptied is whole again when the batch is refused`, async (t) => {
    await using made = await stand(t, kind, [things])
    const { target, db } = made
    await target.apply(batch(1, 2, [insert(things, [['1', 'a']])]), 'values')
    const emptied: Step = { kind: 'truncate', tables: [things], restartSequences: true }
    const fault = await faultOf(
      target.apply(batch(2, 3, [emptied, remove(things, [['2', null]])]), 'values'),
    )
    assert.equal(fault.code, 'HF-D201')
    assert.deepEqual(await db.query('select * from things'), [{ id: '1', name: 'a' }])
    await target.apply(batch(2, 3, [emptied, insert(things, [['1', 'b']])]), 'values')
    assert.deepEqual(await db.query('select * from things'), [{ id: '1', name: 'b' }])
  })
}
