import { test } from 'node:test'
import { as, pair, refused } from './support.ts'

test('a target table that holds rows already', async (t) => {
  const { source, target, ends } = await pair(t)
  await target.query('create table item (id int primary key, name text not null)')
  await target.query("insert into item values (9, 'mine')")
  const words = ['run', ...ends]
  const says = /item[\s\S]*merge[\s\S]*replace/
  await refused(t, { untouched: [source, target], words, code: 'HF-T222', exit: 4, says })
})

test('a target that is read-only', async (t) => {
  const { source, target, ends } = await pair(t)
  await target.query(`alter database ${target.name} set default_transaction_read_only = on`)
  const words = ['run', ...ends]
  const says = /read-only|read_only/
  await refused(t, { untouched: [source, target], words, code: 'HF-T215', exit: 4, says })
})

test('a target role without the right to create', async (t) => {
  const { source, target, ends } = await pair(t)
  const url = await as(t, target, 'login')
  const words = ['run', ...ends, '--target', url]
  const says = /GRANT/
  await refused(t, { untouched: [source, target], words, code: 'HF-T221', exit: 4, says })
})
