import { BINARY, int32At, NULL, TEXT, type Tuple, UNCHANGED } from '../../../model/tuple.ts'
import type { Lsn } from '../position.ts'
import { Bytes, misread, uint64At } from './bytes.ts'

/**
 * Messages of the output plugin `pgoutput`, protocol versions 1 and 2
 * (https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html;
 * src/backend/replication/logical/proto.c). Bytes in, messages out: where the bytes come from
 * is somebody else's business.
 */

/** A column as a Relation message tells of it. */
export interface RelationColumn {
  readonly name: string
  readonly typeOid: number
  readonly typmod: number
  /** Part of the replica identity; every column is under REPLICA IDENTITY FULL. */
  readonly key: boolean
}

export interface RelationMessage {
  readonly kind: 'relation'
  readonly xid: number | null
  /** pg_class.oid. */
  readonly id: number
  readonly schema: string
  readonly name: string
  /** pg_class.relreplident: d, n, f or i. */
  readonly replicaIdentity: string
  readonly columns: readonly RelationColumn[]
}

/** A row where it stands; the begin is -1 where there is no tuple. */
export interface RowMessage {
  readonly kind: 'insert' | 'update' | 'delete'
  /** Only inside a streamed block: the (sub-)transaction. */
  readonly xid: number | null
  readonly relation: number
  readonly buffer: Buffer
  readonly from: number
  readonly to: number
  readonly oldFrom: number
  readonly oldTo: number
}

/** A view of the new row; null where there is none. */
export function rowIn({ buffer, from, to }: RowMessage): Tuple | null {
  return from < 0 ? null : buffer.subarray(from, to)
}

/** A view of the old row or of what identifies it; null where there is none. */
export function oldIn({ buffer, oldFrom, oldTo }: RowMessage): Tuple | null {
  return oldFrom < 0 ? null : buffer.subarray(oldFrom, oldTo)
}

export interface TruncateMessage {
  readonly kind: 'truncate'
  readonly xid: number | null
  readonly relations: readonly number[]
  readonly restartSequences: boolean
}

/** Of ordinary transactions; the numbers are read when they are asked for. */
export interface BeginMessage {
  readonly kind: 'begin'
  readonly xid: number
  readonly buffer: Buffer
  readonly from: number
}
export interface CommitMessage {
  readonly kind: 'commit'
  readonly buffer: Buffer
  readonly from: number
}

export function commitLsnOf({ kind, buffer, from }: BeginMessage | CommitMessage): Lsn {
  return uint64At(buffer, from + (kind === 'begin' ? 1 : 2))
}
export function endLsnOf({ buffer, from }: CommitMessage): Lsn {
  return uint64At(buffer, from + 10)
}
export function committedAtOf({ buffer, from }: CommitMessage): bigint {
  return BigInt.asIntN(64, uint64At(buffer, from + 18)) + EPOCH_2000
}

/** Time stamps are microseconds since 1970. */
export type PgoutputMessage =
  | RowMessage
  | RelationMessage
  | TruncateMessage
  | BeginMessage
  | CommitMessage
  | { readonly kind: 'origin' }
  | { readonly kind: 'type' }
  | {
      readonly kind: 'message'
      readonly xid: number | null
      readonly transactional: boolean
      readonly lsn: Lsn
      readonly prefix: string
    }
  | { readonly kind: 'stream-start'; readonly xid: number; readonly first: boolean }
  | { readonly kind: 'stream-stop' }
  | {
      readonly kind: 'stream-commit'
      readonly xid: number
      readonly commitLsn: Lsn
      readonly endLsn: Lsn
      readonly committedAt: bigint
    }
  | { readonly kind: 'stream-abort'; readonly xid: number; readonly subxid: number }

/** Microseconds from 1970 to 2000, where PostgreSQL's clock starts. */
export const EPOCH_2000 = 946_684_800_000_000n

const ORIGIN: PgoutputMessage = { kind: 'origin' }
const TYPE: PgoutputMessage = { kind: 'type' }
const STREAM_STOP: PgoutputMessage = { kind: 'stream-stop' }

const BEGIN = 0x42
const COMMIT = 0x43
const INSERT = 0x49
const UPDATE = 0x55
const DELETE = 0x44
const NEW = 0x4e
const KEY = 0x4b
const OLD = 0x4f

/** Kind, place of the commit, time, transaction. */
const BEGIN_BYTES = 1 + 8 + 8 + 4
/** Kind, flags, place of the commit, its end, time. */
const COMMIT_BYTES = 1 + 1 + 8 + 8 + 8

const CASCADE = 1
const RESTART_SEQUENCES = 2
const TRANSACTIONAL = 1

/**
 * Decodes one session's messages, in the order of the session. Tuples are parts of the given
 * buffers, which must not be used again by whoever read them. Throws Fault HF-L107.
 */
