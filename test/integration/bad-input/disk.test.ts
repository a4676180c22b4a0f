import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { holdfast } from '../../../testkit/child.ts'
import { assertSameContents } from '../../../testkit/contents.ts'
import { diskOf } from '../../../testkit/servers/disk.ts'
import { database, type Major, postgres } from '../../../testkit/servers/index.ts'
import { scratch } from './support.ts'

const MiB = 1024 * 1024

for (const major of [14, 18] as const) {
  test(`P81 a full disk at the target is waited for by name; with room the mirror goes on by itself, ${major}`, (t) =>
    fullDisk(t, major))
}

async function fullDisk(t: TestContext, major: Major): Promise<void> {
  await using server = await postgres(major, { settings: {} })
  const disk = await diskOf(server, 24 * MiB)
  if (disk === null) return t.skip('this user may not mount a small disk')
  const source = await database(t, 18)
  const target = await database(t, server, { how: `tablespace ${disk.tablespace}` })
  await source.query('create table item (id int primary key, name text not null)')
  await source.query("insert into item select i, repeat('x', 900) from generate_series(1, 30000) i")
  const words = ['run', '--source', source.url, '--target', target.url, '--until', 'caught-up']
  await using mirror = holdfast(words, { cwd: scratch(t) })
  await mirror.line(/warn: HF-T203 .*No space left on device.*; trying again in/)
  disk.resize(200 * MiB)
  assert.equal((await mirror.end()).code, 0, mirror.lines.join('\n'))
  await assertSameContents(source, target)
}
