import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from '../../../src/model/fault.ts'
import { mirror } from '../../../testkit/mirror.ts'
import { database } from '../../../testkit/servers/index.ts'
import { closed, coveredTypes } from './edges.ts'
import { everyWay } from './every-way.ts'
import { accepts } from './made.ts'

// The other pairs of majors are in test/majors.
const ways = [
  { to: 18, form: 'pg-binary' },
  { to: 14, form: 'pg-text' },
  { to: 18, form: 'values' },
] as const
for (const from of [14, 18] as const) {
  const names = ways.map(({ to, form }) => `as ${form} to ${to}`).join(', ')
  test(`every type of ${from} by every way ${names}`, (t) => everyWay(t, { from, ways }))
}

for (const major of [14, 18] as const) {
  test(`every type of ${major} that a table can hold has its edges here or is refused by name`, async (t) => {
    const source = await database(t, major)
    const target = await database(t, major)
    const types = await source.query(`select typname as name, oid::regtype as sql from pg_type
      where typnamespace = 'pg_catalog'::regnamespace and typtype in ('b', 'r', 'm', 'e', 'd', 'c')
        and (typcategory <> 'A' or oid in (22, 30)) and typrelid = 0 and typisdefined`)
    const held: string[] = []
    for (const { name, sql } of types)
      if (await accepts(source, `create table "h_${name}" (id int primary key, v ${sql})`))
        held.push(String(name))
    assert.deepEqual(held.sort(), [...coveredTypes, ...closed].sort())
    const refused = await mirror(t, { source: source.url, target: target.url })
      .catchUp()
      .catch((error: unknown) => error)
    assert.ok(refused instanceof Fault, String(refused))
    assert.equal(refused.code, 'HF-D405')
    for (const name of closed) assert.match(refused.message, new RegExp(`h_${name}\\.v`))
    const [state] = await target.query(`select to_regnamespace('_holdfast') is null as untouched`)
    assert.equal(state?.['untouched'], 't')
  })
}
