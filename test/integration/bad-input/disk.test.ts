import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { holdfast } from '../../../testkit/child.ts'
import { assertSameContents } from '../../../testkit/contents.ts'
import { database, postgres } from '../../../testkit/servers/index.ts'
import { giveToServer } from '../../../testkit/servers/machine.ts'
import { scratch } from './support.ts'

/** A folder on a disk of its own, or null where this user may not mount one. */
function smallDisk(size: string): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], {
      stdio: 'ignore',
    })
    giveToServer(folder)
    return folder
  } catch {
    rmdirSync(folder)
    return null
  }
}

test('P81 a full disk at the target is waited for by name; with room the mirror goes on by itself', async (t) => {
  const disk = smallDisk('24m')
  if (disk === null) return t.skip('this user may not mount a small disk')
  const unmount = (): void => {
    execFileSync('umount', ['-l', disk])
    rmdirSync(disk)
  }
  try {
    await using server = await postgres(18, { settings: {} })
    const admin = await database(t, server)
    await admin.query(`create tablespace small location '${disk}'`)
    const source = await database(t, 18)
    const target = await database(t, server, { how: 'tablespace small' })
    await source.query('create table item (id int primary key, name text not null)')
    await source.query(
      "insert into item select i, repeat('x', 900) from generate_series(1, 30000) i",
    )
    const words = ['run', '--source', source.url, '--target', target.url, '--until', 'caught-up']
    await using mirror = holdfast(words, { cwd: scratch(t) })
    await mirror.line(/warn: HF-T203 .*No space left on device.*; trying again in/)
    execFileSync('mount', ['-o', 'remount,size=200m', disk])
    assert.equal((await mirror.end()).code, 0, mirror.lines.join('\n'))
    await assertSameContents(source, target)
  } finally {
    unmount()
  }
})
