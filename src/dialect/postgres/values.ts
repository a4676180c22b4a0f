import { Fault } from '../../model/fault.ts'
import type { Column, Table } from '../../model/table.ts'
import { cells, locate, NULL, TEXT, type Tuple, tupleOf } from '../../model/tuple.ts'

/** A cell's canonical form from PostgreSQL's text under the pinned settings. */
type Canonical = (text: Buffer) => Buffer

/**
 * By column; null where the text is the canonical form already, which is so for every kind but
 * bytes: the settings of the session and model/value.ts were made for each other.
 */
function canonicalForms(columns: readonly Column[]): readonly (Canonical | null)[] | null {
  const forms = columns.map(({ type }) => (type.kind === 'bytes' ? unhex : null))
  return forms.some((form) => form !== null) ? forms : null
}

function misread(what: string): Fault {
  return new Fault('HF-L107', { what })
}

/** Characters that are turned into bytes at once; a string can be no longer than 512 million. */
const STRETCH = 1 << 20

/** `\x0102` to the bytes. */
function unhex(text: Buffer): Buffer {
  if (text[0] !== 0x5c || text[1] !== 0x78 || text.length % 2 !== 0) {
    throw misread('a bytea value is not in hex form')
  }
  const bytes = Buffer.allocUnsafe(text.length / 2 - 1)
  let size = 0
  for (let at = 2; at < text.length; at += STRETCH) {
    size += bytes.write(text.toString('latin1', at, at + STRETCH), size, 'hex')
  }
  if (size !== bytes.length) throw misread('a bytea value is not in hex form')
  return bytes
}

/** Rewrites tuples of the stream's text form into the encoding `values`. */
export interface Conversion {
  (tuple: Tuple, table: Table): Tuple
  /** True for a table whose tuples stay as they come; left out: it is not known. */
  leaves?(table: Table): boolean
}

export function canonicalTuples(): Conversion {
  const forms = new WeakMap<Table, readonly (Canonical | null)[] | null>()
  const offsets: number[] = []
  const planOf = (table: Table): readonly (Canonical | null)[] | null => {
    let plan = forms.get(table)
    if (plan === undefined) {
      plan = canonicalForms(table.columns)
      forms.set(table, plan)
    }
    return plan
  }
  const convert = (tuple: Tuple, table: Table): Tuple => {
    const plan = planOf(table)
    return plan === null ? tuple : rewrite(tuple, plan, offsets)
  }
  return Object.assign(convert, { leaves: (table: Table) => planOf(table) === null })
}

/** A tuple of canonical cells from the server's texts of these columns. */
export function canonicalTuple(
  texts: readonly (string | null | undefined)[],
  columns: readonly Column[],
): Tuple {
  const tuple = tupleOf(texts.map((text) => text ?? null))
  const plan = canonicalForms(columns)
  return plan === null ? tuple : rewrite(tuple, plan, [])
}

/** The texts that the server reads as what the canonical cells of these columns say. */
export function serverTexts(tuple: Tuple, columns: readonly Column[]): (string | null)[] {
  const offsets: number[] = []
  locate(tuple, offsets)
  return columns.map(({ type }, i) => {
    const [from = 0, to = 0] = [offsets[i], offsets[i + 1]]
    if (tuple[from] !== TEXT) return null
    if (type.kind === 'bytes') return `\\x${tuple.toString('hex', from + 5, to)}`
    return tuple.toString('utf8', from + 5, to)
  })
}

function rewrite(tuple: Tuple, plan: readonly (Canonical | null)[], offsets: number[]): Tuple {
  locate(tuple, offsets)
  const pieces: Buffer[] = [tuple.subarray(0, 2)]
  for (let i = 0; i < cells(tuple); i++) {
    const [from, to] = [offsets[i] ?? 0, offsets[i + 1] ?? 0]
    const form = plan[i]
    if (form == null || tuple[from] !== TEXT) pieces.push(tuple.subarray(from, to))
    else pieces.push(...textCell(form(tuple.subarray(from + 5, to))))
  }
  return Buffer.concat(pieces)
}

function textCell(bytes: Buffer): [Buffer, Buffer] {
  const head = Buffer.alloc(5)
  head[0] = TEXT
  head.writeInt32BE(bytes.length, 1)
  return [head, bytes]
}

const TAB = 0x09
const LINE = 0x0a
const BACKSLASH = 0x5c

/** What a letter behind a backslash stands for in COPY's text format. */
const ESCAPED: Readonly<Record<number, number>> = {
  98: 0x08,
  102: 0x0c,
  110: 0x0a,
  114: 0x0d,
  116: 0x09,
  118: 0x0b,
}

/**
 * Turns the bytes of COPY … TO STDOUT (text) into framed tuples of the encoding `values`
 * (https://www.postgresql.org/docs/current/sql-copy.html, Text Format).
 */
export async function* framedValues(
  table: Table,
  copied: AsyncIterable<Buffer>,
): AsyncIterable<Buffer> {
  const forms = canonicalForms(table.columns) ?? table.columns.map(() => null)
  let rest: Buffer[] = []
  for await (const piece of copied) {
    const last = piece.lastIndexOf(LINE)
    if (last < 0) {
      rest.push(piece)
      continue
    }
    const lines = Buffer.concat([...rest, piece.subarray(0, last + 1)])
    rest = last + 1 < piece.length ? [piece.subarray(last + 1)] : []
    yield Buffer.concat(framesOf(lines, forms))
  }
  if (rest.length > 0) throw misread('a copied row has no end')
}

/** `lines` ends with the end of a line. */
function framesOf(lines: Buffer, forms: readonly (Canonical | null)[]): Buffer[] {
  const frames: Buffer[] = []
  for (let at = 0; at < lines.length; ) {
    const end = lines.indexOf(LINE, at)
    frames.push(...frameLine(lines.subarray(at, end), forms))
    at = end + 1
  }
  return frames
}

function frameLine(line: Buffer, forms: readonly (Canonical | null)[]): Buffer[] {
  const head = Buffer.alloc(6)
  const pieces: Buffer[] = [head]
  let length = 2
  let at = 0
  forms.forEach((form, index) => {
    const tab = line.indexOf(TAB, at)
    const last = index === forms.length - 1
    if (last !== tab < 0) throw misread('a copied row has not the cells of its table')
    const cell = cellOf(line.subarray(at, last ? line.length : tab), form)
    pieces.push(...cell)
    for (const { length: size } of cell) length += size
    at = tab + 1
  })
  head.writeInt32BE(length, 0)
  head.writeUInt16BE(forms.length, 4)
  return pieces
}

const NULL_CELL = Buffer.from([NULL])

function cellOf(field: Buffer, form: Canonical | null): readonly Buffer[] {
  if (field.length === 2 && field[0] === BACKSLASH && field[1] === 0x4e) return [NULL_CELL]
  const plain = unescaped(field)
  return textCell(form === null ? plain : form(plain))
}

function unescaped(field: Buffer): Buffer {
  if (!field.includes(BACKSLASH)) return field
  const out = Buffer.allocUnsafe(field.length)
  let size = 0
  for (let at = 0; at < field.length; at++) {
    let byte = field[at] ?? 0
    if (byte === BACKSLASH) {
      at++
      const next = field[at] ?? BACKSLASH
      byte = ESCAPED[next] ?? next
    }
    out[size++] = byte
  }
  return out.subarray(0, size)
}
