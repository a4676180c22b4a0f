import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holdfast } from '../../../testkit/child.ts'
import { as, pair, refused, scratch } from './support.ts'

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

test('a state at the target that somebody has bent', async (t) => {
  const { source, target, ends } = await pair(t)
  const ended = async (...words: string[]): Promise<void> => {
    await using child = holdfast(words, { cwd: scratch(t) })
    assert.equal((await child.end()).code, 0, child.lines.join('\n'))
  }
  await ended('run', ...ends, '--name', 'bent', '--until', 'caught-up')
  const words = ['run', ...ends, '--name', 'bent']
  for (const [bend, mend, says] of [
    ['lanes set "order" = "order" + 0.5', 'lanes set "order" = trunc("order")', /wal\.order/],
    [`tables set definition = '{}'`, '', /tables/],
  ] as const) {
    await target.query(`update _holdfast.${bend}`)
    await refused(t, { untouched: [source, target], words, code: 'HF-X108', exit: 4, says })
    if (mend !== '') await target.query(`update _holdfast.${mend}`)
  }
  await ended('destroy', ...ends, '--name', 'bent', '--confirm', 'bent')
  assert.deepEqual(
    await target.query(`select 1 where to_regnamespace('_holdfast') is not null`),
    [],
  )
})
