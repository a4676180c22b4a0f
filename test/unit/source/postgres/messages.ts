/** Messages of pgoutput as a server writes them, put together by hand. */

export const byte = (value: number): Buffer => Buffer.from([value])
export const letter = (text: string): Buffer => Buffer.from(text, 'latin1')

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value | 0)
  return bytes
}

export function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt.asIntN(64, value))
  return bytes
}

export const name = (text: string): Buffer => Buffer.from(`${text}\0`, 'utf8')

const join = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts)

/** Inside a streamed block every message but the block's own carries an xid. */
const inside = (xid: number | null): Buffer => (xid === null ? Buffer.alloc(0) : int32(xid))

export const begin = (xid: number, lsn = 100n): Buffer =>
  join(letter('B'), int64(lsn), int64(0n), int32(xid))

export const commit = (lsn: bigint, end: bigint, time = 0n): Buffer =>
  join(letter('C'), byte(0), int64(lsn), int64(end), int64(time))

export interface ColumnParts {
  readonly name: string
  readonly type?: number
  readonly typmod?: number
  readonly key?: boolean
}

export function relation(
  id: number,
  columns: readonly ColumnParts[],
  options: {
    readonly xid?: number
    readonly name?: string
    readonly schema?: string
    readonly identity?: string
  } = {},
): Buffer {
  return join(
    letter('R'),
    inside(options.xid ?? null),
    int32(id),
    name(options.schema ?? 'public'),
    name(options.name ?? 't'),
    letter(options.identity ?? 'd'),
    int16(columns.length),
    ...columns.map((column) =>
      join(
        byte(column.key === true ? 1 : 0),
        name(column.name),
        int32(column.type ?? 25),
        int32(column.typmod ?? -1),
      ),
    ),
  )
}

export const insert = (id: number, row: Buffer, xid: number | null = null): Buffer =>
  join(letter('I'), inside(xid), int32(id), letter('N'), row)

export function update(
  id: number,
  parts: { readonly old?: Buffer; readonly key?: Buffer; readonly row: Buffer },
  xid: number | null = null,
): Buffer {
  const before =
    parts.old === undefined
      ? parts.key === undefined
        ? Buffer.alloc(0)
        : join(letter('K'), parts.key)
      : join(letter('O'), parts.old)
  return join(letter('U'), inside(xid), int32(id), before, letter('N'), parts.row)
}

export const remove = (id: number, old: Buffer, mark = 'K', xid: number | null = null): Buffer =>
  join(letter('D'), inside(xid), int32(id), letter(mark), old)

export const truncate = (ids: readonly number[], options = 0, xid: number | null = null): Buffer =>
  join(letter('T'), inside(xid), int32(ids.length), byte(options), ...ids.map(int32))

export const origin = (): Buffer => join(letter('O'), int64(7n), name('elsewhere'))

export const type = (xid: number | null = null): Buffer =>
  join(letter('Y'), inside(xid), int32(16400), name('public'), name('mood'))

export const message = (
  content: string,
  options: { readonly transactional?: boolean; readonly xid?: number } = {},
): Buffer =>
  join(
    letter('M'),
    inside(options.xid ?? null),
    byte(options.transactional === true ? 1 : 0),
    int64(42n),
    name('holdfast'),
    int32(content.length),
    letter(content),
  )

export const streamStart = (xid: number, first = true): Buffer =>
  join(letter('S'), int32(xid), byte(first ? 1 : 0))

export const streamStop = (): Buffer => letter('E')

export const streamCommit = (xid: number, lsn: bigint, end: bigint): Buffer =>
  join(letter('c'), int32(xid), byte(0), int64(lsn), int64(end), int64(0n))

export const streamAbort = (xid: number, subxid: number): Buffer =>
  join(letter('A'), int32(xid), int32(subxid))
