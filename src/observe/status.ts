import { isoTime, wallMicros } from '../async/clock.ts'
import {
  type ConnectorProgress,
  lagOf,
  type Progress,
  type TableProgress,
} from '../mirror/progress.ts'
import type { Checkpoint } from '../model/checkpoint.ts'
import type { Fault, Todo } from '../model/fault.ts'
import type { Phase } from '../model/phase.ts'
import { describePositions } from '../model/position.ts'
import { copiedRows, type Follower } from './follower.ts'
import type { Halt } from './halts.ts'
import type { MemberStatus } from './members.ts'

export type Overall = 'healthy' | 'degraded' | 'failed'
/** What one half of a mirror does: the one that reads the source, the one that writes. */
export type HalfState = 'STARTING' | 'RUNNING' | 'WAITING' | 'FAILED' | 'STOPPED'

export interface TableStatus {
  readonly name: string
  readonly mode: string
  readonly copied: boolean
  readonly rows_copied: number
  readonly rows_expected: number | null
}

export interface ConnectorStatus {
  readonly name: string
  readonly condition: ConnectorProgress['condition']
  readonly state: string
  readonly tasks: readonly { readonly id: number; readonly state: string }[]
  readonly faults: readonly {
    readonly code: string
    readonly what: string
    readonly title: string
  }[]
}

/** One mirror in one object; the form that programs rely on. Times are ISO 8601 in UTC. */
export interface Status {
  readonly mirror: string
  readonly overall: Overall
  readonly phase: Phase
  readonly reason: string | null
  readonly since: string | null
  readonly connector: {
    readonly state: HalfState
    readonly healthy: boolean
    readonly tasks: readonly { readonly id: number; readonly state: HalfState }[]
    readonly message: string
  }
  /** What fills the source and belongs to the mirror, as its worker says it. */
  readonly connectors: readonly ConnectorStatus[]
  readonly consumer: {
    readonly state: HalfState
    readonly healthy: boolean
    /** When the target last said what is durable. */
    readonly last_heartbeat: string | null
    readonly recent: boolean
    readonly message: string
  }
  readonly config: {
    readonly status: 'active' | 'configured'
    readonly active: boolean
    readonly connector_name: string
  }
  readonly statistics: {
    readonly rows_synced: number
    readonly tables_enabled: number
    readonly last_sync: string | null
  }
  readonly positions: {
    readonly applied: string | null
    readonly durable: string | null
    readonly head: string | null
  }
  readonly lag: { readonly seconds: number; readonly bytes: number } | null
  /** How the source's log is read now, and why so; null while it is not. */
  readonly reading: { readonly way: 'stream' | 'windows'; readonly why: string } | null
  /** Whether readers of the target see whole transactions of the source; null until that is known. */
  readonly transactions: { readonly whole: boolean; readonly why: string } | null
  /** What the source keeps for the mirror, and how long it keeps what the mirror needs next. */
  readonly log: {
    readonly retained_bytes: number | null
    readonly limit_bytes: number | null
    readonly age_seconds: number | null
    readonly limit_seconds: number | null
  }
  readonly counters: Readonly<Record<string, number>>
  readonly tables: readonly TableStatus[]
  /** Tables that came to the source and are not mirrored, and what is to be done of each. */
  readonly left_out: readonly FaultStatus[]
  /** It is one of several processes, or may be: `members` says who they are. */
  readonly shared: boolean
  /** The processes that share the mirror, as its target knows them; none where one has it. */
  readonly members: readonly MemberStatus[]
  readonly fault: FaultStatus | null
  readonly timestamp: string
}

interface FaultStatus {
  readonly code: string
  readonly what: string
  readonly todo: readonly Todo[]
}

/** An answer older than this many milliseconds proves nothing; both ends answer every 2 s. */
const STALE = 15_000

