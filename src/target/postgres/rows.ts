import type { Pipe } from '../../dialect/postgres/pipe.ts'
import { BINARY, locate, NULL, TEXT, type Tuple, UNCHANGED } from '../../model/tuple.ts'

/** Turns a cell into what the server reads; one for each column, null where it is the same. */
export type Recode = readonly (((bytes: Buffer, kind: number) => Buffer) | null)[]

/** Tuples to be written, the columns of them that are wanted, and what to make of cells. */
export interface Rows {
  readonly tuples: readonly Tuple[]
  /** Null for all. */
  readonly columns: readonly number[] | null
  readonly recode: Recode | null
}

/** Up to this many bytes a loop copies faster than a call does. */
const LONG_CELL = 48
const TAB = 0x09
const NEWLINE = 0x0a
const RETURN = 0x0d
const BACKSLASH = 0x5c
const SMALL_N = 0x4e

/** A cell that says that the row keeps its value stands where a whole value is needed. */
export class MissingCell extends Error {
  override readonly name = 'MissingCell'
}

/** COPY's binary file header: signature, no flags, no extension. */
const COPY_HEAD = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
const COPY_TAIL = Buffer.from([0xff, 0xff])

const offsets: number[] = []

/**
 * How the values of these tuples travel: all of them in binary, all as text, or some this and
 * some that way.
 */
export function form({ tuples, columns }: Rows): 'binary' | 'text' | 'mixed' {
  let binary = false
  let text = false
  for (const tuple of tuples) {
    const count = locate(tuple, offsets)
    const of = columns?.length ?? count
    for (let i = 0; i < of; i++) {
      const kind = tuple[offsets[columns === null ? i : (columns[i] ?? 0)] ?? 0]
      if (kind === BINARY) binary = true
      else if (kind === TEXT) text = true
    }
    if (binary && text) return 'mixed'
  }
  return binary ? 'binary' : 'text'
}

/** Writes the rows as the data of a COPY … FROM STDIN, its end included. */
export async function writeCopy(pipe: Pipe, rows: Rows, how: 'binary' | 'text'): Promise<void> {
  pipe.copyBegins()
  if (how === 'binary') pipe.copyBytes(COPY_HEAD)
  await writeRows(pipe, rows, how)
  if (how === 'binary') pipe.copyBytes(COPY_TAIL)
  pipe.copyDone()
}

/** Writes rows inside a copy, many of them in one message. */
export async function writeRows(pipe: Pipe, rows: Rows, how: 'binary' | 'text'): Promise<void> {
  const write = how === 'text' ? textRow : rows.recode === null ? binaryRow : recodedRow
  let frame = -1
  let at = 0
  for (const tuple of rows.tuples) {
    const most = mostBytes(tuple, rows)
    if (frame >= 0 && pipe.left - (at - frame) < most) {
      pipe.closeCopyData(at)
      frame = -1
      if (pipe.full) await pipe.room()
      if (pipe.stopped) return
    }
    if (frame < 0) {
      pipe.reserve(Math.max(most + 5, FRAME))
      frame = pipe.at
      at = frame + 5
    }
    at = write(pipe.reserve(0), at, tuple, rows)
  }
  if (frame >= 0) pipe.closeCopyData(at)
}

/** Room that a new message begins with at least. */
const FRAME = 16 * 1024

/** An upper bound of what one row becomes. */
function mostBytes(tuple: Tuple, { recode, columns }: Rows): number {
  const cells = columns?.length ?? tuple.readUInt16BE(0)
  const bytes = recode === null ? tuple.length : recodedBytes(tuple, recode)
  return 2 * bytes + 5 * cells + 8
}

/** Recoding may make a cell longer: text of bytes twice and two. */
function recodedBytes(tuple: Tuple, recode: Recode): number {
  return 2 * tuple.length + 2 * recode.length
}

/** The row in COPY's binary format: int16 count, then int32 length (-1 for null) and the bytes. */
function binaryRow(out: Buffer, start: number, tuple: Tuple, { columns }: Rows): number {
  if (columns !== null) return binaryCells(out, start, tuple, columns)
  const end = tuple.length
  let at = start
  let from = 2
  out[at++] = tuple[0] ?? 0
  out[at++] = tuple[1] ?? 0
  while (from < end) {
    const kind = tuple[from++]
    if (kind === NULL) {
      out[at++] = 255
      out[at++] = 255
      out[at++] = 255
      out[at++] = 255
      continue
    }
    if (kind === UNCHANGED) throw new MissingCell('a whole row holds an unchanged cell')
    const to = from + 4 + tuple.readInt32BE(from)
    if (to - from <= LONG_CELL) while (from < to) out[at++] = tuple[from++] ?? 0
    else {
      at += tuple.copy(out, at, from, to)
      from = to
    }
  }
  return at
}

function binaryCells(out: Buffer, start: number, tuple: Tuple, columns: readonly number[]): number {
  locate(tuple, offsets)
  let at = out.writeUInt16BE(columns.length, start)
  for (const column of columns) {
    const from = offsets[column] ?? 0
    const kind = tuple[from]
    if (kind === UNCHANGED) throw new MissingCell('a value is needed where a cell is unchanged')
    if (kind === NULL) at = out.writeInt32BE(-1, at)
    else at += tuple.copy(out, at, from + 1, offsets[column + 1])
  }
  return at
}

