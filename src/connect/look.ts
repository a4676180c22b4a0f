import { sleep } from '../async/clock.ts'
import { Fault } from '../model/fault.ts'
import { type Condition, type Health, healthOf } from './health.ts'
import { signOf } from './trace.ts'
import type { Worker } from './worker.ts'

/** A connector that is looked at. */
export interface Watched {
  readonly worker: Worker
  readonly name: string
  readonly signal: AbortSignal
  /** How often it is started again in a row when it has failed; 5 unless given. */
  readonly attempts?: number
}

/** Milliseconds between looks at a connector that is on its way. */
const LOOK = 500

/** Looks after which a connector is what it is then: 20 s. */
const PATIENCE = 40

/**
 * How a connector is, by more than what its worker calls it: a task is RUNNING also while its
 * database is away or refuses it, and a connector without a task is, too. The connector's own code
 * is asked whether it can enter its database.
 */
export async function lookAt({ worker, name }: Watched): Promise<Health> {
  const health = healthOf(await worker.status(name))
  if (health.state === 'RUNNING' && health.tasks.length === 0) {
    const fault = new Fault('HF-K420', { what: `connector ${name} is RUNNING and has no task` })
    return { ...health, condition: 'failed', faults: [fault] }
  }
  if (health.condition !== 'running' || health.type !== 'source') return health
  const fault = await shutOut(worker, name)
  return fault === null ? health : { ...health, condition: 'failed', faults: [fault] }
}

/** Why the connector cannot enter its database now, or null when it can. */
async function shutOut(worker: Worker, name: string): Promise<Fault | null> {
  const { configs } = await worker.validate({ ...(await worker.config(name)), name })
  const errors = configs.flatMap(({ value }) => value.errors)
  if (errors.length === 0) return null
  const what = `connector ${name} is RUNNING, and its own code refuses its settings now`
  return new Fault(signOf(errors.join('\n')) ?? 'HF-K405', { what })
}

/**
 * How a connector is once it is no longer between two states, and where `wanted` is named, once it
 * is in that state. `hold`: as many looks have to find it running one after another, since a task
 * that was started is called RUNNING before it has done anything.
 */
export async function settled(
  watched: Watched,
  { wanted, hold = 1 }: { readonly wanted?: Condition; readonly hold?: number } = {},
): Promise<Health> {
  const { worker, name, signal } = watched
  let held = 0
  for (let look = 0; ; look++) {
    const { condition } = healthOf(await worker.status(name))
    held = condition === 'running' ? held + 1 : 0
    const there = wanted === undefined ? condition !== 'starting' : condition === wanted
    const enough = there && (condition !== 'running' || held >= hold)
    if (enough || condition === 'failed' || look === PATIENCE) return await lookAt(watched)
    await sleep(LOOK, signal)
  }
}
