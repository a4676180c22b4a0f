import { Worker } from '../../connect/worker.ts'
import { Fault } from '../../model/fault.ts'
import type { Call } from '../command.ts'

/** The variable that names a worker where no flag does. */
const VARIABLE = 'HOLDFAST_CONNECT_URL'

/** The worker that a command speaks to. */
export function workerOf(call: Call): Worker {
  const address = call.given.text('connect') ?? call.environment[VARIABLE] ?? null
  if (address !== null && address !== '') return new Worker(address, call.signal)
  throw new Fault('HF-C008', {
    what: 'nothing says where the worker of Kafka Connect is',
    todo: [{ text: `Give --connect http://host:8083, or set ${VARIABLE}.` }],
  })
}

/** The connectors that were named. */
export function namesOf(call: Call): readonly string[] {
  return call.given.words.slice(1)
}

/** The one connector that was named. */
export function nameOf(call: Call): string {
  const [name, ...more] = namesOf(call)
  if (name !== undefined && more.length === 0) return name
  const verb = call.given.words[0] ?? ''
  throw new Fault('HF-C012', {
    what: `holdfast connectors ${verb} takes the name of one connector`,
  })
}

/** Refuses what cannot be undone unless the name was typed a second time. */
export function requireConfirmed(call: Call, name: string, plan: readonly string[]): void {
  const verb = call.given.words.join(' ')
  call.out.say(['Plan:', ...plan.map((line) => `  ${line}`)].join('\n'))
  if (call.given.text('confirm') === name) return
  const flags = call.given.on('reset') ? ' --reset' : ''
  throw new Fault('HF-X010', {
    what: `connector ${name} was not named a second time`,
    todo: [{ text: 'Name it.', run: `holdfast connectors ${verb}${flags} --confirm ${name}` }],
  })
}
