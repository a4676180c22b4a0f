import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertExact } from '../../../testkit/exact.ts'
import { database } from '../../../testkit/servers/index.ts'

const types = [
  `create type mood as enum ('sad', 'glad')`,
  'create domain code as varchar(9)',
  'create type pair as (m mood, c code[], n numeric)',
]
const rows = `create table item (id int, n numeric, f float8, p pair[], t text);
insert into item values (1, 1.10, '-0', array[row('sad', '{a,NULL}', 1.50)::pair, null], 'x'),
  (2, null, 'NaN', '{}', repeat('long', 500)), (2, null, 'NaN', '{}', repeat('long', 500))`

test('two databases are exact whatever OIDs and order they have, and a bent value is named', async (t) => {
  const source = await database(t, 18)
  const target = await database(t, 18)
  await source.query(`${types.join('; ')}; ${rows}`)
  await target.query(`${types[1]}; create table other (id int); drop table other;
    ${types[0]}; ${types[2]}; ${rows}; create temp table mine (id int)`)
  await target.query('update item set id = id')
  await assertExact(source, target)
  for (const [bend, mend, says] of [
    ['n = 1.1', 'n = 1.10', /item.*n: 1\.1 \[/s],
    [`f = '0'`, `f = '-0'`, /item.*f: 0 \[0{16}\]/s],
    ['p[1].n = 1.5', 'p[1].n = 1.50', /item.*p: .*1\.5\)/s],
    [`t = 'X'`, `t = 'x'`, /item.*t: X/s],
  ] as const) {
    await target.query(`update item set ${bend} where id = 1`)
    await assert.rejects(assertExact(source, target), says)
    await target.query(`update item set ${mend} where id = 1`)
    await assertExact(source, target)
  }
  await target.query('insert into item (id) values (9)')
  await assert.rejects(assertExact(source, target), /public\.item/)
  await target.query('delete from item where id = 9; create table more (id int)')
  await assert.rejects(assertExact(source, target), /public\.more/)
  await assertExact(target, target, { only: (table) => table !== 'public.nothing' })
})
