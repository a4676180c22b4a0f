import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type ConnectOffset, offsetsAnswer } from '../../connect/answers.ts'
import { heal, restartFailed } from '../../connect/heal.ts'
import type { Condition, Health } from '../../connect/health.ts'
import { settled } from '../../connect/look.ts'
import type { Worker } from '../../connect/worker.ts'
import { Fault } from '../../model/fault.ts'
import type { Call } from '../command.ts'
import { columns } from '../grid.ts'
import type { Outcome } from '../outcome.ts'
import { connectorData } from './look.ts'
import { nameOf, requireConfirmed, workerOf } from './shared.ts'

/** Starts again what has failed, with growing waits; what runs, and what a person paused, stays. */
export async function restart(call: Call): Promise<Outcome> {
  const watched = { worker: workerOf(call), name: nameOf(call), signal: call.signal }
  const before = await settled(watched)
  await restartFailed(watched)
  const health = await heal(watched, (attempt, wait) =>
    call.out.say(`  attempt ${attempt}, in ${wait / 1000} s`),
  )
  const same = before.condition !== 'failed'
  return ended(call, health, same ? `is ${health.condition}: left alone` : 'runs again')
}

export async function pause(call: Call): Promise<Outcome> {
  return await move(call, { how: (worker, name) => worker.pause(name), to: 'paused' })
}

export async function resume(call: Call): Promise<Outcome> {
  return await move(call, { how: (worker, name) => worker.resume(name), to: 'running' })
}

export async function stop(call: Call): Promise<Outcome> {
  return await move(call, { how: (worker, name) => worker.stop(name), to: 'stopped' })
}

interface Move {
  readonly how: (worker: Worker, name: string) => Promise<void>
  readonly to: Condition
}

/** Asks for a state and waits until the connector is in it, or has failed. */
async function move(call: Call, { how, to }: Move): Promise<Outcome> {
  const worker = workerOf(call)
  const name = nameOf(call)
  await how(worker, name)
  const health = await settled({ worker, name, signal: call.signal }, { wanted: to })
  return ended(call, health, `is ${health.condition}`)
}

function ended(call: Call, health: Health, did: string): Outcome {
  const { name, condition, faults } = health
  const error = faults[0] ?? null
  const good = condition !== 'failed' && condition !== 'starting'
  const mark = call.out.paint.stdout.mark(good ? 'ok' : 'wait')
  if (error === null) call.out.data(`${mark} connector ${name} ${did}`)
  else call.out.faults(faults)
  const result = connectorData(health)
  return { ok: good, summary: { [name]: condition }, result, error }
}

/** Takes a connector away for good. */
export async function remove(call: Call): Promise<Outcome> {
  const worker = workerOf(call)
  const name = nameOf(call)
  await worker.status(name)
  requireConfirmed(call, name, [
    `remove connector ${name} with its settings and offsets from ${worker.label}`,
    'stays: its topics; at the source its slot and publication, which hold the log until somebody drops them',
  ])
  await worker.delete(name)
  call.out.data(`${call.out.paint.stdout.mark('ok')} connector ${name} is removed`)
  return { ok: true, summary: { removed: name } }
}

/** Shows how far a connector has read; alters it or forgets it while it is stopped. */
export async function offsets(call: Call): Promise<Outcome> {
  const worker = workerOf(call)
  const name = nameOf(call)
  const file = call.given.text('alter')
  if (call.given.on('reset')) {
    await requireStopped(worker, name)
    requireConfirmed(call, name, [`forget the offsets of ${name}; it begins anew with a snapshot`])
    const said = await worker.resetOffsets(name)
    call.out.data(`${call.out.paint.stdout.mark('ok')} ${said}`)
    return { ok: true, summary: { offsets: 0 } }
  }
  if (file !== null) {
    await requireStopped(worker, name)
    const wanted = offsetsOf(resolve(call.directory, file))
    requireConfirmed(call, name, [`set ${wanted.length} offsets of ${name} to those of ${file}`])
    const said = await worker.alterOffsets(name, wanted)
    call.out.data(`${call.out.paint.stdout.mark('ok')} ${said}`)
    return { ok: true, summary: { offsets: wanted.length } }
  }
  const found = await worker.offsets(name)
  const rows = found.map(({ partition, offset }) => [
    JSON.stringify(partition),
    JSON.stringify(offset),
  ])
  if (rows.length > 0) call.out.data(columns([['OF', 'READ UP TO'], ...rows]))
  else call.out.data(`connector ${name} has no offsets: it begins with a snapshot`)
  return { ok: true, summary: { offsets: found.length }, result: { offsets: found } }
}

async function requireStopped(worker: Worker, name: string): Promise<void> {
  const { connector } = await worker.status(name)
  if (connector.state === 'STOPPED') return
  const what = `connector ${name} is ${connector.state}`
  const run = `holdfast connectors stop ${name}`
  throw new Fault('HF-K408', { what, todo: [{ text: 'Stop it first.', run }] })
}

function offsetsOf(path: string): readonly ConnectOffset[] {
  try {
    const parsed = offsetsAnswer.parse(JSON.parse(readFileSync(path, 'utf8')))
    return parsed.offsets
  } catch {
    throw new Fault('HF-C012', {
      what: `${path} is not of the form that holdfast connectors offsets --json gives: {"offsets": [{"partition": …, "offset": …}]}`,
    })
  }
}
