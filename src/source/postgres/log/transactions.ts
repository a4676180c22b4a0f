import type { Conversion } from '../../../dialect/postgres/values.ts'
import type { StreamItem, TruncateChange } from '../../../model/change.ts'
import { Changes, DELETE, INSERT, UPDATE } from '../../../model/changes.ts'
import type { Positions } from '../../../model/position.ts'
import { Run } from '../../../model/run.ts'
import type { Table } from '../../../model/table.ts'
import { cellsAt } from '../../../model/tuple.ts'
import { Landmark, type Lsn } from '../position.ts'
import { misread } from './bytes.ts'
import { Passages } from './passages.ts'
import {
  commitLsnOf,
  committedAtOf,
  endLsnOf,
  oldIn,
  type PgoutputMessage,
  type RelationMessage,
  type RowMessage,
  rowIn,
  type TruncateMessage,
} from './pgoutput.ts'

/** A part of a transaction is handed on when it has grown to this. */
const PART_BYTES = 4 << 20
const PART_CHANGES = 10_000

/** Which table a relation's rows are of, in the given streamed transaction or outside of one. */
export interface Tables {
  /** Null for a relation that is published and not mirrored. */
  of(relation: number, streamed: number | null): Table | null
  committed(streamed: number): void
  aborted(streamed: number, sub: number): void
}

export interface TransactionsOptions {
  readonly tables: Tables
  readonly after: Lsn
  /** The landmark of `after`. */
  readonly landmark?: Landmark | null
  readonly positions: (lsn: Lsn, landmark: Landmark | null) => Positions
  /** Rewrites a tuple for the wanted encoding; null where tuples stay as they come. */
  readonly convert: Conversion | null
}

/** Between begin and commit, or between stream start and stream stop. */
interface Open {
  xid: number
  sub: number | null
  /** Where its commit begins; null for one that is sent before its end. */
  commit: Lsn | null
  /** Row bytes that are not handed on yet. */
  bytes: number
  /** Holds a row or a truncate, whether of a mirrored table or not. */
  touched: boolean
  /** Some of its changes were handed on, or one of them changes a table's shape. */
  alone: boolean
}

/**
 * Turns the messages of one session into what a stream consists of. A transaction that the server
 * sends before its end (protocol 2), or that is large, comes as parts; many ordinary ones come as
 * one run. Nothing is made for a row or an ordinary transaction, since there may be millions.
 */
export class Transactions {
  readonly #options: TransactionsOptions
  /** Of whole transactions that are not handed on yet, and behind them of the open one. */
  #changes = Changes.empty()
  /** Where the changes of the open transaction begin. */
  #start = 0
  #ends: number[] = []
  #passages: Passages
  readonly #one: Open = { xid: 0, sub: null, commit: null, bytes: 0, touched: false, alone: false }
  #open: Open | null = null
  #streamed: number | null = null
  /** Streamed transactions that have not ended yet. */
  readonly #unfinished = new Set<number>()
  /** The (sub-)transactions of streamed ones that hold rows and were not taken back. */
  readonly #touched = new Map<number, Set<number>>()
  #last: Lsn

  constructor(options: TransactionsOptions) {
    this.#options = options
    this.#last = options.after
    this.#passages = new Passages(options.positions, options.landmark ?? null)
  }

  /** The streamed transaction whose block is being read. */
  get streamed(): number | null {
    return this.#streamed
  }

