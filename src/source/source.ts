import type { StreamItem } from '../model/change.ts'
import type { Checkpoint, Identities } from '../model/checkpoint.ts'
import type { Declared } from '../model/declared.ts'
import type { Endpoint } from '../model/endpoint.ts'
import type { Fault, FaultCode, Finding } from '../model/fault.ts'
import type { Comparison, Position, Positions } from '../model/position.ts'
import type { Present, SourceReader } from '../model/reader.ts'
import type { Blueprint, Sequence, Table, Vocabulary } from '../model/table.ts'

/** Which tables are wanted. Patterns are `schema.table` with `*`; `"…"` quotes a name. */
export interface Selection {
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  /** What becomes of a table without an identity: nothing starts, it is left out, inserts only. */
  readonly keyless: 'refuse' | 'exclude' | 'append'
}

/** When a source may take a faster way than its stream to read what it has missed. */
export interface CatchUp {
  /** Bytes of log behind which it is worth it; null for never. */
  readonly distance: number | null
  /** Milliseconds that the stream would need at its present rate. */
  readonly millis: number
  /** Bytes of memory that it may take at the source, of all sessions together. */
  readonly memory: number
}

/** How a source reads its log at the moment, and why not in the other way. */
export interface Way {
  readonly way: 'stream' | 'windows'
  readonly why: string
}

/** Whether what one transaction of the source changed is handed on together, and why. */
export interface Wholeness {
  readonly whole: boolean
  readonly why: string
}

export interface SourceOptions {
  readonly endpoint: Endpoint
  /** Names what the source keeps for this mirror. */
  readonly mirror: string
  readonly selection: Selection
  readonly catchUp?: CatchUp
  /** Told, in a sentence, what a person should know of while it goes on. */
  readonly notice?: (text: string) => void
  /** Told whenever the log is read in another way, or for another reason. */
  readonly way?: (way: Way) => void
  /** Opens the database whose log is read here, where that is known. */
  readonly behind?: () => Promise<Source>
  /** Told whenever that changes, where `wholeTransactions` is not true of all that it reads. */
  readonly wholeness?: (wholeness: Wholeness) => void
}

/** How much a table holds, roughly; null where there is no telling. */
export interface Estimate {
  readonly rows: number | null
  /** On the source's disk, without indexes. */
  readonly bytes: number | null
}

/** Facts that the core may branch on. It never asks who the source is. */
export interface SourceTraits {
  /** A target of the same dialect can use `Blueprint.native`. */
  readonly dialect: string
  /** The stream brings what was committed together as one transaction. */
  readonly wholeTransactions: boolean
  /** The stream may bring a change more than once, or one of a row that it never brought. */
  readonly retells?: boolean
  /** Lanes can be followed apart from each other: `stream` takes positions of some of them. */
  readonly apart?: boolean
}

/** A piece of a table, read by itself. */
export interface Chunk {
  readonly table: Table
  /** 0 to `of` - 1. */
  readonly index: number
  readonly of: number
  /** Estimates, for progress and for balancing. */
  readonly rows: number
  readonly bytes: number
  /** What the source needs to read it; nobody else looks. */
  readonly range: unknown
}

/** A view of the source at one commit, open until disposed or until its session dies. */
export interface Snapshot extends AsyncDisposable {
  /** Everything committed at or before is in the view, nothing after it is. */
  readonly positions: Positions
  /** Pieces of about `bytes`; at least one, also for an empty table. */
  chunks(table: Table, bytes: number): Promise<readonly Chunk[]>
  /**
   * The chunk's rows in a copy encoding. `values` is framed tuples (model/tuple.ts); other
   * encodings are byte streams that the two ends agree on by name. Safe to call concurrently.
   */
  read(chunk: Chunk, encoding: string, signal: AbortSignal): AsyncIterable<Buffer>
}

