import { misread } from './bytes.ts'
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

/** An event cut out of the stream: its header's fields, and what stands behind the header. */
export interface RawEvent {
  readonly type: number
  /** Seconds since 1970; 0 for what the server makes up for the connection. */
  readonly timestamp: number
  readonly server: number
  /** Where the next event begins in its file, modulo 4 GiB; 0 when it is not in a file. */
  readonly end: number
  readonly flags: number
  /** Without header and checksum. */
  readonly body: Buffer
}

/** `none` and `crc32` are what a log can have; `unknown` is before the log has said. */
export type Checksum = 'none' | 'crc32' | 'unknown'

/** Cuts one event out of its bytes and verifies its checksum. Throws Fault HF-L107. */
export function rawEvent(bytes: Buffer, checksum: Checksum): RawEvent {
  const size = bytes.length < HEAD ? 0 : bytes.readUInt32LE(9)
  if (size !== bytes.length) throw misread('an event has not the length that it claims')
  const type = bytes[4] ?? 0
  const summed = type === TYPE.format ? sumOfFormat(bytes) : hasSum(bytes, checksum)
  const end = size - (summed === 'absent' ? 0 : CHECKSUM)
  if (end < HEAD) throw misread('an event ends before its content does')
  if (summed === 'checked' && crc32Of(bytes, end) !== bytes.readUInt32LE(end)) {
    throw misread(`an event of type ${type} is damaged: its checksum is wrong`)
  }
  return {
    type,
    timestamp: bytes.readUInt32LE(0),
    server: bytes.readUInt32LE(5),
    end: bytes.readUInt32LE(13),
    flags: bytes.readUInt16LE(17),
    body: bytes.subarray(HEAD, end),
  }
}

type Sum = 'absent' | 'present' | 'checked'

/** A format description says itself how it and what follows is summed; its sum is always there. */
function sumOfFormat(bytes: Buffer): Sum {
  if (bytes.length < HEAD + CHECKSUM + 1) return 'absent'
  return bytes[bytes.length - CHECKSUM - 1] === 1 ? 'checked' : 'present'
}

function hasSum(bytes: Buffer, checksum: Checksum): Sum {
  if (checksum === 'crc32') return 'checked'
  if (checksum === 'none') return 'absent'
  // Before the format description the server sends nothing but where the log begins.
  const end = bytes.length - CHECKSUM
  const right = end >= HEAD && crc32Of(bytes, end) === bytes.readUInt32LE(end)
  return right ? 'checked' : 'absent'
}

/** The event that begins at `at` in a run of events, as a payload holds them. */
export function eventAt(run: Buffer, at: number): Buffer {
  const size = at + HEAD > run.length ? 0 : run.readUInt32LE(at + 9)
  if (size < HEAD || at + size > run.length) throw misread('a payload is cut inside an event')
  return run.subarray(at, at + size)
}
