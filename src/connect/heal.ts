import { sleep } from '../async/clock.ts'
import { type Health, healthOf, isPassing } from './health.ts'
import { settled, type Watched } from './look.ts'

/** Attempts to start again what has failed: about a minute in all. */
const ATTEMPTS = 5
/** Milliseconds before the first attempt, which double, and at most. */
const WAIT = 2000
const LONGEST = 60_000

/** Looks for which a task has to run before it counts as running: 3 s. */
const HOLD = 6

/** Hears of each attempt before it is waited for; counts from 1, waits in milliseconds. */
export type Tell = (attempt: number, wait: number) => void

/**
 * Starts again what has failed of a connector, with growing waits, until it runs and can enter its
 * database. Gives back how it is then: `running`; `failed` when a person has to mend something, at
 * once, or when every attempt has failed; `paused` or `stopped` when a person wants it so, which is
 * left alone.
 */
export async function heal(watched: Watched, tell: Tell): Promise<Health> {
  let health = await settled(watched, { hold: HOLD })
  const { attempts = ATTEMPTS } = watched
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const wait = Math.min(WAIT * 2 ** (attempt - 1), LONGEST)
    const well = health.condition !== 'failed' && health.condition !== 'starting'
    if (well || !isPassing(health)) return health
    tell(attempt, wait)
    await sleep(wait, watched.signal)
    if (isShutOut(health)) await restartAll(watched, health)
    else await restartFailed(watched)
    health = await settled(watched, { hold: HOLD })
  }
  return health
}

/**
 * True for tasks that are called RUNNING without their database: one whose connection is dead sees
 * that much later, and may end of it when the database has long been back.
 */
function isShutOut({ condition, tasks }: Health): boolean {
  return condition === 'failed' && tasks.every(({ state }) => state === 'RUNNING')
}

async function restartAll({ worker, name }: Watched, { tasks }: Health): Promise<void> {
  for (const { id } of tasks) await worker.restartTask(name, id)
}

/**
 * Starts again what has failed, and tasks that have been on their way for so long that the word of
 * their end was lost; what runs, and what a person paused or stopped, stays as it is.
 */
export async function restartFailed({ worker, name }: Watched): Promise<void> {
  const { condition, tasks } = healthOf(await worker.status(name))
  if (condition === 'failed') await worker.restartFailed(name)
  if (condition !== 'starting') return
  const stuck = tasks.filter(({ state }) => state !== 'RUNNING')
  for (const { id } of stuck) await worker.restartTask(name, id)
}
