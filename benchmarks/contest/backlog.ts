import { openSession } from '../../testkit/servers/index.ts'
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
import type { Workload } from '../workload/workload.ts'
import {
  type Bench,
  type Contest,
  type Contestant,
  interleaved,
  type Run,
  tellRun,
} from './contest.ts'
import { startNative, startOurs } from './contestants.ts'
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
async function replay(stage: Stage, contestant: Contestant): Promise<Run> {
  const { pair, source, publications, workload } = stage
  const slot = contestant === 'native' ? 'native' : SLOT
  const into = await reset(stage, slot)
  await using target = await openSession(pair.target.url(into))
  const { run, tool } = await measured(pair, async () => {
    const started =
      contestant === 'native'
        ? await startNative(pair, target, { publications, slot, copy: false })
        : startOurs(pair, stage.folder)
    await Promise.race([untilMarked(target), started.failed])
    return started
  })
  await tool.stop()
  await assertContents(stage, target, `${contestant}, ${(workload satisfies Workload).name}`)
  await dropSlot(source, slot)
  return run
}