export class Decoder {
  #streaming = false

  /**
   * One message whole, the payload of one XLogData: what stands in the buffer from `from` to `to`.
   */
  decode(buffer: Buffer, from = 0, to = buffer.length): PgoutputMessage {
    const tag = buffer[from]
    if (tag === INSERT || tag === UPDATE || tag === DELETE) return this.#row(buffer, from, to)
    if (tag === BEGIN) return this.#begin(buffer, from, to)
    if (tag === COMMIT) return this.#commit(buffer, from, to)
    const message = from === 0 && to === buffer.length ? buffer : buffer.subarray(from, to)
    switch (tag) {
      case 0x52:
        return this.#relation(message)
      case 0x54:
        return this.#truncate(message)
      case 0x4d:
        return this.#message(message)
      case 0x4f:
        return this.#origin(message)
      case 0x59:
        return this.#type(message)
      case 0x53:
        return this.#streamStart(message)
      case 0x45:
        return this.#streamStop(message)
      case 0x63:
        return this.#streamCommit(message)
      case 0x41:
        return this.#streamAbort(message)
      default:
        throw misread(`a message of the unknown kind ${tag ?? 'none'} came from the log`)
    }
  }

  /** By hand and not through Bytes: it runs for every row. */
  #row(buffer: Buffer, from: number, to: number): RowMessage {
    const tag = buffer[from]
    const streamed = this.#streaming
    const head = from + (streamed ? 9 : 5)
    if (to < head + 1) throw misread('a row message ends before its content does')
    const xid = streamed ? buffer.readUInt32BE(from + 1) : null
    const relation = buffer.readUInt32BE(head - 4)
    const marker = buffer[head]
    let at = head + 1
    let oldFrom = -1
    let oldTo = -1
    if ((tag === UPDATE || tag === DELETE) && (marker === KEY || marker === OLD)) {
      oldFrom = at
      oldTo = tupleEnd(buffer, at, to)
      at = oldTo
      if (tag === DELETE) {
        used(at, to)
        return { kind: 'delete', xid, relation, buffer, from: -1, to: -1, oldFrom, oldTo }
      }
      if (buffer[at] !== NEW) throw misread('an update message has no new row')
      at++
    } else if (tag === DELETE || marker !== NEW) {
      throw misread(`a row message holds the unknown part ${marker ?? 'none'}`)
    }
    used(tupleEnd(buffer, at, to), to)
    const kind = tag === INSERT ? 'insert' : 'update'
    return { kind, xid, relation, buffer, from: at, to, oldFrom, oldTo }
  }

  #xid(bytes: Bytes): number | null {
    return this.#streaming ? bytes.uint32() : null
  }

  #outside(name: string): void {
    if (this.#streaming) throw misread(`a ${name} message came inside a streamed block`)
  }

  #begin(buffer: Buffer, from: number, to: number): BeginMessage {
    this.#outside('begin')
    if (to - from !== BEGIN_BYTES) throw misread('a begin message has another length than its own')
    return { kind: 'begin', xid: buffer.readUInt32BE(from + 17), buffer, from }
  }

  #commit(buffer: Buffer, from: number, to: number): CommitMessage {
    this.#outside('commit')
    if (to - from !== COMMIT_BYTES)
      throw misread('a commit message has another length than its own')
    if (buffer[from + 1] !== 0)
      throw misread(`a commit message has the unknown flags ${buffer[from + 1]}`)
    if (!isGreater(buffer, from + 10, from + 2)) {
      throw misread('a commit message ends before it starts')
    }
    return { kind: 'commit', buffer, from }
  }

  #origin(message: Buffer): PgoutputMessage {
    const bytes = new Bytes(message, 1, 'origin')
    bytes.skip(8)
    bytes.text()
    bytes.end()
    return ORIGIN
  }

  #type(message: Buffer): PgoutputMessage {
    const bytes = new Bytes(message, 1, 'type')
    this.#xid(bytes)
    bytes.skip(4)
    bytes.text()
    bytes.text()
    bytes.end()
    return TYPE
  }

  #relation(message: Buffer): RelationMessage {
    const bytes = new Bytes(message, 1, 'relation')
    const xid = this.#xid(bytes)
    const id = bytes.uint32()
    const namespace = bytes.text()
    const name = bytes.text()
    const replicaIdentity = String.fromCharCode(bytes.byte())
    const count = bytes.uint16()
    const columns: RelationColumn[] = []
    for (let i = 0; i < count; i++) columns.push(relationColumn(bytes))
    bytes.end()
    // The plugin writes nothing for its own catalogue's schema.
    const schema = namespace === '' ? 'pg_catalog' : namespace
    return { kind: 'relation', xid, id, schema, name, replicaIdentity, columns }
  }

  #truncate(message: Buffer): TruncateMessage {
    const bytes = new Bytes(message, 1, 'truncate')
    const xid = this.#xid(bytes)
    const count = bytes.uint32()
    const options = bytes.byte()
    if ((options & ~(CASCADE | RESTART_SEQUENCES)) !== 0) {
      throw misread(`a truncate message has the unknown options ${options}`)
    }
    const relations: number[] = []
    for (let i = 0; i < count; i++) relations.push(bytes.uint32())
    bytes.end()
    const restartSequences = (options & RESTART_SEQUENCES) !== 0
    return { kind: 'truncate', xid, relations, restartSequences }
  }

  #message(message: Buffer): PgoutputMessage {
    const bytes = new Bytes(message, 1, 'logical')
    const xid = this.#xid(bytes)
    const flags = bytes.byte()
    if ((flags & ~TRANSACTIONAL) !== 0) throw misread(`a logical message has the flags ${flags}`)
    const lsn = bytes.uint64()
    const prefix = bytes.text()
    bytes.skip(bytes.uint32())
    bytes.end()
    return { kind: 'message', xid, transactional: flags === TRANSACTIONAL, lsn, prefix }
  }

  #streamStart(message: Buffer): PgoutputMessage {
    this.#outside('stream start')
    const bytes = new Bytes(message, 1, 'stream start')
    const xid = bytes.uint32()
    const first = flag(bytes, 'stream start')
    bytes.end()
    this.#streaming = true
    return { kind: 'stream-start', xid, first }
  }

  #streamStop(message: Buffer): PgoutputMessage {
    if (!this.#streaming) throw misread('a stream stop message came outside a streamed block')
    new Bytes(message, 1, 'stream stop').end()
    this.#streaming = false
    return STREAM_STOP
  }

  #streamCommit(message: Buffer): PgoutputMessage {
    this.#outside('stream commit')
    const bytes = new Bytes(message, 1, 'stream commit')
    const xid = bytes.uint32()
    return { kind: 'stream-commit', xid, ...commitBody(bytes, 'stream commit') }
  }

  #streamAbort(message: Buffer): PgoutputMessage {
    this.#outside('stream abort')
    const bytes = new Bytes(message, 1, 'stream abort')
    const xid = bytes.uint32()
    const subxid = bytes.uint32()
    bytes.end()
    return { kind: 'stream-abort', xid, subxid }
  }
}

