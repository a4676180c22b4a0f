import { type Health, healthOf } from '../../connect/health.ts'
import { lookAt } from '../../connect/look.ts'
import { shownSettings } from '../../connect/secrets.ts'
import type { Call } from '../command.ts'
import { faultData, todoText } from '../format.ts'
import { columns } from '../grid.ts'
import type { Outcome } from '../outcome.ts'
import type { Paint } from '../paint.ts'
import { plural } from '../words.ts'
import { namesOf, workerOf } from './shared.ts'

export async function list(call: Call): Promise<Outcome> {
  const worker = workerOf(call)
  const all = await worker.list()
  const listed = all.map(({ status: one, config }) => ({ health: healthOf(one), config }))
  const rows = listed.map(({ health, config }) => [
    health.name,
    health.type,
    health.condition,
    `${health.tasks.filter(({ state }) => state === 'RUNNING').length}/${health.tasks.length}`,
    (config['connector.class'] ?? '').split('.').at(-1) ?? '',
  ])
  if (rows.length > 0)
    call.out.data(columns([['NAME', 'TYPE', 'STATE', 'TASKS', 'PLUGIN'], ...rows]))
  call.out.say(`${worker.label}: ${plural(rows.length, 'connector')}`)
  const failed = listed.filter(({ health }) => health.condition === 'failed').length
  const result = listed.map(({ health, config }) => ({
    ...connectorData(health),
    config: shownSettings(config),
  }))
  return { ok: true, summary: { worker: worker.label, connectors: all.length, failed }, result }
}

export async function status(call: Call): Promise<Outcome> {
  const worker = workerOf(call)
  const named = namesOf(call)
  const names = named.length > 0 ? named : (await worker.list()).map(({ status: one }) => one.name)
  const { signal, out } = call
  const seen = await Promise.all(names.map((name) => lookAt({ worker, name, signal })))
  for (const health of seen) out.data(statusText(health, out.paint.stdout))
  if (seen.length === 0) out.say(`${worker.label}: no connector`)
  const healthy = seen.every(isWell)
  const summary = Object.fromEntries(seen.map(({ name, condition }) => [name, condition]))
  return { ok: healthy || !call.given.on('exit-code'), summary, result: seen.map(connectorData) }
}

/** A person's pause is not an illness. */
function isWell({ condition }: Health): boolean {
  return condition === 'running' || condition === 'paused' || condition === 'stopped'
}

function statusText(health: Health, paint: Paint): string {
  const { name, type, condition, state, tasks, faults } = health
  const mark = paint.mark(condition === 'failed' ? 'fail' : condition === 'running' ? 'ok' : 'wait')
  const lines = [`${mark} ${paint.colour('bold', name)}   ${condition}   ${type}`]
  const row = (label: string, text: string): void => {
    lines.push(`  ${paint.colour('dim', label.padEnd(10))} ${text}`)
  }
  row('connector', state)
  for (const task of tasks) row(`task ${task.id}`, task.state)
  for (const fault of faults) {
    const { exception } = fault.detail.evidence ?? {}
    row('fault', `${fault.code} ${fault.detail.what}: ${fault.entry.title.toLowerCase()}`)
    if (exception !== undefined) row('', exception)
    for (const [at, todo] of fault.todo.entries()) {
      row(at === 0 ? 'you' : '', todoText(todo).replaceAll('NAME', name))
    }
  }
  if (condition === 'paused') row('', 'paused by a person; nothing starts it but resume')
  if (condition === 'stopped') row('', 'stopped; settings and offsets are kept')
  return lines.join('\n')
}

export function connectorData(health: Health): Readonly<Record<string, unknown>> {
  const { name, type, condition, state, tasks, faults } = health
  const own = tasks.map(({ id, state: at, fault }) => ({
    id,
    state: at,
    fault: fault === null ? null : faultData(fault, {}),
  }))
  return {
    name,
    type,
    condition,
    state,
    tasks: own,
    faults: faults.map((one) => faultData(one, {})),
  }
}
