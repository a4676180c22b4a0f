import type { Change, StreamItem } from '../../../model/change.ts'
import type { Positions } from '../../../model/position.ts'
import type { Table } from '../../../model/table.ts'
import { cells, type Tuple } from '../../../model/tuple.ts'
import { Landmark, type Lsn } from '../position.ts'
import { misread } from './bytes.ts'
import type { PgoutputMessage, RelationMessage, RowMessage, TruncateMessage } from './pgoutput.ts'

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
  /** Rewrites a tuple for the wanted encoding. */
  readonly convert: (tuple: Tuple, table: Table) => Tuple
}

/** Changes of one (sub-)transaction that are not handed on yet. */
interface Open {
  readonly xid: number
  sub: number | null
  changes: Change[]
  bytes: number
  /** Holds a row or a truncate, whether of a mirrored table or not. */
  touched: boolean
}

/**
 * Turns the messages of one session into what a stream consists of. A transaction that the server
 * sends before its end (protocol 2) comes as parts; an ordinary one in one piece, unless it is
 * large.
 */
export class Transactions {
  readonly #options: TransactionsOptions
  /** Between begin and commit, or between stream start and stream stop. */
  #open: Open | null = null
  #streamed: number | null = null
  /** Streamed transactions that have not ended yet. */
  readonly #unfinished = new Set<number>()
  /** The (sub-)transactions of streamed ones that hold rows and were not taken back. */
  readonly #touched = new Map<number, Set<number>>()
  #last: Lsn
  #landmark: Landmark | null

  constructor(options: TransactionsOptions) {
    this.#options = options
    this.#last = options.after
    this.#landmark = options.landmark ?? null
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

  /** Everything before it has been handed on. */
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
        this.#begin(message.xid)
        break
      case 'commit':
        this.#commit(message.endLsn, message.committedAt, out)
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
  change(change: Change, xid: number | null, out: StreamItem[]): void {
    this.#add(change, { xid, bytes: 0 }, out)
  }

  /**
   * The server has read its log up to `lsn`: whatever committed before has been sent, since
   * commits are sent when they are read. Inside a transaction it says nothing new. `asked`: the
   * server wants an answer; one that shuts down does so until all that it sent is acknowledged.
   */
  keepalive(lsn: Lsn, asked: boolean, out: StreamItem[]): void {
    if (this.#open !== null || (lsn <= this.#last && !asked)) return
    if (lsn > this.#last) this.#last = lsn
    const positions = this.#options.positions(this.#last, this.#landmark)
    out.push({ kind: 'progress', positions, urgent: asked })
  }

  /** Takes back everything that has not committed; the server is to send it again from its start. */
  abandon(out: StreamItem[]): void {
    const xids = new Set(this.#unfinished)
    if (this.#open !== null) xids.add(this.#open.xid)
    for (const xid of xids) {
      this.#options.tables.aborted(xid, xid)
      out.push({ kind: 'discard', transaction: String(xid), sub: null })
    }
    this.#unfinished.clear()
    this.#touched.clear()
    this.#open = null
    this.#streamed = null
  }

  #begin(xid: number): void {
    if (this.#open !== null) throw misread('a transaction begins inside another one')
    this.#open = { xid, sub: null, changes: [], bytes: 0, touched: false }
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
    const row = this.#tuple(message.row, table)
    const old = this.#tuple(message.old, table)
    const bytes = (row?.length ?? 0) + (old?.length ?? 0)
    this.#add({ kind: message.kind, table, row, old }, { xid: message.xid, bytes }, out)
  }

  #tuple(tuple: Tuple | null, table: Table): Tuple | null {
    if (tuple === null) return null
    if (cells(tuple) !== table.columns.length) {
      throw misread(`a row of ${table.schema}.${table.name} has not the cells of its table`)
    }
    return this.#options.convert(tuple, table)
  }

  #truncate(message: TruncateMessage, out: StreamItem[]): void {
    this.#touch(message.xid)
    const { relations, restartSequences, xid } = message
    const tables = relations
      .map((relation) => this.#options.tables.of(relation, this.#streamed))
      .filter((table) => table !== null)
    if (tables.length === 0) return
    this.#add({ kind: 'truncate', tables, restartSequences }, { xid, bytes: 0 }, out)
  }

  #add(
    change: Change,
    { xid, bytes }: { readonly xid: number | null; readonly bytes: number },
    out: StreamItem[],
  ): void {
    const open = this.#open
    if (open === null) throw misread('a change came outside of a transaction')
    const sub = xid === null || xid === open.xid ? null : xid
    if (sub !== open.sub) {
      flush(open, out)
      open.sub = sub
    }
    open.changes.push(change)
    open.bytes += bytes
    if (open.bytes >= PART_BYTES || open.changes.length >= PART_CHANGES) flush(open, out)
  }

  #commit(lsn: Lsn, committedAt: bigint, out: StreamItem[]): void {
    const open = this.#open
    if (open === null || this.#streamed !== null) throw misread('a commit has no transaction')
    this.#open = null
    const { touched } = open
    const [first] = open.changes
    // An array that grew holds room for more, and these wait in great numbers.
    const changes = first !== undefined && open.changes.length === 1 ? [first] : open.changes
    this.#end({ transaction: String(open.xid), changes, lsn, committedAt, touched }, out)
  }

  #streamStart(xid: number): void {
    if (this.#open !== null) throw misread('a streamed block begins inside a transaction')
    this.#open = { xid, sub: null, changes: [], bytes: 0, touched: false }
    this.#streamed = xid
    this.#unfinished.add(xid)
  }

  #streamStop(out: StreamItem[]): void {
    if (this.#open !== null) flush(this.#open, out)
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
    this.#end({ transaction: String(xid), changes: [], lsn, committedAt, touched }, out)
  }

  #streamAbort(xid: number, subxid: number, out: StreamItem[]): void {
    if (this.#open !== null) throw misread('a rollback came inside a transaction')
    this.#options.tables.aborted(xid, subxid)
    if (subxid === xid) this.#unfinished.delete(xid)
    if (subxid === xid) this.#touched.delete(xid)
    else this.#touched.get(xid)?.delete(subxid)
    const sub = subxid === xid ? null : String(subxid)
    out.push({ kind: 'discard', transaction: String(xid), sub })
  }

  #end(
    end: {
      readonly transaction: string
      readonly changes: readonly Change[]
      readonly lsn: Lsn
      readonly committedAt: bigint
      readonly touched: boolean
    },
    out: StreamItem[],
  ): void {
    const { transaction, changes, lsn, committedAt } = end
    if (lsn <= this.#last) throw misread('a commit comes before what was read already')
    this.#last = lsn
    if (end.touched) this.#landmark = new Landmark(lsn, committedAt)
    const positions = this.#options.positions(lsn, this.#landmark)
    out.push({ kind: 'commit', transaction, changes, positions, committedAt })
  }
}

function flush(open: Open, out: StreamItem[]): void {
  if (open.changes.length === 0) return
  const sub = open.sub === null ? null : String(open.sub)
  out.push({ kind: 'part', transaction: String(open.xid), sub, changes: open.changes })
  open.changes = []
  open.bytes = 0
}
