import type { Fault } from '../model/fault.ts'
import type { WorkerStatus } from './answers.ts'
import { traceFault } from './trace.ts'

/** `starting`: between two states; what it is becomes clear by itself. */
export type Condition = 'running' | 'failed' | 'paused' | 'stopped' | 'starting'

export interface TaskHealth {
  readonly id: number
  /** As the worker says it. */
  readonly state: string
  readonly fault: Fault | null
}

/** What a connector's status comes to. */
export interface Health {
  readonly name: string
  readonly type: string
  readonly condition: Condition
  /** As the worker says it: RUNNING also when every task has failed. */
  readonly state: string
  readonly tasks: readonly TaskHealth[]
  /** What has failed, the connector itself first. */
  readonly faults: readonly Fault[]
}

export function healthOf(status: WorkerStatus): Health {
  const { name, type, connector } = status
  const tasks = status.tasks.map(({ id, state, trace }) => ({
    id,
    state,
    fault: state === 'FAILED' ? traceFault(`task ${id} of connector ${name}`, trace ?? '') : null,
  }))
  const own =
    connector.state === 'FAILED' ? traceFault(`connector ${name}`, connector.trace ?? '') : null
  const faults = [own, ...tasks.map(({ fault }) => fault)].filter((fault) => fault !== null)
  const states = tasks.map(({ state }) => state)
  const condition = conditionOf(connector.state, states)
  return { name, type, condition, state: connector.state, tasks, faults }
}

function conditionOf(connector: string, tasks: readonly string[]): Condition {
  if (connector === 'STOPPED') return 'stopped'
  if (connector === 'FAILED' || tasks.includes('FAILED')) return 'failed'
  if (connector === 'PAUSED') return 'paused'
  const runs = connector === 'RUNNING' && tasks.length > 0
  return runs && tasks.every((state) => state === 'RUNNING') ? 'running' : 'starting'
}

/** Whether waiting and starting again may help: nothing has failed that a person has to mend. */
export function isPassing({ faults }: Health): boolean {
  return faults.every((fault) => fault.transient)
}
