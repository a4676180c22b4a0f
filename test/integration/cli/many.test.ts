import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { holdfast } from '../../../testkit/child.ts'
import { assertSameContents } from '../../../testkit/contents.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { postgres } from '../../../testkit/servers/index.ts'
import { as, pair, scratch } from '../bad-input/support.ts'

test('a halted mirror ends with 1 and names the table; what was applied stands', async (t) => {
  const { source, target, ends } = await pair(t)
  await using mirror = holdfast(['run', ...ends], { cwd: scratch(t) })
  await mirror.line(/streaming: the target is up to date/)
  await target.query("alter table item add constraint refuse check (name <> 'bad')")
  await source.query("insert into item values (3, 'good'); insert into item values (4, 'bad')")
  const { code } = await mirror.end()
  const said = mirror.stderr.join('\n')
  assert.equal(code, 1, said)
  assert.match(said, /fail HF-T205 .*\n {2}happened .*item/)
  assert.match(said, /HF-T205.* · default/)
  const rows = await target.query('select id from item order by id')
  assert.ok(!rows.some(({ id }) => id === '4'))
  await target.query('alter table item drop constraint refuse')
  await using again = holdfast(['run', ...ends, '--until', 'caught-up'], { cwd: scratch(t) })
  assert.equal((await again.end()).code, 0, again.lines.join('\n'))
  await assertSameContents(source, target)
})

test('all mirrors of a file run side by side; one that cannot start stops no other', async (t) => {
  const good = await pair(t)
  const bad = await pair(t)
  await bad.source.query('create table note (body text)')
  const off = await pair(t)
  const cwd = scratch(t)
  const mirrors = Object.entries({ good, bad, off }).map(([name, { source, target }]) => ({
    name,
    autostart: name !== 'off',
    source: { url: source.url },
    target: { url: target.url },
  }))
  writeFileSync(join(cwd, 'holdfast.yaml'), JSON.stringify({ version: 1, mirrors }))
  await using all = holdfast(['run', '--until', 'caught-up', '--json'], { cwd })
  assert.equal((await all.end()).code, 4, all.lines.join('\n'))
  const envelope = JSON.parse(all.stdout.at(-1) ?? '')
  assert.deepEqual(envelope.summary, { good: 'caught-up', bad: 'HF-S203' })
  assert.match(JSON.stringify(envelope.error.todo), /holdfast [a-z]+ --name bad/)
  await assertSameContents(good.source, good.target)
  await using one = holdfast(['run', '--name', 'off', '--until', 'caught-up', '--quiet'], { cwd })
  assert.equal((await one.end()).code, 0, one.lines.join('\n'))
  assert.equal(one.stderr.length, 0, one.stderr.join('\n'))
  assert.equal(one.stdout.length, 1)
  await assertSameContents(off.source, off.target)
})

test('an end that is waited for may come later', async (t) => {
  await using server = await postgres(18, { settings: {} })
  const { source, target } = await pair(t, server)
  const cwd = scratch(t)
  const mirror = {
    name: 'shop',
    source: { url: source.url, await: '60s' },
    target: { url: target.url },
  }
  writeFileSync(join(cwd, 'holdfast.yaml'), JSON.stringify({ version: 1, mirrors: [mirror] }))
  await server.stop('fast')
  await using child = holdfast(['run', '--until', 'caught-up'], { cwd })
  await child.line(/HF-S101 .*trying again/)
  await server.start()
  assert.equal((await child.end()).code, 0, child.lines.join('\n'))
  await assertSameContents(source, target)
})

test('both servers may go away and come back under a running mirror', async (t) => {
  await using first = await postgres(18, { settings: {} })
  await using second = await postgres(18, { settings: {} })
  const { source, target, ends } = await pair(t, first, second)
  await using mirror = holdfast(['run', ...ends], { cwd: scratch(t) })
  await mirror.line(/streaming: the target is up to date/)
  for (const [id, server] of [
    [11, first],
    [12, second],
  ] as const) {
    await server.stop('fast')
    await eventually('the loss is told', () =>
      mirror.stderr.some((line) => line.includes(id === 11 ? 'warn: HF-S' : 'warn: HF-T')),
    )
    await server.start()
    await source.query(`insert into item values (${id}, 'after')`)
    await eventually('the row arrives', async () => {
      const [row] = await target.query(`select count(*) as n from item where id = ${id}`)
      return row?.n === '1'
    })
  }
  mirror.signal('SIGINT')
  assert.equal((await mirror.end()).code, 0, mirror.lines.join('\n'))
})

test('the pool of the target is never exceeded', async (t) => {
  const { source, target } = await pair(t)
  for (const name of ['a', 'b', 'c', 'd']) {
    await source.query(
      `create table ${name} as select i as id, 'x' as v from generate_series(1, 2e4) i`,
    )
    await source.query(`alter table ${name} add primary key (id)`)
  }
  const at = await as(t, target, 'login connection limit 3', [
    `grant create on database ${target.name} to`,
    'grant create on schema public to',
    'grant set on parameter session_replication_role to',
  ])
  const cwd = scratch(t)
  const mirror = { name: 'shop', source: { url: source.url }, target: { url: at, pool: 3 } }
  writeFileSync(join(cwd, 'holdfast.yaml'), JSON.stringify({ version: 1, mirrors: [mirror] }))
  await using child = holdfast(['run', '--until', 'caught-up'], { cwd })
  assert.equal((await child.end()).code, 0, child.lines.join('\n'))
  assert.doesNotMatch(child.stderr.join('\n'), /HF-T213/)
  await assertSameContents(source, target)
})
