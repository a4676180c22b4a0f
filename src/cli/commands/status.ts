import type { MirrorSettings, Owned } from '../../config/settings.ts'
import { parseUrl } from '../../config/url.ts'
import { storedMirror } from '../../mirror/operations.ts'
import type { Endpoint } from '../../model/endpoint.ts'
import { asFault, Fault } from '../../model/fault.ts'
import { inShort } from '../../model/position.ts'
import { lastHalt } from '../../observe/halts.ts'
import { type MemberStatus, withMembers } from '../../observe/members.ts'
import { ask, askSettings, socketNames } from '../../observe/socket.ts'
import { type Status, storedStatus } from '../../observe/status.ts'
import { connectorsOf } from '../../supervise/owned.ts'
import { type Call, type Command, whichMirror } from '../command.ts'
import { type Typed, todoData, todoText } from '../format.ts'
import type { Outcome } from '../outcome.ts'
import type { Paint } from '../paint.ts'
import { count, plural, size, span } from '../words.ts'

/** A mirror that is asked about, and where its state is stored when that is known. */
interface Asked {
  readonly name: string
  readonly target: Endpoint | null
  /** The connectors that belong to it. */
  readonly owned?: Owned | null
}

export const status: Command = {
  name: 'status',
  summary: 'How a mirror is: asked of the running process, else of the target.',
  flags: [...whichMirror, { flags: '--exit-code', text: 'end with 4 unless all are healthy' }],
  examples: [
    'holdfast status',
    'holdfast status --json',
    'holdfast status --target URL --name crm',
  ],
  async run(call: Call): Promise<Outcome> {
    const { out, given } = call
    const statuses: Status[] = []
    for (const asked of whom(call)) statuses.push(await statusOf(call, asked))
    for (const one of statuses) out.data(statusText(one, out.paint.stdout, out.typed))
    const healthy = statuses.every((one) => one.overall === 'healthy')
    const summary = Object.fromEntries(statuses.map((one) => [one.mirror, one.overall]))
    const ok = healthy || !given.on('exit-code')
    const result = statuses.map((one) => named(one, out.typed))
    return { ok, summary, result: result.length === 1 ? result[0] : result }
  },
}

/** The mirrors of the configuration, of the flags, or those that run in this folder. */
function whom(call: Call): readonly Asked[] {
  const { given, directory } = call
  const name = given.text('name')
  const target = given.text('target')
  if (target !== null) {
    return [{ name: name ?? 'default', target: parseUrl(target, '--target') }]
  }
  const configured = mirrorsIfAny(call)
  if (configured !== null) return configured
  const running = name === null ? socketNames(directory) : [name]
  if (running.length > 0) return running.map((one) => ({ name: one, target: null }))
  throw new Fault('HF-X012', {
    what: 'no mirror is described, and none runs in this folder',
  })
}

function mirrorsIfAny(call: Call): readonly MirrorSettings[] | null {
  try {
    return call.mirrors()
  } catch (error) {
    if (error instanceof Fault && error.code === 'HF-C013') return null
    throw error
  }
}

async function statusOf(call: Call, { name, target, owned = null }: Asked): Promise<Status> {
  const running = await ask(call.directory, name, 'status')
  // The other end is this program under the same user; its answer is a Status.
  if (running !== null) return await withOthers(call, running as Status, target)
  if (target === null)
    throw new Fault('HF-X012', { what: `no mirror "${name}" runs in this folder` })
  const { checkpoint, mirrors, label, members } = await storedMirror({ name, target })
  if (checkpoint !== null) {
    const connectors = owned === null ? [] : await connectorsOf(owned, call.signal)
    const known = { connectors, halt: lastHalt(call.directory, name) }
    return withMembers(storedStatus(name, checkpoint, known), members, checkpoint.positions.size)
  }
  const others = mirrors.length === 0 ? 'holds no mirror' : `holds ${mirrors.join(', ')}`
  throw new Fault('HF-C112', { what: `${label} ${others}; "${name}" is not among them` })
}

/** A process knows of itself; of those that share its mirror the target knows. */
async function withOthers(call: Call, own: Status, target: Endpoint | null): Promise<Status> {
  if (!own.shared) return own
  const where = target ?? (await askSettings(call.directory, own.mirror))?.target
  if (where === undefined) return own
  try {
    const { members, checkpoint } = await storedMirror({ name: own.mirror, target: where })
    return withMembers(own, members, checkpoint?.positions.size ?? 0)
  } catch (error) {
    // How this process is, is known all the same.
    call.out.say(`the other processes are not known: ${asFault(error).message}`)
    return own
  }
}

