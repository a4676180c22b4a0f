import type { Batch } from '../model/batch.ts'
import type { Checkpoint, Identities, TableMode, TableState } from '../model/checkpoint.ts'
import type { Endpoint } from '../model/endpoint.ts'
import type { Fault, Finding } from '../model/fault.ts'
import type { MemberLease } from '../model/member.ts'
import type { MetadataCells } from '../model/metadata.ts'
import type { Lane, Position, Positions } from '../model/position.ts'
import type { TargetReader } from '../model/reader.ts'
import type { Blueprint, Sequence, Table, Vocabulary } from '../model/table.ts'

export interface TargetOptions {
  readonly endpoint: Endpoint
  readonly mirror: string
  /** Turns a stored token into a position; only the source can. */
  readonly position: (lane: string, token: string) => Position
  /** What is called otherwise here, as `Renames` takes it; the mirror's state goes before. */
  readonly rename?: readonly string[]
  /** Rows say what is known of their last change; the mirror's state goes before. */
  readonly metadata?: boolean
}

/** Facts that the core may branch on. It never asks who the target is. */
export interface TargetTraits {
  readonly dialect: string
  /** Rows and checkpoint commit together. Without it rows are upserts and the checkpoint follows. */
  readonly transactional: boolean
  /** Schema steps commit with the rows around them. */
  readonly transactionalDdl: boolean
  /** Its batches may be growing: it asks for their positions after their parts. */
  readonly growing?: boolean
  /** It has `ahead`, which takes a connection more. */
  readonly ahead?: boolean
  /** Only a log of one lane can be followed into it. */
  readonly oneLane?: boolean
  /** Several processes may write a mirror, each the lanes that it holds: `join` is there. */
  readonly shared?: boolean
  /** It can keep each change instead of rows that are what the source's rows are. */
  readonly history?: boolean
}

/** What stands at the target: the source's rows, or each change that was made to them. */
export type Shape = 'mirror' | 'history'

/** A table of the source and what it is to be at the target. */
export interface PlannedTable {
  readonly table: Table
  readonly target: { readonly schema: string; readonly name: string }
  readonly mode: TableMode
  /** It was mirrored and finished before this plan was made: nothing is built for it any more. */
  readonly standing?: true
}

export interface TargetPlan {
  readonly blueprint: Blueprint
  readonly tables: readonly PlannedTable[]
  /** What to do where a table of that name holds rows already. */
  readonly onExisting: 'refuse' | 'merge' | 'replace'
  /** Rows as they are, unless given. */
  readonly shape?: Shape
}

export interface ClaimRequest {
  readonly settings: Readonly<Record<string, unknown>>
  /** How long to wait for a live holder, milliseconds. */
  readonly patience: number
  /** The mirror is to be destroyed: its checkpoint, which may be damaged, is not read. */
  readonly destroying?: boolean
}

/** The right to write, until disposed or lost. */
export interface Claim extends AsyncDisposable {
  /** Null when nobody claimed this mirror before. */
  readonly checkpoint: Checkpoint | null
  readonly epoch: bigint
  /** Aborted, with the Fault as reason, when another process took over or renewing fails. */
  readonly lost: AbortSignal
}

/** What a process has of a mirror that it shares with others. */
export interface Held {
  /** Of all lanes. */
  readonly checkpoint: Checkpoint
  /** Those that are its own to write; nobody else does as long as it has them. */
  readonly lanes: ReadonlySet<Lane>
  /** Those that it needs all of; empty where another process came first with such a wish. */
  readonly wanted: readonly Lane[]
  /** Processes that share the mirror at the moment. */
  readonly members: number
}

/** The right to write some lanes of a mirror, beside other processes that write the others. */
export interface Membership extends Claim {
  /**
   * Gives up lanes that others are to have and takes free ones, in one transaction. Called only
   * while nothing is being applied. `wanted`: lanes of which it needs all or none.
   */
  settle(wanted: readonly Lane[]): Promise<Held>
  /** True when `settle` would give up or take a lane. */
  unsettled(): Promise<boolean>
}

/**
 * Where rows go. All methods throw `Fault`; a transient one means that the target may be opened
 * and claimed again. After `claim`, every write asserts the claim's epoch inside the server.
 */
export interface Target extends AsyncDisposable {
  readonly traits: TargetTraits
  readonly label: string
  /** Equal to a source's `place` exactly when both are the same database. */
  readonly place: string

