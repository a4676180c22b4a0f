import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holdfast } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { pair, refused, scratch } from './support.ts'

test('a second process on a running mirror is refused, and the first goes on', async (t) => {
  const { source, target, ends } = await pair(t)
  await using first = holdfast(['run', ...ends], { cwd: scratch(t) })
  await first.line(/streaming: the target is up to date/)
  const words = ['run', ...ends]
  const says = /holds|process/
  await refused(t, { untouched: [source], words, code: 'HF-X101', exit: 4, says, within: 16_000 })
  await source.query("insert into item values (3, 'three')")
  await eventually('the first process applies', async () => {
    const [row] = await target.query('select count(*) as n from item')
    return row?.n === '3'
  })
  first.signal('SIGTERM')
  assert.equal((await first.end()).code, 0)
})