/** What the source keeps for the mirror, in bytes; null where there is no limit or no figure. */
export interface LogState {
  readonly retainedBytes: number | null
  readonly limitBytes: number | null
  /** Where the source throws its log away by age. */
  readonly age?: LogAge
}

/** How old the log is that the mirror needs next. */
export interface LogAge {
  /** Since it came to be of the kind that is thrown away; 0 for log that is still being written. */
  readonly seconds: number
  /** At which it may be thrown away. */
  readonly limitSeconds: number
  /** What lets the source keep it for longer, at its end. */
  readonly remedy: string
}

/** Tables that came to be after a mirror had chosen its own. */
export interface Later {
  /** Those that can be followed; what surrounds them may be that of the others, too. */
  readonly blueprint: Blueprint
  /** Why others cannot, each by its name. */
  readonly refused: readonly Fault[]
}

/** Where a mirror goes on with tables that are told anew. */
export interface Moved {
  /** Of all its lanes. */
  readonly positions: Positions
  /** Of the lanes of these tables. */
  readonly start: Positions
  readonly source: Identities
}

/** What whoever fills the log has to be told, so that it tells a table anew. */
export interface Wish {
  /** What it calls itself. */
  readonly server: string
  /** What it calls the table. */
  readonly collection: string
}

/** Tables whose rows are to be told anew by whoever fills the log. */
export interface Telling {
  readonly tables: readonly Table[]
  /** Those of them that cannot be followed from where the mirror stands. */
  readonly gaps: readonly Table[]
  readonly wishes: readonly Wish[]
  /**
   * Resolves once every row of each stands in the log, all of them told since this was opened.
   * Null where no mirror follows them yet. Throws HF-K122 where no such row comes for `wait`
   * milliseconds. `again`: asks once more, where what has come may have been begun before.
   */
  whole(
    how: { readonly wait: number; readonly again: (wishes: readonly Wish[]) => Promise<void> },
    signal: AbortSignal,
  ): Promise<Moved | null>
}

/** Listens for words that the database behind a source signs. */
export interface Hearing {
  /**
   * Resolves once the word has come. True when nothing has come since the word before it that was
   * told before the first one; what was told before may still be on its way while that is false.
   */
  heard(word: string, signal: AbortSignal): Promise<boolean>
}

/**
 * Where changes come from. All methods throw `Fault`; a transient one means that the source may
 * be opened again and read from the checkpoint.
 */
export interface Source extends AsyncDisposable {
  readonly traits: SourceTraits
  /** `PostgreSQL 16.4 at host:5432/shop`. */
  readonly label: string
  /** Equal to a target's `place` exactly when both are the same database. */
  readonly place: string

  /**
   * What would stop, endanger or harm; changes nothing and creates nothing. `fresh`: this mirror
   * has no state anywhere yet, so what stands under its name at the source belongs to another one.
   * `target`: the target's place.
   */
  preflight(options?: {
    readonly fresh: boolean
    readonly target?: string
  }): Promise<readonly Finding[]>
  /**
   * The selected tables and what surrounds them. `tables`: nothing but these need be read, which
   * were inspected before.
   */
  inspect(tables?: readonly Table[]): Promise<Blueprint>
  /** Of each of these tables, in their order; cheap, whatever they hold. */
  estimates(tables: readonly Table[]): Promise<readonly Estimate[]>
  /** Encodings that rows of this table can be read in, best first; `values` is always among them. */
  encodings(table: Table): { readonly stream: readonly string[]; readonly copy: readonly string[] }

  /**
   * Facts that say which log this is (promise 7). Faults when the mirror's hold on it is gone.
   * `tables`: those that are followed; all for which the log is kept, unless given.
   */
  identity(tables?: readonly Table[]): Promise<Identities>
  /**
   * The oldest place that can be read from, and the newest that is safe on the source's disk. `gap` is
   * the fault that it means to stand before the oldest; HF-L105 when absent.
   */
  range(): Promise<{
    readonly from: Positions
    readonly head: Positions
    readonly gap?: FaultCode
  }>
  compare(a: Position, b: Position): Comparison
  /**
   * Faults when the log is not the one in which `applied` was reached, although it reaches past
   * it: the source was put back to an earlier state and has written on since.
   */
  confirm(applied: Positions, signal: AbortSignal): Promise<void>
  /** The position that a checkpoint's token stood for. */
  position(lane: string, token: string): Position

