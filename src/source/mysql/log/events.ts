import { Fault } from '../../../model/fault.ts'
import { decodeRowEvent, isRows, type RowEvent } from '../rows/rows.ts'
import { decodeTableMap, type TableMap, tableIdOf } from '../rows/table-map.ts'
import { misread } from './bytes.ts'
import {
  checksumOf,
  type DomainGtidEvent,
  decodeDomainGtid,
  decodeDomainList,
  decodeFormat,
  decodeGtid,
  decodeIncident,
  decodeRotate,
  decodeXaPrepare,
  type Format,
  type Gtid,
  type XaPrepare,
} from './control.ts'
import type { DomainPosition } from './domains.ts'
import { LOADS, type RawEvent, rawEvent, TYPE } from './event.ts'
import { GtidSet } from './gtid.ts'
import { decodePayload, eventsAtOnce, eventsPiecemeal } from './payload.ts'
import { decodeQuery, type Query } from './query.ts'
import { decodeTaggedGtid } from './tagged-gtid.ts'

/** What an event of the log says; those that say nothing of data are left out. */
type Said =
  | { readonly kind: 'format'; readonly format: Format }
  /** What follows is in this file. */
  | { readonly kind: 'rotate'; readonly file: string; readonly position: number }
  | { readonly kind: 'gtids-before'; readonly set: GtidSet }
  | { readonly kind: 'domains-before'; readonly position: DomainPosition }
  | { readonly kind: 'gtid'; readonly gtid: Gtid }
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'domain-gtid'; readonly gtid: DomainGtidEvent }
  | { readonly kind: 'query'; readonly query: Query }
  | { readonly kind: 'rows'; readonly map: TableMap; readonly rows: RowEvent }
  | { readonly kind: 'xid' }
  | { readonly kind: 'xa-prepare'; readonly prepared: XaPrepare }
  /** Belongs to a change that was logged as a statement, which follows. */
  | { readonly kind: 'statement' }
  /** Rows that were loaded from a file, as a statement. */
  | { readonly kind: 'load' }
  | { readonly kind: 'heartbeat' }

interface Where {
  /** Where it begins in its file; for an event of a payload, where that does. */
  start: number
  /** Where the next event of the file begins; where the one before ended for what has no place. */
  end: number
  /** Seconds since 1970; 0 for what the server makes up for the connection. */
  timestamp: number
}

export type LogEvent = Said & Readonly<Where>

function incident(body: Buffer): Fault {
  const { number, message } = decodeIncident(body)
  const words = message === '' ? `incident ${number}` : `“${message}”`
  return new Fault('HF-L112', {
    what: `the log of the source has a hole: ${words}`,
    side: 'source',
  })
}

/** Event types that say nothing of data. */
const silent: ReadonlySet<number> = new Set([
  TYPE.stop,
  TYPE.ignorable,
  TYPE.rowsQuery,
  TYPE.transactionContext,
  TYPE.viewChange,
  TYPE.annotateRows,
  TYPE.checkpoint,
  TYPE.startEncryption,
])

const statements: ReadonlySet<number> = new Set([TYPE.intvar, TYPE.rand, TYPE.userVar])

const WRAP = 0x100000000

/**
 * Reads the events of one connection in order. What cannot be read, and what is not known, is
 * Fault HF-L107: nothing is ever skipped that might hold a change.
 */
export class LogReader {
  #format: Format | null = null
  readonly #tables = new Map<number, TableMap>()
  #start = 0
  #end = 0

  /** Where the last event that was taken ends in its file. */
  get end(): number {
    return this.#end
  }

  /**
   * Appends what an event says. What is too large to be unpacked at once is returned, to be read
   * before the next event.
   */
  take(bytes: Buffer, into: LogEvent[]): AsyncIterable<readonly LogEvent[]> | null {
    const raw = rawEvent(bytes, checksumOf(this.#format))
    this.#advance(raw)
    this.#start = Math.max(0, this.#end - bytes.length)
    if (raw.type !== TYPE.transactionPayload) {
      this.#event(raw, into)
      return null
    }
    const payload = decodePayload(raw.body)
    const events = eventsAtOnce(payload)
    if (events === null) return this.#piecemeal(eventsPiecemeal(payload))
    for (const event of events) this.#inner(event, into)
    return null
  }

  async *#piecemeal(pieces: AsyncIterable<readonly Buffer[]>): AsyncIterable<readonly LogEvent[]> {
    for await (const events of pieces) {
      const into: LogEvent[] = []
      for (const event of events) this.#inner(event, into)
      if (into.length > 0) yield into
    }
  }

  /** An event of a payload: it has no checksum, and no place of its own. */
  #inner(bytes: Buffer, into: LogEvent[]): void {
    const raw = rawEvent(bytes, 'none')
    if (raw.type === TYPE.transactionPayload || raw.type === TYPE.format) {
      throw misread('a compressed transaction holds what belongs outside of it')
    }
    this.#event(raw, into)
  }

