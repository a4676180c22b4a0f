import type { Endpoint } from '../model/endpoint.ts'
import type { Fault } from '../model/fault.ts'
import type { Positions } from '../model/position.ts'
import type { CatchUp, Selection, Source, SourceOptions } from '../source/source.ts'
import type { Shape, Target, TargetOptions } from '../target/target.ts'
import type { MirrorEvent } from './progress.ts'

export interface MirrorLimits {
  /** Row changes, and bytes of rows, after which a batch grows no more. */
  readonly batchRows: number
  readonly batchBytes: number
  /** Bytes of uncommitted transactions in memory before the largest goes to disk. */
  readonly memoryBytes: number
  readonly spillDirectory: string
  /** Rows may be written ahead of their turn, over a connection more. */
  readonly ahead: boolean
}

export const defaultLimits: MirrorLimits = {
  batchRows: 100_000,
  batchBytes: 16 << 20,
  memoryBytes: 32 << 20,
  spillDirectory: '.holdfast/spill',
  ahead: true,
}

export interface MirrorOptions {
  readonly name: string
  readonly source: Endpoint
  readonly target: Endpoint
  readonly selection: Selection
  readonly onExisting: 'refuse' | 'merge' | 'replace'
  /** Rows as they are, unless given. */
  readonly shape?: Shape
  /** Names that differ at the target, as `Renames` takes them. */
  readonly rename?: readonly string[]
  /** Rows of the target say what is known of their last change. */
  readonly metadata?: boolean
  readonly copyWorkers: number
  readonly limits: MirrorLimits
  /** Not given, the source has its own idea. */
  readonly catchUp?: CatchUp
  /** Ends once this is durable in the target; `position` is a token of the source. */
  readonly until?: 'caught-up' | { readonly position: string }
  readonly snapshotOnly?: boolean
  /** Other processes follow the same mirror, each some of its lanes. */
  readonly shared?: boolean
  /** Milliseconds to wait for a live holder of the mirror. */
  readonly patience: number
}

export interface MirrorOutcome {
  readonly ended: 'drained' | 'caught-up' | 'snapshot'
  readonly positions: Positions
}

export type Watch = (event: MirrorEvent) => void

export interface Connectors {
  readonly openSource: (options: SourceOptions) => Promise<Source>
  readonly openTarget: (options: TargetOptions) => Promise<Target>
}

/** What lasts over all sessions of one run. */
export interface Run {
  readonly options: MirrorOptions
  readonly watch: Watch
  /** A person's wish to stop; what was read is applied first. */
  readonly drain: AbortSignal
  /** What the run was asked to reach; set by the first session. */
  goal: Positions | null
  /** Set once a transaction was not read to its end with the target at work: not tried again. */
  grownInVain?: true
  /** Why tables that came could not be taken in, by their ids. */
  leftOut?: Map<string, Fault>
  /** True once the mirror was claimed: from then on transient faults are retried for good. */
  opened: boolean
  /** Those of the registries unless given. */
  readonly connectors?: Connectors
}