  /** The transaction that is being read. Throws Fault HF-L107 when there is none. */
  get xid(): number {
    if (this.#open === null) throw misread('a relation was described outside of a transaction')
    return this.#open.xid
  }

  /** Everything before it has been read. */
  get last(): Lsn {
    return this.#last
  }

  /** Relation messages are not for here. */
  take(message: Exclude<PgoutputMessage, RelationMessage>, out: StreamItem[]): void {
    switch (message.kind) {
      case 'insert':
      case 'update':
      case 'delete':
        this.#row(message, out)
        break
      case 'truncate':
        this.#truncate(message, out)
        break
      case 'begin':
        this.#begin(message.xid, commitLsnOf(message))
        break
      case 'commit':
        this.#commit(endLsnOf(message), committedAtOf(message), out)
        break
      case 'stream-start':
        this.#streamStart(message.xid)
        break
      case 'stream-stop':
        this.#streamStop(out)
        break
      case 'stream-commit':
        this.#streamCommit(message, out)
        break
      case 'stream-abort':
        this.#streamAbort(message.xid, message.subxid, out)
        break
      case 'origin':
      case 'type':
      case 'message':
        break
    }
  }

  /** A change of the catalogue, in the (sub-)transaction that it was met in. */
  change(change: Parameters<Changes['push']>[0], xid: number | null, out: StreamItem[]): void {
    this.#within(xid, out).alone = true
    this.#changes.push(change)
  }

  /**
   * The server has read its log up to `lsn`: whatever committed before has been sent, since
   * commits are sent when they are read. Inside a transaction it says nothing new. `asked`: the
   * server wants an answer; one that shuts down does so until all that it sent is acknowledged.
   */
  keepalive(lsn: Lsn, asked: boolean, out: StreamItem[]): void {
    if (this.#open !== null || (lsn <= this.#last && !asked)) return
    this.handOn(out)
    if (lsn > this.#last) this.#last = lsn
    const positions = this.#options.positions(this.#last, this.#passages.landmark)
    out.push({ kind: 'progress', positions, urgent: asked })
  }

  /** Hands on the whole transactions that have been read; to be called after each burst. */
  handOn(out: StreamItem[]): void {
    if (this.#ends.length === 0) return
    const all = this.#changes
    const open = this.#open !== null && all.length > this.#start
    const run = new Run(open ? all.slice(0, this.#start) : all, this.#ends, this.#passages)
    this.#begun(open ? all.rest(this.#start) : Changes.empty(all.length))
    out.push({ kind: 'run', run })
  }

  /** Takes back everything that has not committed; the server is to send it again from its start. */
  abandon(out: StreamItem[]): void {
    this.handOn(out)
    const xids = new Set(this.#unfinished)
    if (this.#open !== null) xids.add(this.#open.xid)
    for (const xid of xids) {
      this.#options.tables.aborted(xid, xid)
      out.push({ kind: 'discard', transaction: String(xid), sub: null })
    }
    this.#begun(Changes.empty())
    this.#unfinished.clear()
    this.#touched.clear()
    this.#open = null
    this.#streamed = null
  }

  /** Nothing but the changes of the open transaction is left. */
  #begun(open: Changes): void {
    this.#changes = open
    this.#start = 0
    this.#ends = []
    this.#passages = new Passages(
      this.#options.positions,
      this.#passages.landmark,
      this.#passages.length,
    )
  }

  #begin(xid: number, commit: Lsn | null): void {
    if (this.#open !== null) throw misread('a transaction begins inside another one')
    this.#open = this.#one
    this.#one.xid = xid
    this.#one.commit = commit
    this.#one.sub = null
    this.#one.bytes = 0
    this.#one.touched = false
    this.#one.alone = false
  }

  /** What an independent look at the log would see of the transaction, too. */
  #touch(xid: number | null): void {
    if (this.#open === null) return
    if (this.#streamed === null) {
      this.#open.touched = true
      return
    }
    const subs = this.#touched.get(this.#streamed) ?? new Set()
    this.#touched.set(this.#streamed, subs.add(xid ?? this.#streamed))
  }

  #row(message: RowMessage, out: StreamItem[]): void {
    this.#touch(message.xid)
    const table = this.#options.tables.of(message.relation, this.#streamed)
    if (table === null) return
    const open = this.#within(message.xid, out)
    const { buffer, from, to, oldFrom, oldTo } = message
    const width = table.columns.length
    if (
      (from >= 0 && cellsAt(buffer, from) !== width) ||
      (oldFrom >= 0 && cellsAt(buffer, oldFrom) !== width)
    ) {
      throw misread(`a row of ${table.schema}.${table.name} has not the cells of its table`)
    }
    const { convert } = this.#options
    // A view of each row that is not rewritten would cost more than the row.
    if (convert === null || convert.leaves?.(table) === true) {
      this.#changes.add(KINDS[message.kind], table, message)
    } else {
      const [row, old] = [rowIn(message), oldIn(message)]
      this.#changes.push({
        kind: message.kind,
        table,
        row: row && convert(row, table),
        old: old && convert(old, table),
      })
    }
    open.bytes += to - from + oldTo - oldFrom
    const many = this.#changes.length - this.#start >= PART_CHANGES
    if (many || open.bytes >= PART_BYTES) this.#handOnPart(open, out)
  }

  #truncate(message: TruncateMessage, out: StreamItem[]): void {
    this.#touch(message.xid)
    const { relations, restartSequences, xid } = message
    const tables = relations
      .map((relation) => this.#options.tables.of(relation, this.#streamed))
      .filter((table) => table !== null)
    if (tables.length === 0) return
    this.#within(xid, out)
    const change: TruncateChange = { kind: 'truncate', tables, restartSequences }
    this.#changes.push(change)
  }

  /** The open transaction, ready for a change of this (sub-)transaction. */
  #within(xid: number | null, out: StreamItem[]): Open {
    const open = this.#open
    if (open === null) throw misread('a change came outside of a transaction')
    const sub = xid === null || xid === open.xid ? null : xid
    if (sub !== open.sub) {
      this.#handOnPart(open, out)
      open.sub = sub
    }
    return open
  }

  /** Hands on what the open transaction has changed so far. */
  #handOnPart(open: Open, out: StreamItem[]): void {
    const changes = this.#opened(out)
    if (changes.length === 0) return
    const sub = open.sub === null ? null : String(open.sub)
    const part = { kind: 'part', transaction: String(open.xid), sub, changes } as const
    if (open.commit === null) out.push(part)
    else {
      const committed = this.#options.positions(open.commit, this.#passages.landmark)
      out.push({ ...part, committed })
    }
    open.bytes = 0
    open.alone = true
  }

  /** Takes out the changes of the open transaction; whatever stands before them is handed on. */
  #opened(out: StreamItem[]): Changes {
    this.handOn(out)
    const changes = this.#changes
    this.#begun(Changes.empty())
    return changes
  }

