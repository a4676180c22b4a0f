import { type Result, speedOf } from '../report.ts'
import { SLOT, setStage } from '../stage.ts'
import { singleInserts } from '../workload/backlogs.ts'
import { replayWith } from './backlog.ts'
import { type Contest, type Contestant, interleaved, type Run, tellRun } from './contest.ts'
import { startForm } from './contestants.ts'

const CHANGES = 500_000

/** The form that every connector has, against the one that PostgreSQL servers have in common. */
export const valuesContest: Contest = {
  name: 'values',
  run: async ({ pair, scale, repetitions }) => {
    const workload = singleInserts(Math.max(1_000, Math.round(CHANGES * scale)))
    await using stage = await setStage(pair, workload)
    const once = (contestant: Contestant): Promise<Run> => {
      const form = contestant === 'native' ? 'pg-binary' : 'values'
      return replayWith(stage, { slot: SLOT, start: () => startForm(pair, stage.folder, form) })
    }
    const runs = await interleaved({ name: 'values', repetitions, run: once, tell: tellRun })
    const goal = { name: 'values', must: 0.5, aim: 1 }
    const result: Result = {
      ...speedOf(goal, workload.changes, runs),
      against: 'its binary form',
    }
    return { results: [result] }
  },
}
