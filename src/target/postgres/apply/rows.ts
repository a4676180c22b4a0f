import type { Pipe } from '../../../dialect/postgres/pipe.ts'
import {
  BINARY,
  cellEnd,
  cellsAt,
  int32At,
  locate,
  NULL,
  TEXT,
  type Tuple,
  UNCHANGED,
} from '../../../model/tuple.ts'
import type { Tuples } from '../../../model/tuples.ts'

/** Turns a cell into what the server reads; one for each column, null where it is the same. */
export type Recode = readonly (((bytes: Buffer, kind: number) => Buffer) | null)[]

/** Tuples to be written, the columns of them that are wanted, and what to make of cells. */
export interface Rows {
  readonly tuples: Tuples
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
const NOTHING = Buffer.alloc(0)

/**
 * How the values of these tuples travel: all of them in binary, all as text, or some this and
 * some that way.
 */
export function form({ tuples, columns }: Rows): 'binary' | 'text' | 'mixed' {
  let kinds = 0
  for (let row = 0; row < tuples.length; row++) {
    const [buffer, from] = [tuples.buffer(row), tuples.from(row)]
    kinds |= columns === null ? kindsOf(buffer, from) : kindsOfSome(buffer, from, columns)
    if (kinds === MIXED) return 'mixed'
  }
  return kinds === HAS_BINARY ? 'binary' : 'text'
}

const HAS_BINARY = 1
const HAS_TEXT = 2
const MIXED = 3

function kindsOf(buffer: Buffer, from: number): number {
  let kinds = 0
  const count = cellsAt(buffer, from)
  for (let at = from + 2, i = 0; i < count; i++) {
    kinds |= flagOf(buffer[at])
    at = cellEnd(buffer, at)
  }
  return kinds
}

function kindsOfSome(buffer: Buffer, from: number, columns: readonly number[]): number {
  let kinds = 0
  locate(buffer, offsets, from)
  for (const column of columns) kinds |= flagOf(buffer[offsets[column] ?? 0])
  return kinds
}

function flagOf(kind: number | undefined): number {
  if (kind === BINARY) return HAS_BINARY
  return kind === TEXT ? HAS_TEXT : 0
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
  const writer = new RowWriter(rows)
  let frame = -1
  const { tuples } = rows
  for (let row = 0; row < tuples.length; row++) {
    const [buffer, from, to] = [tuples.buffer(row), tuples.from(row), tuples.to(row)]
    const most = mostBytes(to - from, cellsAt(buffer, from), rows)
    if (frame >= 0 && pipe.left - (writer.at - frame) < most) {
      pipe.closeCopyData(writer.at)
      frame = -1
      if (pipe.full) await pipe.room()
      if (pipe.stopped) return
    }
    if (frame < 0) {
      writer.out = pipe.reserve(Math.max(most + 5, FRAME))
      frame = pipe.at
      writer.at = frame + 5
    }
    if (how === 'text') writer.text(buffer, from)
    else writer.binary(buffer, from, to)
  }
  if (frame >= 0) pipe.closeCopyData(writer.at)
}

/** Room that a new message begins with at least. */
const FRAME = 16 * 1024

/** An upper bound of what one row becomes. */
function mostBytes(length: number, count: number, { recode, columns }: Rows): number {
  const cells = columns?.length ?? count
  // Recoding may make a cell longer: text of bytes twice and two.
  const bytes = recode === null ? length : 2 * length + 2 * recode.length
  return 2 * bytes + 5 * cells + 8
}

/**
 * Writes rows into a buffer that has room for them. Nothing is made for a row or a cell, since
 * every byte that is mirrored comes through here.
 */
class RowWriter {
  out: Buffer = NOTHING
  at = 0
  readonly #columns: readonly number[] | null
  readonly #recode: Recode | null

  constructor({ columns, recode }: Rows) {
    this.#columns = columns
    this.#recode = recode
  }

  /** COPY's binary format: int16 count, then int32 length (-1 for null) and the bytes of each. */
  binary(tuple: Buffer, start: number, end: number): void {
    if (this.#columns !== null || this.#recode !== null) {
      this.#binaryCells(tuple, start)
      return
    }
    const { out } = this
    let at = this.at
    let from = start + 2
    out[at++] = tuple[start] ?? 0
    out[at++] = tuple[start + 1] ?? 0
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
      const to = from + 4 + int32At(tuple, from)
      if (to - from <= LONG_CELL) while (from < to) out[at++] = tuple[from++] ?? 0
      else {
        at += tuple.copy(out, at, from, to)
        from = to
      }
    }
    this.at = at
  }

  /** As above, for some of the columns or with cells that must be recoded. */
  #binaryCells(tuple: Buffer, start: number): void {
    const { out } = this
    const count = locate(tuple, offsets, start)
    const of = this.#columns?.length ?? count
    let at = out.writeUInt16BE(of, this.at)
    for (let i = 0; i < of; i++) {
      const column = this.#columns?.[i] ?? i
      const from = requireCell(tuple, offsets[column] ?? 0)
      const to = offsets[column + 1]
      const recode = this.#recode?.[column]
      if (tuple[from] === NULL) at = out.writeInt32BE(-1, at)
      else if (recode == null) at += tuple.copy(out, at, from + 1, to)
      else {
        const cell = recode(tuple.subarray(from + 5, to), BINARY)
        at = out.writeInt32BE(cell.length, at)
        at += cell.copy(out, at)
      }
    }
    this.at = at
  }

  /** COPY's text format. */
  text(tuple: Buffer, start: number): void {
    const { out } = this
    const count = locate(tuple, offsets, start)
    const of = this.#columns?.length ?? count
    for (let i = 0; i < of; i++) {
      if (i > 0) out[this.at++] = TAB
      const column = this.#columns?.[i] ?? i
      const from = requireCell(tuple, offsets[column] ?? 0)
      const to = offsets[column + 1] ?? 0
      const recode = this.#recode?.[column]
      if (tuple[from] === NULL) {
        out[this.at++] = BACKSLASH
        out[this.at++] = SMALL_N
      } else if (recode == null) this.#escape(tuple, from + 5, to)
      else {
        const cell = recode(tuple.subarray(from + 5, to), TEXT)
        this.#escape(cell, 0, cell.length)
      }
    }
    out[this.at++] = NEWLINE
  }

  /** Backslash, tab, newline and carriage return are escaped; UTF-8 has none of them elsewhere. */
  #escape(bytes: Buffer, from: number, to: number): void {
    const { out } = this
    let at = this.at
    for (let i = from; i < to; i++) {
      const byte = bytes[i] ?? 0
      if (byte === BACKSLASH || (byte <= RETURN && ESCAPES[byte] !== 0)) {
        out[at++] = BACKSLASH
        out[at++] = byte === BACKSLASH ? BACKSLASH : (ESCAPES[byte] ?? 0)
      } else out[at++] = byte
    }
    this.at = at
  }
}

/** What stands for a control character after a backslash; 0 for those that stand for themselves. */
const ESCAPES = new Uint8Array(RETURN + 1)
ESCAPES[TAB] = 0x74
ESCAPES[NEWLINE] = 0x6e
ESCAPES[RETURN] = 0x72

function requireCell(tuple: Buffer, from: number): number {
  if (tuple[from] !== UNCHANGED) return from
  throw new MissingCell('a value is needed where a cell is unchanged')
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