  #commit(lsn: Lsn, committedAt: bigint, out: StreamItem[]): void {
    const open = this.#open
    if (open === null || this.#streamed !== null) throw misread('a commit has no transaction')
    if (open.alone) {
      const changes = this.#opened(out)
      this.#open = null
      this.#end({ xid: open.xid, changes, lsn, committedAt, touched: open.touched }, out)
      return
    }
    this.#open = null
    this.#reach(lsn)
    this.#passages.add(lsn, committedAt, open.touched)
    this.#ends.push(this.#changes.length)
    this.#start = this.#changes.length
  }

  #streamStart(xid: number): void {
    if (this.#open !== null) throw misread('a streamed block begins inside a transaction')
    this.#begin(xid, null)
    this.#streamed = xid
    this.#unfinished.add(xid)
  }

  #streamStop(out: StreamItem[]): void {
    if (this.#open !== null) this.#handOnPart(this.#open, out)
    this.#open = null
    this.#streamed = null
  }

  #streamCommit(
    message: Extract<PgoutputMessage, { kind: 'stream-commit' }>,
    out: StreamItem[],
  ): void {
    if (this.#open !== null) throw misread('a streamed commit came inside a transaction')
    const { xid, endLsn: lsn, committedAt } = message
    this.#options.tables.committed(xid)
    this.#unfinished.delete(xid)
    const touched = (this.#touched.get(xid)?.size ?? 0) > 0
    this.#touched.delete(xid)
    this.handOn(out)
    this.#end({ xid, changes: Changes.empty(), lsn, committedAt, touched }, out)
  }

  #streamAbort(xid: number, subxid: number, out: StreamItem[]): void {
    if (this.#open !== null) throw misread('a rollback came inside a transaction')
    this.#options.tables.aborted(xid, subxid)
    if (subxid === xid) this.#unfinished.delete(xid)
    if (subxid === xid) this.#touched.delete(xid)
    else this.#touched.get(xid)?.delete(subxid)
    this.handOn(out)
    const sub = subxid === xid ? null : String(subxid)
    out.push({ kind: 'discard', transaction: String(xid), sub })
  }

  #end(
    end: {
      readonly xid: number
      readonly changes: Changes
      readonly lsn: Lsn
      readonly committedAt: bigint
      readonly touched: boolean
    },
    out: StreamItem[],
  ): void {
    const { xid, changes, lsn, committedAt } = end
    this.#reach(lsn)
    const landmark = end.touched ? new Landmark(lsn, committedAt) : this.#passages.landmark
    const positions = this.#options.positions(lsn, landmark)
    this.#passages = new Passages(this.#options.positions, landmark)
    out.push({ kind: 'commit', transaction: String(xid), changes, positions, committedAt })
  }

  #reach(lsn: Lsn): void {
    if (lsn <= this.#last) throw misread('a commit comes before what was read already')
    this.#last = lsn
  }
}

const KINDS = { insert: INSERT, update: UPDATE, delete: DELETE } as const
