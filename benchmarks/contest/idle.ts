import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monotonic, sleep } from '../../src/async/clock.ts'
import { openSession } from '../../testkit/servers/index.ts'
import { processSeconds, residentBytes } from '../machine.ts'
import { clearSource, NAME, untilFinished } from '../stage.ts'
import type { Contest } from './contest.ts'
import { startOurs } from './contestants.ts'

const SETTLE_MS = 3_000
const SECONDS = 20

/** What a mirror takes that has nothing to do. */
export const idleContest: Contest = {
  name: 'idle',
  run: async ({ pair, scale }) => {
    await using admin = await openSession(pair.source.url())
    await using targets = await openSession(pair.target.url())
    await admin.query(`create database ${NAME}`)
    await targets.query('drop database if exists run with (force)')
    await targets.query('create database run')
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
    try {
      await using source = await openSession(pair.source.url(NAME))
      await source.query('create table a (id int primary key)')
      await using target = await openSession(pair.target.url('run'))
      const tool = startOurs(pair, folder)
      await Promise.race([untilFinished(target), tool.failed])
      await sleep(SETTLE_MS)
      const [began, before] = [monotonic(), processSeconds(tool.pid ?? 0)]
      await sleep(Math.max(5, SECONDS * scale) * 1000)
      const spent = processSeconds(tool.pid ?? 0) - before
      const share = (100 * spent * 1000) / (monotonic() - began)
      const megabytes = residentBytes(tool.pid ?? 0) / 2 ** 20
      await tool.stop()
      await clearSource(source)
      return {
        measures: [
          { name: 'idle, share of a core', value: share, unit: '%', most: 1 },
          { name: 'idle, resident', value: megabytes, unit: 'MB', most: 120 },
        ],
      }
    } finally {
      await admin.query(`drop database if exists ${NAME} with (force)`)
      await rm(folder, { recursive: true, force: true })
    }
  },
}