/** The status of a mirror that this process runs. */
export function runningStatus(follower: Follower): Status {
  const now = wallMicros()
  const { progress, sourceSilence, targetSilence } = follower
  const fresh = (silence: number | null): boolean => silence !== null && silence < STALE
  const halves = { source: fresh(sourceSilence), target: fresh(targetSilence) }
  const state = halfState(progress.phase)
  const lag = lagOf(progress, now)
  return {
    mirror: progress.mirror,
    overall: withConnectors(overallOf(progress.phase, halves), progress.connectors),
    phase: progress.phase,
    reason: progress.reason,
    since: timeText(progress.since),
    connector: halfOf(progress.connectors) ?? {
      state,
      healthy: state === 'RUNNING' && halves.source,
      tasks: [{ id: 0, state }],
      message: heardMessage('the source', sourceSilence),
    },
    connectors: progress.connectors.map(connectorStatus),
    consumer: {
      state,
      healthy: state === 'RUNNING' && halves.target,
      last_heartbeat: timeText(before(now, targetSilence)),
      recent: halves.target,
      message: heardMessage('the target', targetSilence),
    },
    config: configOf(progress.mirror, true),
    statistics: {
      rows_synced: copiedRows(progress) + progress.changes,
      tables_enabled: progress.tables.size,
      last_sync: timeText(progress.lastAppliedAt),
    },
    positions: positionsOf(progress),
    lag: lag === null ? null : { seconds: lag.seconds, bytes: Number(lag.bytes) },
    reading: reads(progress.phase) ? progress.way : null,
    transactions: progress.wholeness,
    log: {
      retained_bytes: progress.retainedBytes,
      limit_bytes: progress.limitBytes,
      age_seconds: progress.logAge?.seconds ?? null,
      limit_seconds: progress.logAge?.limitSeconds ?? null,
    },
    counters: countersOf(progress),
    tables: [...progress.tables.values()].map(tableStatus),
    left_out: progress.leftOut.map(faultStatus),
    shared: progress.shared,
    members: [],
    fault: faultOf(progress),
    timestamp: isoTime(now),
  }
}

/** The status of a mirror that runs nowhere within sight, from the state at its target. */
export function storedStatus(
  mirror: string,
  checkpoint: Checkpoint,
  known: { readonly connectors: readonly ConnectorProgress[]; readonly halt: Halt | null },
): Status {
  const { connectors, halt } = known
  const tables = checkpoint.tables.map(
    ({ table, mode, state, rowsCopied }): TableStatus => ({
      name: `${table.schema}.${table.name}`,
      mode,
      copied: state === 'copied',
      rows_copied: rowsCopied,
      rows_expected: null,
    }),
  )
  const message = 'no process of this mirror was found from here'
  const applied = checkpoint.positions.size === 0 ? null : describePositions(checkpoint.positions)
  return {
    mirror,
    ...endOf(halt, message),
    connector: halfOf(connectors) ?? { state: 'STOPPED', healthy: false, tasks: [], message },
    connectors: connectors.map(connectorStatus),
    consumer: { state: 'STOPPED', healthy: false, last_heartbeat: null, recent: false, message },
    config: configOf(mirror, false),
    statistics: {
      rows_synced: tables.reduce((total, table) => total + table.rows_copied, 0),
      tables_enabled: tables.length,
      last_sync: null,
    },
    positions: { applied, durable: applied, head: null },
    lag: null,
    reading: null,
    transactions: null,
    log: { retained_bytes: null, limit_bytes: null, age_seconds: null, limit_seconds: null },
    counters: {},
    tables,
    left_out: [],
    shared: false,
    members: [],
    timestamp: isoTime(wallMicros()),
  }
}

/** How a mirror has ended that does not run. */
function endOf(
  halt: Halt | null,
  message: string,
): Pick<Status, 'overall' | 'phase' | 'reason' | 'since' | 'fault'> {
  if (halt === null)
    return { overall: 'degraded', phase: 'stopped', reason: message, since: null, fault: null }
  const { at: since, ...fault } = halt
  const reason = `${fault.code} ${fault.what}`
  return { overall: 'failed', phase: 'halted', reason, since, fault }
}

function overallOf(phase: Phase, fresh: { source: boolean; target: boolean }): Overall {
  if (phase === 'halted') return 'failed'
  return phase === 'streaming' && fresh.source && fresh.target ? 'healthy' : 'degraded'
}