  /** Headers hold the low 32 bits of a place only; files may be longer. */
  #advance({ type, end, timestamp }: RawEvent): void {
    if (end === 0 || type === TYPE.heartbeat || type === TYPE.heartbeatV2) return
    if (type === TYPE.format || timestamp === 0) {
      this.#end = Math.max(this.#end, end)
      return
    }
    const high = Math.floor(this.#end / WRAP) * WRAP
    const place = high + end
    this.#end = place < this.#end ? place + WRAP : place
  }

  #event(raw: RawEvent, into: LogEvent[]): void {
    const said = this.#said(raw)
    if (said === null) return
    if (said.kind === 'rotate') this.#end = said.position
    // The object is nobody else's yet; a copy of each would cost as much as reading it.
    const event = said as Said & Where
    event.start = this.#start
    event.end = this.#end
    event.timestamp = raw.timestamp
    into.push(event)
  }

  #said(raw: RawEvent): Said | null {
    const { type, body } = raw
    if (isRows(type)) return this.#rows(type, body)
    switch (type) {
      case TYPE.tableMap:
        this.#table(body)
        return null
      case TYPE.gtid:
        return { kind: 'gtid', gtid: decodeGtid(body) }
      case TYPE.taggedGtid:
        return { kind: 'gtid', gtid: decodeTaggedGtid(body) }
      case TYPE.domainGtid:
        return { kind: 'domain-gtid', gtid: decodeDomainGtid(body, raw.server) }
      case TYPE.xid:
        return { kind: 'xid' }
      case TYPE.query:
      case TYPE.queryCompressed:
        return { kind: 'query', query: decodeQuery(type, body) }
      default:
        return this.#rare(raw)
    }
  }

  #rare({ type, body }: RawEvent): Said | null {
    switch (type) {
      case TYPE.format: {
        this.#format = decodeFormat(body)
        this.#tables.clear()
        return { kind: 'format', format: this.#format }
      }
      case TYPE.rotate: {
        const { file, position } = decodeRotate(body)
        // What follows has its own description.
        this.#format = null
        return { kind: 'rotate', file, position: Number(position) }
      }
      case TYPE.previousGtids:
        return { kind: 'gtids-before', set: GtidSet.decode(body) }
      case TYPE.domainGtidList:
        return { kind: 'domains-before', position: decodeDomainList(body) }
      case TYPE.anonymousGtid:
        return { kind: 'anonymous' }
      case TYPE.xaPrepare:
        return { kind: 'xa-prepare', prepared: decodeXaPrepare(body) }
      case TYPE.incident:
        throw incident(body)
      case TYPE.heartbeat:
      case TYPE.heartbeatV2:
        return { kind: 'heartbeat' }
      default:
        if (statements.has(type)) return { kind: 'statement' }
        if (LOADS.has(type)) return { kind: 'load' }
        if (silent.has(type)) return null
        throw misread(`the log holds an event of the unknown type ${type}`)
    }
  }

  /** Old servers wrote table numbers of four bytes; the format says how long the fixed part is. */
  #short(type: number): boolean {
    return this.#format?.postHeaders[type - 1] === 6
  }

  /** A table is described again before each statement, mostly in the same words. */
  #table(body: Buffer): void {
    const short = this.#short(TYPE.tableMap)
    const id = tableIdOf(body, short)
    if (this.#tables.get(id)?.body.equals(body) === true) return
    // The bytes are kept for longer than those around them.
    const mariadb = this.#format?.mariadb === true
    this.#tables.set(id, decodeTableMap(Buffer.from(body), { short, mariadb }))
  }

  #rows(type: number, body: Buffer): Said | null {
    const rows = decodeRowEvent(type, body, this.#short(type))
    if (rows === null) return null
    const map = this.#tables.get(rows.table)
    if (map === undefined) throw misread('the log holds rows of a table that it did not describe')
    if (map.columns.length !== rows.columns) {
      throw misread(`rows of ${map.schema}.${map.name} have not the columns of their table`)
    }
    return { kind: 'rows', map, rows }
  }
}
