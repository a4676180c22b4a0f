import assert from 'node:assert/strict'
import { test } from 'node:test'
import { catalogue } from '../../src/model/catalogue/index.ts'
import { holdfast } from '../../testkit/child.ts'
import { contents } from '../../testkit/contents.ts'
import { pair, scratch } from './bad-input/support.ts'

test('after a table changed, the steps that the fault names make the mirror again', async (t) => {
  const { source, target, ends } = await pair(t)
  await source.query(`create table kept (id int primary key, name text);
    insert into kept values (1, 'one');
    create table part (id int primary key, kept int references kept, old text);
    insert into part values (1, 1, 'x')`)
  const cwd = scratch(t)
  const ran = async (...words: string[]): Promise<{ code: number | null; told: string }> => {
    await using child = holdfast([...words, ...ends], { cwd })
    const { code } = await child.end()
    return { code, told: child.lines.join('\n') }
  }
  const run = ['run', '--until', 'caught-up']
  assert.equal((await ran(...run)).code, 0)
  await source.query("alter table part rename old to new; insert into part values (2, 1, 'y')")
  const halted = await ran(...run)
  assert.equal(halted.code, 1)
  assert.match(halted.told, /HF-D402[\s\S]*public\.part/)
  const steps = catalogue['HF-D402'].todo
  for (const { text } of steps) assert.ok(halted.told.includes(text), text)
  assert.deepEqual(
    steps.map((step) => step.run),
    ['holdfast destroy', undefined, 'holdfast run --on-existing replace'],
  )
  assert.equal((await ran('destroy', '--confirm', 'default')).code, 0)
  const again = [...run, '--on-existing', 'replace']
  assert.match((await ran(...again)).told, /HF-T223/)
  await target.query('drop table part')
  const made = await ran(...again)
  assert.equal(made.code, 0, made.told)
  assert.deepEqual([...(await contents(target))], [...(await contents(source))])
})
