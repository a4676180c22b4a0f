import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Status } from '../../../src/observe/status.ts'
import { holdfast } from '../../../testkit/child.ts'
import { database, type TestDatabase } from '../../../testkit/servers/index.ts'
import { dropSlot } from '../../../testkit/slot.ts'

interface Said {
  readonly code: number | null
  readonly out: string
}

interface Stage {
  readonly source: TestDatabase
  readonly target: TestDatabase
  said(...words: string[]): Promise<Said>
  /** Follows on until both are equal. */
  run(): Promise<Said>
  status(): Promise<Status>
}

/** A mirror that has caught up and does not run. */
async function stage(t: TestContext): Promise<Stage> {
  const cwd = mkdtempSync(join(tmpdir(), 'holdfast-halted-'))
  t.after(() => rmSync(cwd, { recursive: true }))
  const [source, target] = [await database(t, 18), await database(t, 18)]
  await source.query('create table item (id int primary key, name text)')
  const ends = ['--name', 'shop', '--source', source.url, '--target', target.url]
  const said: Stage['said'] = async (...words) => {
    await using child = holdfast(words, { cwd })
    const { code } = await child.end()
    return { code, out: child.lines.join('\n') }
  }
  const run = (): Promise<Said> => said('run', ...ends, '--until', 'caught-up')
  const status = async (): Promise<Status> => {
    const { out } = await said('status', '--json', '--name', 'shop', '--target', target.url)
    return JSON.parse(out).result
  }
  const first = await run()
  assert.equal(first.code, 0, first.out)
  return { source, target, said, run, status }
}

test('why the target refused is said as long as the mirror has not run since', async (t) => {
  const { source, target, said, run, status } = await stage(t)
  assert.equal((await status()).fault, null)
  await target.query('alter table item add constraint small check (id < 100)')
  await source.query("insert into item values (1, 'a'), (100, 'b')")
  const halted = await run()
  assert.equal(halted.code, 1, halted.out)
  const [, code = 'none'] = /fail (HF-\w+)/.exec(halted.out) ?? []
  const told = await status()
  assert.equal(told.overall, 'failed')
  assert.equal(told.phase, 'halted')
  assert.equal(told.fault?.code, code, halted.out)
  assert.ok(told.fault.todo.length > 0)
  assert.match(told.since ?? '', /^20\d\d-\d\d-\d\dT/)
  assert.ok(halted.out.includes(told.fault.what), told.fault.what)
  const shown = await said('status', '--name', 'shop', '--target', target.url)
  assert.match(shown.out, new RegExp(`failed +halted since 20[\\s\\S]*fault +${code}[\\s\\S]*you `))
  await target.query('alter table item drop constraint small')
  assert.equal((await run()).code, 0)
  const later = await status()
  assert.deepEqual([later.phase, later.fault], ['stopped', null])
})

test('so is what the source has lost, and another attempt says it anew', async (t) => {
  const { source, run, status } = await stage(t)
  await dropSlot(source, 'holdfast_shop')
  const halted = await run()
  assert.notEqual(halted.code, 0, halted.out)
  const told = await status()
  assert.match(halted.out, new RegExp(`fail ${told.fault?.code} `))
  assert.match(told.fault?.code ?? '', /^HF-L10/)
  const typed = told.fault?.todo.flatMap((todo) => todo.run ?? []).join()
  assert.match(
    typed ?? '',
    /holdfast destroy --name shop --target URL && holdfast run --name shop /,
  )
  await run()
  const again = await status()
  assert.equal(again.fault?.code, told.fault?.code)
  assert.ok((again.since ?? '') > (told.since ?? ''))
})