/** With commands for the mirror that it is of. */
function named(status: Status, typed: Typed): Status {
  const { fault, left_out, mirror } = status
  const of = <F extends Pick<NonNullable<Status['fault']>, 'todo'>>(one: F): F => {
    return { ...one, todo: todoData(one.todo, { ...typed, mirror }) }
  }
  return { ...status, fault: fault === null ? null : of(fault), left_out: left_out.map(of) }
}

/** A status for a person. */
export function statusText(status: Status, paint: Paint, typed: Typed = {}): string {
  const { overall, phase, connector, consumer, statistics, positions, lag, log, reading } = status
  const mark = overall === 'healthy' ? 'ok' : overall === 'failed' ? 'fail' : 'wait'
  const since = status.since === null ? '' : `since ${status.since}`
  const lines = [
    `${paint.mark(mark)} ${paint.colour('bold', status.mirror)}   ${overall}   ${phase} ${since}`.trimEnd(),
  ]
  const row = (label: string, text: string): void => {
    lines.push(`  ${paint.colour('dim', label.padEnd(10))} ${text}`)
  }
  if (status.fault !== null) {
    row('fault', `${status.fault.code} ${status.fault.what}`)
    for (const [at, todo] of status.fault.todo.entries()) {
      row(at === 0 ? 'you' : '', todoText(todo, { ...typed, mirror: status.mirror }))
    }
  }
  row('connector', `${connector.state.padEnd(8)} ${connector.message}`)
  for (const { name, condition, state, tasks, faults } of status.connectors) {
    row('', `${name}   ${condition}   called ${state}`)
    for (const task of tasks) row('', `  task ${task.id}   ${task.state}`)
    for (const { code, what, title } of faults) row('', `  ${code} ${what}: ${title.toLowerCase()}`)
  }
  row('consumer', `${consumer.state.padEnd(8)} ${consumer.message}`)
  for (const member of status.members) row('process', memberText(member))
  const behind = lag === null ? 'lag unknown' : lagWords(lag)
  row(
    'statistics',
    `${plural(statistics.rows_synced, 'row')} · ${plural(statistics.tables_enabled, 'table')} · ${behind}`,
  )
  const [applied, durable] = [positions.applied, positions.durable].map(placeWords)
  const place = `applied ${applied} · durable ${durable}`
  row(
    'position',
    positions.head === null ? place : `${place} · source at ${inShort(positions.head)}`,
  )
  if (reading !== null) row('reading', reading.why)
  if (status.transactions !== null) row('order', orderWords(status.transactions))
  if (log.retained_bytes !== null) row('log', logWords(log.retained_bytes, log))
  const waiting = status.tables.filter((table) => !table.copied)
  for (const table of waiting.slice(0, 10)) {
    const of = table.rows_expected === null ? '' : ` of about ${count(table.rows_expected)}`
    row('copying', `${table.name}  ${count(table.rows_copied)}${of} rows`)
  }
  if (waiting.length > 10) row('', `and ${waiting.length - 10} more tables`)
  for (const { code, what, todo } of status.left_out.slice(0, 10)) {
    row('left out', `${code} ${what}`)
    for (const step of todo) row('', `  ${todoText(step, { ...typed, mirror: status.mirror })}`)
  }
  if (status.left_out.length > 10) row('', `and ${status.left_out.length - 10} more`)
  return lines.join('\n')
}

function placeWords(place: string | null): string {
  return place === null ? 'nothing' : inShort(place)
}

function orderWords({ whole, why }: { readonly whole: boolean; readonly why: string }): string {
  if (whole) return `whole transactions, in the order of their commits: ${why}`
  return `each row in its order, transactions in pieces, all of it in the end: ${why}`
}

function memberText({ host, pid, lanes, recent, last_heartbeat }: MemberStatus): string {
  const heard = recent ? '' : `, silent since ${last_heartbeat}`
  return `${host} ${pid}   ${plural(lanes.length, 'lane')}${heard}`
}

function lagWords(lag: { readonly seconds: number; readonly bytes: number }): string {
  return lag.bytes === 0 ? 'lag 0 s' : `lag ${span(lag.seconds)} (${size(lag.bytes)})`
}

function logWords(
  retained: number,
  log: { readonly limit_bytes: number | null; readonly limit_seconds: number | null } & {
    readonly age_seconds: number | null
  },
): string {
  const { limit_bytes: bytes, limit_seconds: limit, age_seconds: age } = log
  const aged = age === null || age === 0 ? '' : `, closed ${span(age)} ago`
  const of =
    limit !== null
      ? `kept for ${span(limit)}${aged}`
      : bytes === null
        ? 'no limit is set at the source'
        : `limit ${size(bytes)}`
  return `${size(retained)} kept by the source for this mirror; ${of}`
}
