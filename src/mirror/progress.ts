import type { Batch } from '../model/batch.ts'
import type { TableMode, TableState } from '../model/checkpoint.ts'
import type { Fault } from '../model/fault.ts'
import type { Phase } from '../model/phase.ts'
import type { Positions } from '../model/position.ts'
import type { LogAge, Way, Wholeness } from '../source/source.ts'

/** What a mirror tells while it works; everything that is shown derives from these. */
export type MirrorEvent =
  | { readonly kind: 'phase'; readonly phase: Phase; readonly reason: string | null }
  | { readonly kind: 'opened'; readonly source: string; readonly target: string }
  | { readonly kind: 'tables'; readonly tables: readonly TableProgress[] }
  | {
      readonly kind: 'expected'
      readonly id: string
      readonly rows: number
      readonly bytes: number
    }
  | { readonly kind: 'copied-rows'; readonly id: string; readonly rows: number }
  | { readonly kind: 'copied-table'; readonly id: string }
  | {
      readonly kind: 'applied'
      readonly positions: Positions
      readonly transactions: number
      readonly changes: number
      readonly committedAt: bigint | null
      /** The batch was refused as collapsed and applied change by change. */
      readonly replayed: boolean
    }
  | { readonly kind: 'durable'; readonly positions: Positions }
  | {
      readonly kind: 'source'
      readonly head: Positions
      readonly retainedBytes: number | null
      readonly limitBytes: number | null
      readonly age?: LogAge
    }
  | {
      readonly kind: 'log'
      readonly retainedBytes: number | null
      readonly limitBytes: number | null
      readonly age?: LogAge
    }
  | { readonly kind: 'fault'; readonly fault: Fault; readonly retryInMillis: number | null }
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'left-out'; readonly faults: readonly Fault[] }
  | { readonly kind: 'shared' }
  | ({ readonly kind: 'way' } & Way)
  | ({ readonly kind: 'wholeness' } & Wholeness)
  | { readonly kind: 'connectors'; readonly connectors: readonly ConnectorProgress[] }

/** What fills the source and belongs to the mirror: a connector of another program. */
export interface ConnectorProgress {
  readonly name: string
  readonly condition: 'running' | 'failed' | 'paused' | 'stopped' | 'starting'
  /** As its worker says it, which may be RUNNING for one that has failed. */
  readonly state: string
  readonly tasks: readonly { readonly id: number; readonly state: string }[]
  /** What has failed, by its kind. */
  readonly faults: readonly Fault[]
}

export interface TableProgress {
  readonly id: string
  /** `schema.table` at the source, for people. */
  readonly name: string
  readonly mode: TableMode
  readonly copied: boolean
  readonly rowsCopied: number
  /** Estimate; null until the snapshot is open. */
  readonly rowsExpected: number | null
}

/** Everything that there is to say about a running mirror; times are microseconds since 1970. */
export interface Progress {
  readonly mirror: string
  readonly source: string | null
  readonly target: string | null
  readonly phase: Phase
  /** Why it is in this phase, where that is not plain. */
  readonly reason: string | null
  readonly since: bigint
  readonly startedAt: bigint
  /** Changed in place by `reduce`: each event of one of 10,000 tables must not copy them all. */
  readonly tables: Map<string, TableProgress>
  readonly applied: Positions
  readonly durable: Positions
  readonly head: Positions
  readonly retainedBytes: number | null
  readonly limitBytes: number | null
  /** Null where the source does not throw its log away by age. */
  readonly logAge: LogAge | null
  readonly transactions: number
  readonly changes: number
  readonly batches: number
  readonly replayed: number
  readonly retries: number
  readonly lastAppliedAt: bigint | null
  /** Source commit time of the newest transaction applied. */
  readonly committedAt: bigint | null
  /** When `head` was the source's head. */
  readonly headAt: bigint | null
  /** The latest moment whose head is known to be applied. */
  readonly levelAt: bigint | null
  /** How the source's log is read; null until it is. */
  readonly way: Way | null
  /** Whether transactions are seen as wholes at the target; null until that is known. */
  readonly wholeness: Wholeness | null
  /** Those that belong to the mirror; none where it has none. */
  readonly connectors: readonly ConnectorProgress[]
  readonly fault: Fault | null
  /** Why tables that came to the source are not mirrored. */
  readonly leftOut: readonly Fault[]
  /** Other processes follow the same mirror. */
  readonly shared: boolean
}

export function startProgress(mirror: string, now: bigint): Progress {
  const nowhere: Positions = new Map()
  return {
    mirror,
    source: null,
    target: null,
    phase: 'configured',
    reason: null,
    since: now,
    startedAt: now,
    tables: new Map(),
    applied: nowhere,
    durable: nowhere,
    head: nowhere,
    retainedBytes: null,
    limitBytes: null,
    logAge: null,
    transactions: 0,
    changes: 0,
    batches: 0,
    replayed: 0,
    retries: 0,
    lastAppliedAt: null,
    committedAt: null,
    headAt: null,
    levelAt: null,
    way: null,
    wholeness: null,
    connectors: [],
    fault: null,
    leftOut: [],
    shared: false,
  }
}

