import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Child } from '../../testkit/child.ts'
import { openSession } from '../../testkit/servers/index.ts'
import { start } from '../stage.ts'
import type { Findings, Way } from './report.ts'
import {
  counting,
  mirrorOf,
  openStand,
  requireEnd,
  rest,
  type Stand,
  type Took,
  untilThere,
  Watched,
} from './stand.ts'
import { emptyDatabase, fill, type Made, rowsIn } from './topic.ts'

const EVENTS = 800_000
const PARTITIONS = 4

/** One, two and four processes that share the partitions of one topic. */
export async function sharing(scale: number): Promise<Findings> {
  await using stand = await openStand()
  const filling = {
    topic: 'bench.shared',
    events: Math.round(EVENTS * scale),
    partitions: PARTITIONS,
  }
  const made = await fill(stand.broker, stand.target, filling)
  const ways: Way[] = []
  let alone: number | null = null
  for (const processes of [1, 2, 4]) {
    const own = await together(stand, made, processes)
    alone ??= own.seconds
    const ratio = processes === 1 ? null : alone / own.seconds
    const who = processes === 1 ? 'one process' : `${processes} processes`
    ways.push({
      name: `Holdfast, ${PARTITIONS} partitions, ${who}`,
      events: made.events,
      ...own,
      ratio,
      must: null,
    })
  }
  return { ways, measures: [] }
}

/** From the start of the processes, all at once, to the last row. */
async function together(stand: Stand, made: Made, processes: number): Promise<Took> {
  const url = await emptyDatabase(stand.target, 'bench_shared')
  const args = [...mirrorOf(stand, made.topic, url), '--share']
  await rest(stand)
  const took = counting(stand)
  await using ended = new AsyncDisposableStack()
  const children = Array.from({ length: processes }, (_, i): Child => {
    const folder = join(stand.folder, `${processes}-${i}`)
    mkdirSync(folder)
    return ended.use(start(args, folder))
  })
  const watched = ended.use(new Watched(children.map(({ pid }) => pid)))
  await using session = await openSession(url)
  const failed = Promise.race(
    children.map(async (child) => {
      const { code } = await child.ended
      assert.fail(`ended with ${code}\n${child.lines.join('\n')}`)
    }),
  )
  failed.catch(() => undefined)
  await Promise.race([untilThere(session, made, async () => undefined), failed])
  const found = took(watched)
  for (const child of children) child.signal('SIGTERM')
  for (const child of children) await requireEnd(child)
  assert.equal(await rowsIn(url), made.expected)
  return found
}