function commitBody(
  bytes: Bytes,
  name: string,
): { readonly commitLsn: Lsn; readonly endLsn: Lsn; readonly committedAt: bigint } {
  const flags = bytes.byte()
  if (flags !== 0) throw misread(`a ${name} message has the unknown flags ${flags}`)
  const commitLsn = bytes.uint64()
  const endLsn = bytes.uint64()
  const committedAt = bytes.int64() + EPOCH_2000
  bytes.end()
  if (endLsn <= commitLsn) throw misread(`a ${name} message ends before it starts`)
  return { commitLsn, endLsn, committedAt }
}

function flag(bytes: Bytes, name: string): boolean {
  const value = bytes.byte()
  if (value > 1) throw misread(`a ${name} message has the unknown flag ${value}`)
  return value === 1
}

function relationColumn(bytes: Bytes): RelationColumn {
  const key = flag(bytes, 'relation')
  const name = bytes.text()
  const typeOid = bytes.uint32()
  const typmod = bytes.int32()
  return { name, typeOid, typmod, key }
}

function used(end: number, to: number): void {
  if (end !== to) throw misread('a row message is longer than its content')
}

/** True when the 8 bytes at `at` are a greater number than those at `than`. */
function isGreater(buffer: Buffer, at: number, than: number): boolean {
  let i = 0
  while (i < 7 && buffer[at + i] === buffer[than + i]) i++
  return (buffer[at + i] ?? 0) > (buffer[than + i] ?? 0)
}

/** Where the tuple that starts at `start` ends; every cell has been looked at by then. */
function tupleEnd(buffer: Buffer, start: number, to: number): number {
  if (start + 2 > to) throw misread('a row ends before its cells')
  const count = ((buffer[start] ?? 0) << 8) | (buffer[start + 1] ?? 0)
  let at = start + 2
  for (let i = 0; i < count; i++) {
    const kind = at < to ? buffer[at] : undefined
    if (kind === NULL || kind === UNCHANGED) at++
    else if (kind === TEXT || kind === BINARY) {
      if (at + 5 > to) throw misread('a cell ends before its length')
      const size = int32At(buffer, at + 1)
      if (size < 0) throw misread('a cell has a negative length')
      at += 5 + size
    } else throw misread(`a row holds a cell of the unknown kind ${kind ?? 'none'}`)
    if (at > to) throw misread('a cell is longer than its row')
  }
  return at
}