/** The progress after an event that happened at `now`. Pure, except that it keeps `tables`. */
export function reduce(progress: Progress, event: MirrorEvent, now: bigint): Progress {
  switch (event.kind) {
    case 'phase':
      return event.phase === progress.phase && event.reason === progress.reason
        ? progress
        : { ...progress, phase: event.phase, reason: event.reason, since: now }
    case 'opened':
      return { ...progress, source: event.source, target: event.target, fault: null }
    case 'tables':
      return { ...progress, tables: new Map(event.tables.map((table) => [table.id, table])) }
    case 'expected':
      return withTable(progress, event.id, (t) => ({ ...t, rowsExpected: event.rows }))
    case 'copied-rows':
      return withTable(progress, event.id, (t) => ({ ...t, rowsCopied: t.rowsCopied + event.rows }))
    case 'copied-table':
      return withTable(progress, event.id, (t) => ({ ...t, copied: true }))
    case 'applied':
      return levelled({
        ...progress,
        applied: event.positions,
        transactions: progress.transactions + event.transactions,
        changes: progress.changes + event.changes,
        batches: progress.batches + 1,
        replayed: progress.replayed + (event.replayed ? 1 : 0),
        lastAppliedAt: now,
        committedAt: event.committedAt ?? progress.committedAt,
      })
    case 'durable':
      // What is durable was applied, maybe by a process before this one.
      return {
        ...progress,
        durable: event.positions,
        applied: progress.applied.size === 0 ? event.positions : progress.applied,
      }
    case 'source': {
      const { head, retainedBytes, limitBytes, age: logAge = null } = event
      return levelled({ ...progress, head, headAt: now, retainedBytes, limitBytes, logAge })
    }
    case 'log': {
      const { retainedBytes, limitBytes, age: logAge = null } = event
      return { ...progress, retainedBytes, limitBytes, logAge }
    }
    case 'fault':
      return {
        ...progress,
        fault: event.fault,
        retries: progress.retries + (event.retryInMillis === null ? 0 : 1),
      }
    case 'way':
      return { ...progress, way: { way: event.way, why: event.why } }
    case 'wholeness':
      return { ...progress, wholeness: { whole: event.whole, why: event.why } }
    case 'connectors':
      return { ...progress, connectors: event.connectors }
    case 'left-out':
      return { ...progress, leftOut: event.faults }
    case 'shared':
      return { ...progress, shared: true }
    case 'notice':
      return progress
  }
}

function withTable(
  progress: Progress,
  id: string,
  change: (table: TableProgress) => TableProgress,
): Progress {
  const table = progress.tables.get(id)
  if (table !== undefined) progress.tables.set(id, change(table))
  return progress
}

export interface Lag {
  /** Source head minus applied position, in the log's own units (bytes for most); 0 at the head. */
  readonly bytes: bigint
  /**
   * While the source is ahead: how long ago the target last held everything, or how old the newest
   * applied commit is, whichever is less. 0 at the head. A log that grows by what is not mirrored
   * makes no lag.
   */
  readonly seconds: number
}

/** How much the source is ahead, in the log's own units. */
function behind({ head, applied }: Progress): bigint {
  let bytes = 0n
  for (const [lane, { order }] of head) {
    const reached = applied.get(lane)?.order ?? 0n
    if (order > reached) bytes += order - reached
  }
  return bytes
}

function levelled(progress: Progress): Progress {
  const { head, applied, headAt } = progress
  if (head.size === 0 || applied.size === 0 || behind(progress) > 0n) return progress
  return { ...progress, levelAt: headAt }
}

/** Null until both ends are known. */
export function lagOf(progress: Progress, now: bigint): Lag | null {
  if (progress.head.size === 0 || progress.applied.size === 0) return null
  const bytes = behind(progress)
  const { committedAt, levelAt } = progress
  const known = [committedAt, levelAt].filter((at) => at !== null)
  const newest = known.reduce((a, b) => (b > a ? b : a), known[0] ?? now)
  const age = bytes === 0n ? 0n : now - newest
  // A clock of the source that is ahead of ours must not make the lag negative.
  return { bytes, seconds: age > 0n ? Number(age) / 1e6 : 0 }
}

export function tableProgress(states: readonly TableState[]): TableProgress[] {
  return states.map(({ table, mode, state, rowsCopied }) => ({
    id: table.id,
    name: `${table.schema}.${table.name}`,
    mode,
    copied: state === 'copied',
    rowsCopied,
    rowsExpected: null,
  }))
}

/** The same before copies that are not whole are made anew, with what was copied of them. */
export function anewProgress(states: readonly TableState[]): TableProgress[] {
  return tableProgress(
    states.map((state) => (state.state === 'copied' ? state : { ...state, rowsCopied: 0 })),
  )
}

export function appliedEvent(batch: Batch, replayed: boolean): MirrorEvent {
  const { positions, transactions, changes, committedAt } = batch
  return { kind: 'applied', positions, transactions, changes, committedAt, replayed }
}
