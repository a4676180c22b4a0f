import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holdfast } from '../../../testkit/child.ts'
import { database, postgres } from '../../../testkit/servers/index.ts'
import { scratch } from './support.ts'

const TABLES = 1_500

test('a target that cannot lock so many tables at once is named with the setting to raise', async (t) => {
  await using small = await postgres(18, {
    settings: { max_locks_per_transaction: '10', max_connections: '20', shared_buffers: '1MB' },
  })
  const source = await database(t, 18)
  const target = await database(t, small)
  for (let from = 0; from < TABLES; from += 50) {
    const one = (_: unknown, i: number): string =>
      `create table t_${from + i} (id int primary key, a text);`
    await source.query(Array.from({ length: 50 }, one).join(''))
  }
  const words = ['run', '--source', source.url, '--target', target.url, '--until', 'caught-up']
  await using mirror = holdfast(words, { cwd: scratch(t) })
  await mirror.line(/warn: HF-T206 .*; trying again in/)
  assert.deepEqual(await target.query("select 1 from pg_class where relname ~ '^t_'"), [])
  assert.deepEqual(await source.query('select 1 from pg_publication'), [])
  await using told = holdfast(['explain', 'HF-T206'], { cwd: scratch(t) })
  assert.equal((await told.end()).code, 0)
  assert.match(told.lines.join('\n'), /ALTER SYSTEM SET max_locks_per_transaction/)
  assert.equal((await mirror.kill('SIGTERM')).code, 0, mirror.lines.join('\n'))
})
