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
import { BINARY_STREAM, VALUES } from '../config.ts'
import { type CellText, writeInt32 } from './pack/cell.ts'
import type { Pack } from './pack/pack.ts'

/** Turns a cell into what the server reads; one for each column, null where it is the same. */
export type Recode = readonly (((bytes: Buffer, kind: number) => Buffer) | null)[]

/** Tuples to be written, the columns of them that are wanted, and what to make of cells. */
export interface Rows {
  readonly tuples: Tuples
  /** Null for all. */
  readonly columns: readonly number[] | null
  readonly recode: Recode | null
  /** What makes canonical texts binary; null where values travel as they are. */
  readonly packs: readonly Pack[] | null
}

/**
 * How rows travel: in binary because the stream has them so, made binary here, or as text; or
 * `mixed`, one by one, where some values are binary and some text.
 */
export type Form = 'binary' | 'packed' | 'text' | 'mixed'
/** How the rows of a COPY travel. */
export type CopyForm = Exclude<Form, 'mixed'>

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

/** Only in the binary encoding of a stream there are values of both kinds. */
export function form({ tuples, columns, packs }: Rows, encoding: string): Form {
  if (encoding === VALUES && packs !== null) return 'packed'
  if (encoding !== BINARY_STREAM) return 'text'
  let kinds = 0
  for (let row = 0; row < tuples.length; row++) {
    const buffer = tuples.buffer(row)
    const from = tuples.from(row)
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

/**
 * Writes the rows from number `first` on as the data of a COPY … FROM STDIN, its end included.
 * Returns how many of all are written then: fewer when one of them cannot be packed.
 */
export async function writeCopy(
  pipe: Pipe,
  rows: Rows,
  how: { readonly form: CopyForm; readonly first: number },
): Promise<number> {
  const binary = how.form !== 'text'
  pipe.copyBegins()
  if (binary) pipe.copyBytes(COPY_HEAD)
  const written = await writeRows(pipe, rows, how)
  if (binary) pipe.copyBytes(COPY_TAIL)
  pipe.copyDone()
  return written
}

/** Writes rows inside a copy, many of them in one message. */
export async function writeRows(
  pipe: Pipe,
  rows: Rows,
  { form, first }: { readonly form: CopyForm; readonly first: number },
): Promise<number> {
  const writer = new RowWriter(rows)
  let frame = -1
  let row = first
  const { tuples } = rows
  for (; row < tuples.length; row++) {
    const buffer = tuples.buffer(row)
    const from = tuples.from(row)
    const to = tuples.to(row)
    const most = mostBytes(to - from, cellsAt(buffer, from), rows)
    if (frame >= 0 && pipe.left - (writer.at - frame) < most) {
      pipe.closeCopyData(writer.at)
      frame = -1
      if (pipe.full) await pipe.room()
      if (pipe.stopped) return tuples.length
    }
    if (frame < 0) {
      writer.out = pipe.reserve(Math.max(most + 5, FRAME))
      frame = pipe.at
      writer.at = frame + 5
    }
    if (form === 'text') writer.text(buffer, from)
    else if (form === 'binary') writer.binary(buffer, from, to)
    else if (!writer.packed(buffer, from)) break
  }
  if (frame >= 0) pipe.closeCopyData(writer.at)
  return row
}

/** Room that a new message begins with at least. */
const FRAME = 16 * 1024

/** An upper bound of what one row becomes. */
function mostBytes(length: number, count: number, { recode, columns }: Rows): number {
  const cells = columns?.length ?? count
  // Recoding may make a cell longer: text of bytes twice and two. What is packed takes 14 bytes
  // beside twice its text at most.
  const bytes = recode === null ? length : 2 * length + 2 * recode.length
  return 2 * bytes + 14 * cells + 8
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
  readonly #packs: readonly Pack[]
  readonly #cell: CellText = { bytes: NOTHING, from: 0, to: 0 }

  constructor({ columns, recode, packs }: Rows) {
    this.#columns = columns
    this.#recode = recode
    this.#packs = packs ?? []
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

  /** The same, of cells that are text; false, with nothing written, when one stays text. */
  packed(tuple: Buffer, start: number): boolean {
    const columns = this.#columns
    if (columns !== null) locate(tuple, offsets, start)
    const { out } = this
    const cell = this.#cell
    const packs = this.#packs
    const of = columns?.length ?? cellsAt(tuple, start)
    let at = this.at
    out[at++] = of >> 8
    out[at++] = of & 0xff
    cell.bytes = tuple
    cell.to = start + 2
    for (let i = 0; i < of; i++) {
      const column = columns === null ? i : (columns[i] ?? 0)
      const from = requireCell(tuple, columns === null ? cell.to : (offsets[column] ?? 0))
      if (tuple[from] === NULL) {
        at = writeInt32(out, at, -1)
        cell.to = from + 1
        continue
      }
      cell.from = from + 5
      cell.to = cell.from + int32At(tuple, from + 1)
      const end = packs[column]?.(cell, out, at + 4) ?? -1
      if (end < 0) return false
      writeInt32(out, at, end - at - 4)
      at = end
    }
    this.at = at
    return true
  }

  /** COPY's text format. */
  text(tuple: Buffer, start: number): void {
    if (this.#columns !== null || this.#recode !== null) this.#textCells(tuple, start)
    else this.#wholeText(tuple, start)
  }

  #wholeText(tuple: Buffer, start: number): void {
    const { out } = this
    const count = cellsAt(tuple, start)
    for (let i = 0, at = start + 2; i < count; i++) {
      if (i > 0) out[this.at++] = TAB
      const from = requireCell(tuple, at)
      at = cellEnd(tuple, at)
      if (tuple[from] === NULL) this.#null()
      else this.#escape(tuple, from + 5, at)
    }
    out[this.at++] = NEWLINE
  }

  /** As above, for some of the columns or with cells that must be recoded. */
  #textCells(tuple: Buffer, start: number): void {
    const { out } = this
    const count = locate(tuple, offsets, start)
    const of = this.#columns?.length ?? count
    for (let i = 0; i < of; i++) {
      if (i > 0) out[this.at++] = TAB
      const column = this.#columns?.[i] ?? i
      const from = requireCell(tuple, offsets[column] ?? 0)
      const to = offsets[column + 1] ?? 0
      const recode = this.#recode?.[column]
      if (tuple[from] === NULL) this.#null()
      else if (recode == null) this.#escape(tuple, from + 5, to)
      else {
        const cell = recode(tuple.subarray(from + 5, to), TEXT)
        this.#escape(cell, 0, cell.length)
      }
    }
    out[this.at++] = NEWLINE
  }

  #null(): void {
    this.out[this.at++] = BACKSLASH
    this.out[this.at++] = SMALL_N
  }

  /** Backslash, tab, newline and carriage return are escaped; UTF-8 has none of them elsewhere. */
  #escape(bytes: Buffer, from: number, to: number): void {
    const { out } = this
    let at = this.at
    for (let i = from; i < to; i++) {
      const byte = bytes[i] ?? 0
      const sign = ESCAPES[byte] ?? 0
      if (sign !== 0) out[at++] = BACKSLASH
      out[at++] = sign === 0 ? byte : sign
    }
    this.at = at
  }
}

/** What stands for a byte after a backslash; 0 for those that stand for themselves. */
const ESCAPES = new Uint8Array(256)
ESCAPES[TAB] = 0x74
ESCAPES[NEWLINE] = 0x6e
ESCAPES[RETURN] = 0x72
ESCAPES[BACKSLASH] = BACKSLASH

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
