import { misread, uint32At } from './bytes.ts'
import { crc32Of } from './crc.ts'

/** Bytes before the body of each event. */
export const HEAD = 19
const CHECKSUM = 4

/** https://dev.mysql.com/doc/dev/mysql-server/latest/namespacemysql_1_1binlog_1_1event.html */
export const TYPE = {
  query: 2,
  stop: 3,
  rotate: 4,
  intvar: 5,
  rand: 13,
  userVar: 14,
  format: 15,
  xid: 16,
  tableMap: 19,
  writeRowsV1: 23,
  updateRowsV1: 24,
  deleteRowsV1: 25,
  incident: 26,
  heartbeat: 27,
  ignorable: 28,
  rowsQuery: 29,
  writeRows: 30,
  updateRows: 31,
  deleteRows: 32,
  gtid: 33,
  anonymousGtid: 34,
  previousGtids: 35,
  transactionContext: 36,
  viewChange: 37,
  xaPrepare: 38,
  partialUpdateRows: 39,
  transactionPayload: 40,
  heartbeatV2: 41,
  taggedGtid: 42,
  // From here on MariaDB's own (sql/log_event.h there).
  annotateRows: 160,
  checkpoint: 161,
  domainGtid: 162,
  domainGtidList: 163,
  startEncryption: 164,
  queryCompressed: 165,
  writeRowsCompressedV1: 166,
  updateRowsCompressedV1: 167,
  deleteRowsCompressedV1: 168,
  writeRowsCompressed: 169,
  updateRowsCompressed: 170,
  deleteRowsCompressed: 171,
} as const

/** Events of statement-based logging that hold data to load. */
export const LOADS: ReadonlySet<number> = new Set([6, 8, 9, 10, 11, 12, 17, 18])

/** `none` and `crc32` are what a log can have; `unknown` is before the log has said. */
export type Checksum = 'none' | 'crc32' | 'unknown'

/** An event where it stands: its header's fields, and from where to where its body is. */
export class RawEvent {
  /** What events have behind them. */
  checksum: Checksum = 'unknown'
  buffer: Buffer = Buffer.alloc(0)
  type = 0
  /** Seconds since 1970; 0 for what the server makes up for the connection. */
  timestamp = 0
  server = 0
  /** Where the next event begins in its file, modulo 4 GiB; 0 when it is not in a file. */
  end = 0
  /** Bytes, with header and checksum. */
  size = 0
  /** Without header and checksum. */
  from = 0
  to = 0

  get body(): Buffer {
    return this.buffer.subarray(this.from, this.to)
  }

  /**
   * Reads the event that stands in `buffer` from `from` on and up to `to`, and verifies its
   * checksum. Throws Fault HF-L107.
   */
  read(buffer: Buffer, from: number, to: number): this {
    const size = to - from
    if (size < HEAD || uint32At(buffer, from + 9) !== size) {
      throw misread('an event has not the length that it claims')
    }
    const type = buffer[from + 4] ?? 0
    const summed =
      this.checksum === 'unknown' || type === TYPE.format
        ? hasSum(buffer.subarray(from, to))
        : this.checksum === 'crc32'
    const end = to - (summed ? CHECKSUM : 0)
    if (end < from + HEAD) throw misread('an event ends before its content does')
    // Room for the sum of a format description is there also where it is not filled.
    const filled = summed && (type !== TYPE.format || buffer[end - 1] === 1)
    if (filled && crc32Of(buffer, from, end) !== uint32At(buffer, end)) {
      throw misread(`an event of type ${type} is damaged: its checksum is wrong`)
    }
    this.buffer = buffer
    this.type = type
    this.timestamp = uint32At(buffer, from)
    this.server = uint32At(buffer, from + 5)
    this.end = uint32At(buffer, from + 13)
    this.size = size
    this.from = from + HEAD
    this.to = end
    return this
  }
}

/**
 * True for an event with a checksum, before it is known what all have: a format description says
 * itself how it and what follows is summed; before it the server sends nothing but where the log
 * begins.
 */
function hasSum(bytes: Buffer): boolean {
  const end = bytes.length - CHECKSUM
  if (bytes[4] === TYPE.format) return end > HEAD
  return end >= HEAD && crc32Of(bytes, 0, end) === uint32At(bytes, end)
}

/** The event that begins at `at` in a run of events, as a payload holds them. */
export function eventAt(run: Buffer, at: number): Buffer {
  const size = at + HEAD > run.length ? 0 : run.readUInt32LE(at + 9)
  if (size < HEAD || at + size > run.length) throw misread('a payload is cut inside an event')
  return run.subarray(at, at + size)
}
