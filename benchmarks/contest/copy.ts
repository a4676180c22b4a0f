import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSession, type TestSession } from '../../testkit/servers/index.ts'
import type { Pair } from '../machine.ts'
import { speedOf } from '../report.ts'
import { clearSource, contents, NAME, untilFinished, untilTrue } from '../stage.ts'
import { type CopyLoad, copyLoads } from '../workload/copies.ts'
import { type Contest, type Contestant, interleaved, type Run, tellRun } from './contest.ts'
import { startNative, startOurs } from './contestants.ts'
import { measured } from './measured.ts'

interface Place {
  readonly pair: Pair
  readonly load: CopyLoad
  readonly source: TestSession
  readonly admin: TestSession
  readonly folder: string
  readonly expected: string
}

/**
 * The first copy. Native copies into tables that are there with their keys and indexes, as its
 * documentation says; Holdfast makes them, and is through when all of them stand.
 */
export function copyContests(scale: number): readonly Contest[] {
  return copyLoads(scale).map((load) => ({
    name: load.name,
    run: async ({ pair, repetitions }) => {
      await using sourceAdmin = await openSession(pair.source.url())
      await using admin = await openSession(pair.target.url())
      await sourceAdmin.query(`create database ${NAME}`)
      const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
      try {
        await using source = await openSession(pair.source.url(NAME))
        for (const sql of [...load.tables, ...load.rows]) await source.query(sql)
        await source.query('vacuum analyze')
        await source.query('create publication native for all tables')
        const expected = await contents(source, load.names)
        const place = { pair, load, source, admin, folder, expected }
        const copied = (contestant: Contestant): Promise<Run> => copyOnce(place, contestant)
        const runs = await interleaved({
          name: load.name,
          repetitions,
          run: copied,
          tell: tellRun,
        })
        return { results: [speedOf(load, load.count, runs)] }
      } finally {
        await sourceAdmin.query(`drop database if exists ${NAME} with (force)`)
        await rm(folder, { recursive: true, force: true })
      }
    },
  }))
}

async function copyOnce(place: Place, contestant: Contestant): Promise<Run> {
  const { pair, load, source, admin, folder, expected } = place
  await admin.query('drop database if exists run with (force)')
  await admin.query('create database run')
  await using target = await openSession(pair.target.url('run'))
  if (contestant === 'native') for (const sql of load.tables) await target.query(sql)
  await admin.query('checkpoint')
  await source.query('checkpoint')
  const { run, tool } = await measured(pair, async () => {
    const started =
      contestant === 'native'
        ? await startNative(pair, target, { publications: ['native'], slot: null, copy: true })
        : startOurs(pair, folder)
    await Promise.race([untilCopied(target, contestant), started.failed])
    return started
  })
  await tool.stop()
  assert.equal(await contents(target, load.names), expected, `${contestant}, ${load.name}`)
  if (contestant === 'holdfast') await clearSource(source)
  return run
}

async function untilCopied(target: TestSession, contestant: Contestant): Promise<void> {
  if (contestant === 'native') {
    await untilTrue(
      target,
      `not exists (select from pg_subscription_rel where srsubstate not in ('r', 's'))`,
    )
    return
  }
  await untilFinished(target)
}
