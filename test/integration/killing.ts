import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import pg from 'pg'
import { type Point, points } from '../../src/async/point.ts'
import { startLoad } from '../../src/demo/load.ts'
import { openShop } from '../../src/demo/shop.ts'
import { holdfast } from '../../testkit/child.ts'
import { eventually } from '../../testkit/eventually.ts'
import { database, type TestDatabase } from '../../testkit/servers/index.ts'

// Promise 6: SIGKILL at any instant loses and repeats nothing that a reader could see.

const CUSTOMERS = 150

/** Where the shop is mirrored to. */
export interface KillTarget {
  readonly url: string
  /** Rows of the events that stand there; 0 before the table does. */
  events(): Promise<number>
  /** Fails unless it holds what the source holds, told without the product's own code. */
  same(source: TestDatabase): Promise<void>
}

interface Pair {
  readonly source: TestDatabase
  readonly target: KillTarget
  /** Starts `run` on the pair; with `killAt` it ends itself at that point. */
  run(
    flags: readonly string[],
    killAt?: string,
    env?: Readonly<Record<string, string>>,
  ): ReturnType<typeof holdfast>
}

/** A shop under load, and an empty database to mirror it to. */
async function openPair(
  t: TestContext,
  to: (t: TestContext) => Promise<KillTarget>,
): Promise<Pair> {
  const source = await database(t, 18)
  const target = await to(t)
  const cwd = await mkdtemp(join(tmpdir(), 'holdfast-kill-'))
  t.after(() => rm(cwd, { recursive: true, force: true }))
  const client = new pg.Client({ connectionString: source.url })
  await client.connect()
  await openShop(client, CUSTOMERS)
  await client.end()
  const urls = ['--source', source.url, '--target', target.url]
  return {
    source,
    target,
    run: (flags, killAt, env) =>
      holdfast(['run', '--name', 'killed', ...urls, ...flags], {
        cwd,
        env: { ...env, ...(killAt === undefined ? {} : { HOLDFAST_KILL_AT: killAt }) },
      }),
  }
}

/** Writes to the source while `work` goes on; what the load itself suffers fails the test. */
async function underLoad(pair: Pair, work: () => Promise<void>): Promise<void> {
  const failures: unknown[] = []
  const load = startLoad({
    url: pair.source.url,
    customers: CUSTOMERS,
    rate: 300,
    sessions: 2,
    failed: (error) => failures.push(error),
  })
  try {
    await work()
  } finally {
    await load.stop()
  }
  assert.deepEqual(failures, [])
  const { inserts, updates, deletes } = load.written
  assert.ok(inserts > 0 && updates > 0 && deletes > 0, 'the load wrote')
}

async function endsEqual(pair: Pair): Promise<void> {
  const last = pair.run(['--until', 'caught-up'])
  assert.deepEqual(await last.end(), { code: 0, signal: null }, last.lines.join('\n'))
  await pair.target.same(pair.source)
}

// The later points are met again and again: the first time proves little there.
const nth: Partial<Record<Point, number>> = {
  'chunk-copied': 2,
  'table-copied': 2,
  'window-read': 5,
  'slot-advanced': 3,
  'batch-begun': 5,
  'batch-sent': 5,
  'batch-applied': 5,
  acknowledged: 3,
}

/** Points of reading far behind, which a mirror is made to do here and there. */
const inWindows: readonly Point[] = ['windows-opened', 'window-read', 'slot-advanced']

/** Kills mirrors of the shop to a target at these points, and at random moments. */
export function describeKills(
  name: string,
  to: (t: TestContext) => Promise<KillTarget>,
  at: readonly Point[] = points,
): void {
  for (const point of at) {
    test(`${name}: SIGKILL at ${point}, and again at the next start, loses nothing`, async (t) => {
      const pair = await openPair(t, to)
      await underLoad(pair, async () => {
        const env = inWindows.includes(point) ? { HOLDFAST_CATCHUP: 'random' } : {}
        const first = pair.run([], `${point}:${nth[point] ?? 1}`, env)
        assert.equal((await first.end()).signal, 'SIGKILL', first.lines.join('\n'))
        // Not every point is met by a start that resumes: then this one ends by being caught up.
        const second = pair.run(['--until', 'caught-up'], `${point}:1`, env)
        const end = await second.end()
        assert.ok(end.signal === 'SIGKILL' || end.code === 0, second.lines.join('\n'))
      })
      await endsEqual(pair)
    })
  }

  test(`${name}: SIGKILL at random moments under load loses nothing`, async (t) => {
    const pair = await openPair(t, to)
    await underLoad(pair, async () => {
      for (let round = 0; round < 8; round++) {
        const child = pair.run([])
        const { target } = pair
        const more = Math.floor(Math.random() * 40)
        const seen = await target.events()
        await eventually('the target moves on', async () => (await target.events()) > seen + more, {
          within: 60_000,
        })
        assert.equal((await child.kill()).signal, 'SIGKILL', child.lines.join('\n'))
      }
    })
    await endsEqual(pair)
  })
}