/** As `binaryRow`, for tables with columns that must be recoded. */
function recodedRow(out: Buffer, start: number, tuple: Tuple, rows: Rows): number {
  const count = locate(tuple, offsets)
  const columns = rows.columns ?? offsets.slice(0, count).keys()
  let at = out.writeUInt16BE(rows.columns?.length ?? count, start)
  for (const column of columns) {
    const from = offsets[column] ?? 0
    const kind = tuple[from]
    if (kind === UNCHANGED) throw new MissingCell('a value is needed where a cell is unchanged')
    if (kind === NULL) {
      at = out.writeInt32BE(-1, at)
      continue
    }
    const bytes = tuple.subarray(from + 5, offsets[column + 1])
    const cell = rows.recode?.[column]?.(bytes, BINARY) ?? bytes
    at = out.writeInt32BE(cell.length, at)
    at += cell.copy(out, at)
  }
  return at
}

/** The row in COPY's text format. */
function textRow(out: Buffer, start: number, tuple: Tuple, rows: Rows): number {
  const count = locate(tuple, offsets)
  const of = rows.columns?.length ?? count
  let at = start
  for (let i = 0; i < of; i++) {
    if (i > 0) out[at++] = TAB
    const column = rows.columns === null ? i : (rows.columns[i] ?? 0)
    const from = offsets[column] ?? 0
    const kind = tuple[from]
    if (kind === UNCHANGED) throw new MissingCell('a value is needed where a cell is unchanged')
    if (kind === NULL) {
      out[at++] = BACKSLASH
      out[at++] = SMALL_N
      continue
    }
    const recode = rows.recode?.[column] ?? null
    const end = offsets[column + 1] ?? 0
    if (recode === null) at = escaped(out, at, tuple, from + 5, end)
    else {
      const cell = recode(tuple.subarray(from + 5, end), TEXT)
      at = escaped(out, at, cell, 0, cell.length)
    }
  }
  out[at++] = NEWLINE
  return at
}

/** The bytes with backslash, tab, newline and carriage return escaped; UTF-8 has none in others. */
function escaped(out: Buffer, start: number, bytes: Buffer, from: number, to: number): number {
  let at = start
  for (let i = from; i < to; i++) {
    const byte = bytes[i] ?? 0
    if (byte === BACKSLASH) {
      out[at++] = BACKSLASH
      out[at++] = BACKSLASH
    } else if (byte === TAB) {
      out[at++] = BACKSLASH
      out[at++] = 0x74
    } else if (byte === NEWLINE) {
      out[at++] = BACKSLASH
      out[at++] = 0x6e
    } else if (byte === RETURN) {
      out[at++] = BACKSLASH
      out[at++] = 0x72
    } else out[at++] = byte
  }
  return at
}

/** A parameter: a cell of the row's new or old tuple. */
export interface Source {
  readonly of: 'row' | 'old'
  readonly column: number
}

/** Binds the cells as the parameters of a statement, each in the form that it has. */
export function bindRow(
  pipe: Pipe,
  statement: string,
  row: {
    readonly row: Tuple | null
    readonly old: Tuple | null
    readonly params: readonly Source[]
    readonly recode: Recode | null
  },
): void {
  const cells = row.params.map((param) => cellOf(row, param))
  let most = 5 + 1 + 3 * statement.length + 1 + 6 + 2 * cells.length
  for (const cell of cells) most += 4 + (cell.bytes?.length ?? 0)
  const out = pipe.reserve(most)
  let at = pipe.at + 5
  out[at++] = 0
  at += out.write(statement, at, 'latin1')
  out[at++] = 0
  at = out.writeUInt16BE(cells.length, at)
  for (const { binary } of cells) at = out.writeUInt16BE(binary ? 1 : 0, at)
  at = out.writeUInt16BE(cells.length, at)
  for (const { bytes } of cells) {
    at = out.writeInt32BE(bytes?.length ?? -1, at)
    if (bytes !== null) at += bytes.copy(out, at)
  }
  at = out.writeUInt16BE(0, at)
  pipe.closeBind(at)
}

function cellOf(
  row: { readonly row: Tuple | null; readonly old: Tuple | null; readonly recode: Recode | null },
  param: Source,
): { readonly binary: boolean; readonly bytes: Buffer | null } {
  const tuple = param.of === 'row' ? row.row : row.old
  if (tuple === null) throw new MissingCell('a statement needs a tuple that is not there')
  locate(tuple, offsets)
  const from = offsets[param.column] ?? 0
  const kind = tuple[from]
  if (kind === UNCHANGED) throw new MissingCell('a value is needed where a cell is unchanged')
  if (kind === NULL || kind === undefined) return { binary: false, bytes: null }
  const bytes = tuple.subarray(from + 5, offsets[param.column + 1])
  const recode = row.recode?.[param.column]
  return { binary: kind === BINARY, bytes: recode == null ? bytes : recode(bytes, kind) }
}
