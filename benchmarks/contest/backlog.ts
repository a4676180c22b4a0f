import { openSession, type TestSession } from '../../testkit/servers/index.ts'
import { speedOf } from '../report.ts'
import {
  assertContents,
  dropSlot,
  reset,
  SLOT,
  type Stage,
  setStage,
  untilMarked,
} from '../stage.ts'
import { backlogs } from '../workload/backlogs.ts'
import {
  type Bench,
  type Contest,
  type Contestant,
  interleaved,
  type Run,
  tellRun,
} from './contest.ts'
import { type Started, startNative, startOurs } from './contestants.ts'
import { measured } from './measured.ts'

/** The same log, replayed from copies of one slot. */
export function backlogContests(scale: number): readonly Contest[] {
  return backlogs(scale).map((workload) => ({
    name: workload.name,
    run: async ({ pair, repetitions }: Bench) => {
      await using stage = await setStage(pair, workload)
      const replayed = (contestant: Contestant): Promise<Run> => replay(stage, contestant)
      const runs = await interleaved({
        name: workload.name,
        repetitions,
        run: replayed,
        tell: tellRun,
      })
      return { results: [speedOf(workload, workload.changes, runs)] }
    },
  }))
}

/** Replays a stage's backlog from a copy of one slot. Fails unless both ends are equal after it. */
export function replay(stage: Stage, contestant: Contestant): Promise<Run> {
  const { pair, publications, folder } = stage
  if (contestant === 'holdfast') {
    return replayWith(stage, { slot: SLOT, start: () => startOurs(pair, folder) })
  }
  const slot = 'native'
  const how = { publications, slot, copy: false }
  return replayWith(stage, { slot, start: (target) => startNative(pair, target, how) })
}

export async function replayWith(
  stage: Stage,
  how: {
    readonly slot: string
    readonly start: (target: TestSession) => Started | Promise<Started>
  },
): Promise<Run> {
  const { pair, source, workload } = stage
  const into = await reset(stage, how.slot)
  await using target = await openSession(pair.target.url(into))
  const { run, tool } = await measured(pair, async () => {
    const started = await how.start(target)
    await Promise.race([untilMarked(target), started.failed])
    return started
  })
  await tool.stop()
  await assertContents(stage, target, `${how.slot}, ${workload.name}`)
  await dropSlot(source, how.slot)
  return run
}