  /** Makes the log carry changes of these tables; safe to repeat. Comes before the snapshot. */
  prepare(tables: readonly Table[]): Promise<void>
  /**
   * Opens a view. `keep: true` is the first one: from its position on the log is kept for the
   * mirror. `keep: false` is for tables to be copied anew beside a log that is kept already, and
   * for those that came `later`, whose lanes are followed from then on. `tables`: nothing but
   * these will be read.
   */
  snapshot(
    options: { readonly keep: boolean; readonly tables?: readonly Table[] },
    signal: AbortSignal,
  ): Promise<Snapshot>
  /**
   * Of a source whose tables may come to be while it is followed: those that `selection` means
   * beside the ones that are `known`. Cheap while none has come.
   */
  later?(selection: Selection, known: readonly Table[]): Promise<Later>
  /**
   * Makes the log carry changes of tables that came later, beside the others; safe to repeat. Gives
   * them back as the checkpoint is to know them; null where others hold them for too long. Left out
   * where it carries them already.
   */
  admit?(tables: readonly Table[]): Promise<readonly Table[] | null>

  /**
   * Of a source that another program fills: these tables as they will be told anew, by their names;
   * all that cannot be followed on unless named. `known` is null before there is a mirror.
   */
  telling?(known: Checkpoint | null, names: readonly string[] | null): Promise<Telling>

  /**
   * Everything committed after `after`, in order, in bursts of what has arrived. Reading stops
   * while nobody asks for the next burst; the connection is kept alive meanwhile.
   * `tables` are the tables as the checkpoint knows them; a table that reads differently now comes
   * as a schema change when its older rows are known to hold null in every column added, else it
   * is a fault. `before`: updates bring what the log says of the row before, also where the key
   * stays. Ends with a `Gathering` where what comes next is about lanes that are not followed, or
   * that were followed past it.
   */
  stream(
    after: Positions,
    options: {
      readonly tables: readonly Table[]
      readonly encoding: string
      readonly before?: boolean
    },
    signal: AbortSignal,
  ): AsyncIterable<readonly StreamItem[]>
  /** Promise 1: called only with what the target has on disk. Never waits for the source. */
  acknowledge(durable: Positions): void

  /** A place at or after everything that is committed now, which the stream will pass soon. */
  fence(): Promise<Positions>
  /** Looks at the catalogue; faults when a mirrored table can no longer be followed. */
  look(tables: readonly Table[]): Promise<void>
  sequences(): Promise<readonly Sequence[]>
  /** The lists that columns of these tables take their values from, as they are now. */
  vocabularies(tables: readonly Table[]): Promise<readonly Vocabulary[]>
  log(): Promise<LogState>

  /** A consistent view of the tables for comparing them. Needs no stream. */
  reader(tables: readonly Table[], signal: AbortSignal): Promise<SourceReader>
  /** A consistent view of the tables, found by their names, where the log is not needed. */
  present?(tables: readonly Table[], signal: AbortSignal): Promise<Present>
  /** What is declared of those of these tables that are there; cheap as long as nothing changes. */
  declared?(tables: readonly Pick<Table, 'schema' | 'name'>[]): Promise<readonly Declared[]>
  /** Writes a word into the log that is no row of anything: behind all that is committed now. */
  sign?(word: string): Promise<void>
  /** Of a source that hears from a database through others: hears words signed from now on. */
  hear?(): Promise<Hearing>
  /** Removes what the source keeps for the mirror; says what it removed. Safe to repeat. */
  destroy(): Promise<readonly string[]>
}
