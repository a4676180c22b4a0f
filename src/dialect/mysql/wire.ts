import type { Session } from './connect.ts'
import { HEAD, type Sql } from './sql.ts'

const COM_QUERY = 0x03
const MOST_PAYLOAD = 0xffffff

/** What of the driver's connection has no types. */
export interface Wire {
  readonly sequenceId: number
  readonly clientEncoding: string
  addCommand(command: Command): void
  write(bytes: Buffer): void
  pause(): void
  resume(): void
  _resetSequenceId(): void
  _bumpSequenceId(packets: number): void
}

/** A packet of the driver's. */
export interface Packet {
  readonly buffer: Buffer
  /** The payload. */
  readonly offset: number
  readonly end: number
  isError(): boolean
  asError(encoding: string): Error
}

/** What the driver asks of an entry of its queue. */
export interface Command {
  /** Called when the connection is lost. */
  readonly onResult: (error: unknown) => void
  /** Called first without a packet, then for each; true when it is over. */
  execute(packet: Packet | undefined, wire: Wire): boolean
}

export function wireOf(session: Session): Wire {
  return session.client as unknown as Wire
}

/** Writes COM_QUERY: the driver itself takes strings only. */
export function writeQuery(wire: Wire, sql: Sql): void {
  wire._resetSequenceId()
  const { bytes } = sql
  bytes[HEAD - 1] = COM_QUERY
  for (let at = HEAD - 1; ; at += MOST_PAYLOAD) {
    const payload = bytes.subarray(at, at + MOST_PAYLOAD)
    // The first header has room before the command.
    const first = at === HEAD - 1
    const header = first ? bytes.subarray(0, at) : Buffer.alloc(HEAD - 1)
    header.writeUIntLE(payload.length, 0, 3)
    header[3] = wire.sequenceId
    wire._bumpSequenceId(1)
    if (!first) wire.write(header)
    wire.write(first ? bytes.subarray(0, at + payload.length) : payload)
    if (payload.length < MOST_PAYLOAD) return
  }
}

/** A length-encoded integer and where it ends. */
export function lengthAt(
  buffer: Buffer,
  at: number,
): { readonly value: number; readonly next: number } {
  const first = buffer[at] ?? 0
  if (first < 0xfb) return { value: first, next: at + 1 }
  const size = first === 0xfc ? 2 : first === 0xfd ? 3 : 8
  const value =
    size === 8 ? Number(buffer.readBigUInt64LE(at + 1)) : buffer.readUIntLE(at + 1, size)
  return { value, next: at + 1 + size }
}