/** A mirror is as well as the least of its connectors. */
function withConnectors(overall: Overall, connectors: readonly ConnectorProgress[]): Overall {
  if (connectors.some(({ condition }) => condition === 'failed')) return 'failed'
  const all = connectors.every(({ condition }) => condition === 'running')
  return all || overall === 'failed' ? overall : 'degraded'
}

const STATES = {
  running: 'RUNNING',
  failed: 'FAILED',
  paused: 'STOPPED',
  stopped: 'STOPPED',
  starting: 'STARTING',
} as const

/** The half that reads the source, where connectors of another program do it; null without any. */
function halfOf(connectors: readonly ConnectorProgress[]): Status['connector'] | null {
  const order = ['failed', 'starting', 'stopped', 'paused', 'running'] as const
  const worst = order.find((one) => connectors.some(({ condition }) => condition === one))
  if (worst === undefined) return null
  const told = connectors.map(({ name, condition, faults: [fault] }) => {
    const why = fault === undefined ? '' : `, ${fault.code} ${fault.entry.title.toLowerCase()}`
    return `${name} is ${condition}${why}`
  })
  const tasks = connectors.flatMap(({ tasks: own }) =>
    own.map(({ id, state }) => ({ id, state: taskState(state) })),
  )
  const state = STATES[worst]
  return { state, healthy: worst === 'running', tasks, message: told.join('; ') }
}

function taskState(state: string): HalfState {
  if (state === 'RUNNING' || state === 'FAILED') return state
  return state === 'PAUSED' || state === 'STOPPED' ? 'STOPPED' : 'STARTING'
}

export function connectorStatus(connector: ConnectorProgress): ConnectorStatus {
  const { name, condition, state, tasks, faults } = connector
  return {
    name,
    condition,
    state,
    tasks: tasks.map((task) => ({ id: task.id, state: task.state })),
    faults: faults.map(({ code, detail, entry }) => ({
      code,
      what: detail.what,
      title: entry.title,
    })),
  }
}

function halfState(phase: Phase): HalfState {
  switch (phase) {
    case 'configured':
    case 'preparing':
      return 'STARTING'
    case 'snapshotting':
    case 'catching-up':
    case 'streaming':
      return 'RUNNING'
    case 'waiting':
      return 'WAITING'
    case 'halted':
      return 'FAILED'
    case 'stopped':
      return 'STOPPED'
  }
}

function reads(phase: Phase): boolean {
  return phase === 'catching-up' || phase === 'streaming'
}

function configOf(mirror: string, active: boolean): Status['config'] {
  const status = active ? 'active' : 'configured'
  return { status, active, connector_name: `holdfast_${mirror}` }
}

function positionsOf({ applied, durable, head }: Progress): Status['positions'] {
  const text = (places: Progress['applied']): string | null =>
    places.size === 0 ? null : describePositions(places)
  return { applied: text(applied), durable: text(durable), head: text(head) }
}

function countersOf(progress: Progress): Record<string, number> {
  const { transactions, changes, batches, replayed, retries } = progress
  return { transactions, changes, batches, replayed, retries }
}

export function tableStatus({
  name,
  mode,
  copied,
  rowsCopied,
  rowsExpected,
}: TableProgress): TableStatus {
  return { name, mode, copied, rows_copied: rowsCopied, rows_expected: rowsExpected }
}

function faultOf({ fault, phase }: Progress): Status['fault'] {
  const present = fault !== null && (phase === 'halted' || phase === 'waiting')
  return present ? faultStatus(fault) : null
}

function faultStatus({ code, detail, todo }: Fault): FaultStatus {
  return { code, what: detail.what, todo }
}

function heardMessage(who: string, silence: number | null): string {
  if (silence === null) return `${who} was not heard of yet`
  return `${who} answered ${(silence / 1000).toFixed(1)} s ago`
}

function before(now: bigint, silence: number | null): bigint | null {
  return silence === null ? null : now - BigInt(Math.round(silence * 1000))
}

function timeText(micros: bigint | null): string | null {
  return micros === null ? null : isoTime(micros)
}
