import { Fault } from '../../../model/fault.ts'
import { decodeRowEvent, isRows, type RowEvent } from '../rows/rows.ts'
import { decodeTableMap, isDescribedBy, type TableMap, tableIdOf } from '../rows/table-map.ts'
import { Bytes, misread } from './bytes.ts'
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
  Origins,
  type XaPrepare,
} from './control.ts'
import type { DomainPosition } from './domains.ts'
import type { Arrived } from './dump.ts'
import { LOADS, RawEvent, TYPE } from './event.ts'
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
  /** The server was shut down. */
  | { readonly kind: 'stop' }

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
  /** The table that was described last. */
  #table: TableMap | null = null
  /** The event that is read, and its body. */
  readonly #raw = new RawEvent()
  /** One of a payload: it has no checksum. */
  readonly #within = new RawEvent()
  readonly #origins = new Origins()
  readonly #body = new Bytes(Buffer.alloc(0), 'a row event')
  #start = 0
  #end = 0

  constructor() {
    this.#within.checksum = 'none'
  }

  /** Where the last event that was taken ends in its file. */
  get end(): number {
    return this.#end
  }

  /** As `takeAt`, of an event by itself. */
  take(bytes: Buffer, into: LogEvent[]): AsyncIterable<readonly LogEvent[]> | null {
    return this.takeAt({ buffer: bytes, places: [0, bytes.length] }, 0, into)
  }

  /**
   * Appends what an event says: of those that came together the one with this number. What is too
   * large to be unpacked at once is returned, to be read before the next event.
   */
  takeAt(
    { buffer, places }: Arrived,
    index: number,
    into: LogEvent[],
  ): AsyncIterable<readonly LogEvent[]> | null {
    const raw = this.#raw.read(buffer, places[2 * index] ?? 0, places[2 * index + 1] ?? 0)
    this.#advance(raw)
    this.#start = Math.max(0, this.#end - raw.size)
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
    const raw = this.#within.read(bytes, 0, bytes.length)
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

  /** What most events are, each made at once as a whole: they are read for every transaction. */
  #event(raw: RawEvent, into: LogEvent[]): void {
    const { type, timestamp } = raw
    if (type === TYPE.tableMap) {
      this.#describe(raw)
      return
    }
    const [start, end] = [this.#start, this.#end]
    if (isRows(type)) {
      const rows = decodeRowEvent(type, this.#bodyOf(raw), this.#short(type))
      if (rows === null) return
      const map = this.#mapOf(rows)
      into.push({ kind: 'rows', map, rows, start, end, timestamp })
    } else if (type === TYPE.xid) into.push({ kind: 'xid', start, end, timestamp })
    else if (type === TYPE.domainGtid) {
      const gtid = decodeDomainGtid(this.#bodyOf(raw), raw.server)
      into.push({ kind: 'domain-gtid', gtid, start, end, timestamp })
    } else if (type === TYPE.gtid) {
      const gtid = decodeGtid(this.#bodyOf(raw), this.#origins)
      into.push({ kind: 'gtid', gtid, start, end, timestamp })
    } else {
      const said = this.#said(raw)
      if (said === null) return
      if (said.kind === 'rotate') this.#end = said.position
      into.push({ ...said, start, end: this.#end, timestamp })
    }
  }

  #bodyOf({ buffer, from, to }: RawEvent): Bytes {
    return this.#body.over(buffer, from, to)
  }

  #said({ type, body }: RawEvent): Said | null {
    switch (type) {
      case TYPE.taggedGtid:
        return { kind: 'gtid', gtid: decodeTaggedGtid(body) }
      case TYPE.query:
      case TYPE.queryCompressed:
        return { kind: 'query', query: decodeQuery(type, body) }
      case TYPE.format:
        this.#learn(decodeFormat(body))
        return this.#format === null ? null : { kind: 'format', format: this.#format }
      case TYPE.rotate: {
        const { file, position } = decodeRotate(body)
        // What follows has its own description.
        this.#learn(null)
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
      case TYPE.stop:
        return { kind: 'stop' }
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

  #learn(format: Format | null): void {
    this.#format = format
    this.#raw.checksum = checksumOf(format)
    if (format !== null) this.#tables.clear()
    this.#table = null
  }

  /** A table is described again before each statement, mostly in the same words. */
  #describe(raw: RawEvent): void {
    if (this.#table !== null && isDescribedBy(this.#table, raw)) return
    const short = this.#short(TYPE.tableMap)
    const id = tableIdOf(this.#bodyOf(raw), short)
    const known = this.#tables.get(id)
    // The bytes are kept for longer than those around them.
    const mariadb = this.#format?.mariadb === true
    const map =
      known !== undefined && isDescribedBy(known, raw)
        ? known
        : decodeTableMap(Buffer.from(raw.body), { short, mariadb })
    this.#tables.set(id, map)
    this.#table = map
  }

  #mapOf({ table, columns }: RowEvent): TableMap {
    const map = this.#table?.id === table ? this.#table : this.#tables.get(table)
    if (map === undefined) throw misread('the log holds rows of a table that it did not describe')
    if (map.columns.length !== columns) {
      throw misread(`rows of ${map.schema}.${map.name} have not the columns of their table`)
    }
    return map
  }
}