  /** What would stop or endanger; changes nothing and creates nothing. */
  preflight(plan: TargetPlan): Promise<readonly Finding[]>
  /** Encodings that rows of this table can be taken in; `values` is always among them. */
  encodings(table: Table): { readonly stream: readonly string[]; readonly copy: readonly string[] }
  /**
   * The cells of columns of METADATA in an encoding of the stream; of a row of the first copy they
   * come from the target itself. Left out where tables hold nothing but the source's columns.
   */
  metadata?(encoding: string): MetadataCells
  /** Facts about the target itself, for people (`HF-` identity of its state included). */
  identity(): Promise<Readonly<Record<string, string>>>

  /** Reads the checkpoint without a claim; null when there is none. */
  checkpoint(): Promise<Checkpoint | null>
  /** The names of all mirrors whose state is here. */
  mirrors(): Promise<readonly string[]>
  /** Takes the lease and a new epoch; creates the state it needs. */
  claim(request: ClaimRequest, signal: AbortSignal): Promise<Claim>
  /**
   * Becomes one of the processes that share a mirror that was copied, each with an epoch of its
   * own: a batch asserts it for each of its lanes. While anybody is one, `claim` waits.
   */
  join?(request: ClaimRequest, signal: AbortSignal): Promise<Membership>
  /** The processes that share the mirror, the eldest first; none while nobody does. */
  members?(): Promise<readonly MemberLease[]>

  /**
   * Creates what is missing and records every table as pending that is not recorded yet. One
   * transaction if it can.
   */
  prepare(plan: TargetPlan): Promise<void>
  /** Records that these tables are no longer part of the mirror. They stay with their rows. */
  forget(tables: readonly Table[]): Promise<void>
  /**
   * Records that these tables are now copied from a snapshot at `positions`: they are emptied of
   * what an earlier attempt copied. `first` also makes `positions` and `source` the checkpoint's;
   * without it lanes that the checkpoint lacks become its, and with them the facts that it lacks.
   * `openedAt`: when the snapshot was opened, microseconds since 1970.
   */
  begin(
    tables: readonly Table[],
    snapshot: {
      readonly positions: Positions
      readonly source: Identities
      readonly first: boolean
      readonly openedAt?: bigint
    },
  ): Promise<void>
  /**
   * Records that the mirror goes on elsewhere, in one transaction: `positions` are those of all its
   * lanes and `source` its facts from now on, and these tables begin at `start`. Never asked of a
   * target that knows one lane: its rows tell older changes by where they stood.
   */
  relocate(
    tables: readonly Table[],
    to: { readonly positions: Positions; readonly start: Positions; readonly source: Identities },
  ): Promise<void>
  /**
   * Rows of a chunk and its mark, in one transaction. Returns the number of rows. `bytes` is about
   * how large the chunk is, where that is known.
   */
  copy(
    chunk: {
      readonly table: Table
      readonly index: number
      readonly of: number
      readonly bytes?: number
    },
    rows: { readonly encoding: string; readonly data: AsyncIterable<Buffer> },
    signal: AbortSignal,
  ): Promise<number>
  /** All chunks are there: builds the table's key and marks it as copied. */
  copied(table: Table): Promise<void>
  /** Builds secondary indexes and foreign keys; safe to repeat. */
  finish(): Promise<void>

  /**
   * Promise 2. Returned means visible, checkpoint included. `encoding` is the one that the stream
   * was opened with, thus what the cells of the batch's tuples hold.
   */
  apply(batch: Batch, encoding: string): Promise<void>
  /**
   * Writes an additive batch while the one before it is applied, and commits it, with the
   * checkpoint, after `before` has resolved. False when it could not be, with nothing written: then
   * it is to be applied like any other. Left out where that is always so.
   */
  ahead?(batch: Batch, encoding: string, before: Promise<void>): Promise<boolean>
  /** What a crash of the target can no longer take back. */
  durable(): Promise<Positions>
  setSequences(sequences: readonly Sequence[]): Promise<void>
  /**
   * Adds to the target's types of these names the labels that they lack, so that they stand there
   * before the first row that holds one. Says what it added and what it may not add. `renamed`: a
   * label seems to have got another name, so that old rows differ without a word from the log.
   */
  learn(
    vocabularies: readonly Vocabulary[],
  ): Promise<{ readonly said: readonly string[]; readonly renamed: Fault | null }>

  /** A consistent view of the mirrored tables and of the position that it stands at. */
  reader(tables: readonly TableState[], signal: AbortSignal): Promise<TargetReader>
  /** Removes the mirror's state (never a mirrored table); says what it removed. */
  destroy(): Promise<readonly string[]>
}
