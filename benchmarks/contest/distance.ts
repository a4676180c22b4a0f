import { fileURLToPath } from 'node:url'
import { monotonic } from '../../src/async/clock.ts'
import { startChild } from '../../testkit/child.ts'
import { openSession } from '../../testkit/servers/index.ts'
import type { Measure } from '../report.ts'
import {
  assertContents,
  dropSlot,
  NAME,
  reset,
  SLOT,
  type Stage,
  setStage,
  untilMarked,
} from '../stage.ts'
import { spreadOf } from '../statistics.ts'
import { singleInserts } from '../workload/backlogs.ts'
import type { Contest } from './contest.ts'
import { startOurs } from './contestants.ts'

const CHANGES = 1_000_000
/** Milliseconds to either end and back. */
const DISTANCES = [0, 5, 20, 80] as const
/** What may be lost at 20 ms, percent. */
const MUST = { 20: 20 } as Readonly<Record<number, number>>

/** Where a backlog is caught up with over long lines to both ends. */
export const distanceContest: Contest = {
  name: 'distance',
  run: async ({ pair, scale, repetitions }) => {
    await using stage = await setStage(
      pair,
      singleInserts(Math.max(50_000, Math.round(CHANGES * scale))),
    )
    const taken = new Map<number, number[]>(DISTANCES.map((distance) => [distance, []]))
    for (let i = 0; i < repetitions; i++) {
      for (const distance of DISTANCES) {
        const { opening, seconds } = await over(stage, distance)
        taken.get(distance)?.push(seconds)
        const told = `${seconds.toFixed(2)} s after ${opening.toFixed(2)} s of opening`
        console.error(`distance ${distance} ms: ${told}`)
      }
    }
    return { measures: lost(taken) }
  },
}

function lost(taken: ReadonlyMap<number, readonly number[]>): readonly Measure[] {
  const of = (distance: number): number => spreadOf(taken.get(distance) ?? []).median
  return DISTANCES.filter((distance) => distance > 0).map((distance) => ({
    name: `catching up, lost by ${distance} ms to either end`,
    value: 100 * (1 - of(0) / of(distance)),
    unit: '%',
    most: MUST[distance] ?? null,
  }))
}

/** Seconds until windows are read, and from then on until everything is at the target. */
async function over(
  stage: Stage,
  distance: number,
): Promise<{ readonly opening: number; readonly seconds: number }> {
  const { pair, folder, source } = stage
  const into = await reset(stage, SLOT)
  await using before = line(pair.source.port, distance / 2)
  await using behind = line(pair.target.port, distance / 2)
  const ends = [
    ...['--source', await before.url(pair.source.url(NAME))],
    ...['--target', await behind.url(pair.target.url(into))],
  ]
  await using target = await openSession(pair.target.url(into))
  const began = monotonic()
  const tool = startOurs(pair, folder, ends)
  await Promise.race([tool.line(/its log is read in windows/), tool.failed])
  const opened = monotonic()
  await Promise.race([untilMarked(target), tool.failed])
  const seconds = (monotonic() - opened) / 1000
  await tool.stop()
  await assertContents(stage, target, `${distance} ms, ${stage.workload.name}`)
  await dropSlot(source, SLOT)
  return { opening: (opened - began) / 1000, seconds }
}

/** A line in a process of its own, so that what it takes is nobody's. */
function line(
  port: number,
  millis: number,
): AsyncDisposable & { url(url: string): Promise<string> } {
  const script = fileURLToPath(new URL('../line.ts', import.meta.url))
  const child = startChild(process.execPath, [script, String(port), String(millis)], {})
  return {
    url: async (url) => {
      const said = await child.line(/^port \d+$/)
      const through = new URL(url)
      through.port = said.slice('port '.length)
      return through.href
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  }
}
