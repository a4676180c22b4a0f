import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { holdfast, startChild } from './child.ts'
import { assertSameContents } from './contents.ts'
import { debian } from './debian.ts'
import { database, type Major, type TestDatabase } from './servers/index.ts'

export interface PgbenchPair {
  readonly from: Major
  readonly to: Major
  /** Of pgbench: 100,000 accounts each. */
  readonly scale: number
  readonly seconds: number
}

const patience = 180_000

/**
 * Mirrors a pgbench database from one major to another while pgbench runs, and compares: by
 * `verify`, and by SQL that shares nothing with it. Its history has no key and is appended to.
 */
export async function mirrorPgbench(t: TestContext, pair: PgbenchPair): Promise<void> {
  const source = await database(t, pair.from)
  const target = await database(t, pair.to)
  const cwd = await mkdtemp(join(tmpdir(), 'holdfast-majors-'))
  t.after(() => rm(cwd, { recursive: true, force: true }))
  await pgbench(source, ['-i', '-q', '-s', String(pair.scale)])
  const ends = ['--source', source.url, '--target', target.url, '--name', 'bench']
  const mirror = [...ends, '--keyless', 'append']
  await using running = holdfast(['run', ...mirror], { cwd })
  await pgbench(source, ['-c', '4', '-T', String(pair.seconds)])
  const drained = running.end({ within: patience })
  running.signal('SIGTERM')
  assert.deepEqual(await drained, { code: 0, signal: null }, running.lines.join('\n'))
  await succeeds(['run', ...mirror, '--until', 'caught-up'], cwd)
  await succeeds(['verify', ...ends], cwd)
  await assertSameContents(source, target)
  const [history] = await target.query('select count(*) as n from public.pgbench_history')
  assert.ok(Number(history?.n) > 0, 'pgbench wrote its history')
}

async function succeeds(args: readonly string[], cwd: string): Promise<void> {
  await using child = holdfast(args, { cwd })
  const end = await child.end({ within: patience })
  assert.deepEqual(end, { code: 0, signal: null }, child.lines.join('\n'))
}

async function pgbench(db: TestDatabase, args: readonly string[]): Promise<void> {
  const programs = await debian('postgresql')
  const { host, port } = db.server
  const where = ['-h', host, '-p', String(port), '-U', 'postgres', db.name]
  const { LD_LIBRARY_PATH: libraries } = programs.env
  const env = libraries === undefined ? {} : { LD_LIBRARY_PATH: libraries }
  await using child = startChild(programs.program('pgbench'), [...args, ...where], { env })
  const end = await child.end({ within: patience })
  assert.equal(end.code, 0, child.lines.join('\n'))
}
