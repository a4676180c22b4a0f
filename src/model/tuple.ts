import { Fault } from './fault.ts'
import { Tuples } from './tuples.ts'

/**
 * A row as one run of bytes, in every encoding.
 *
 * Layout (that of pgoutput's TupleData, so that a source that speaks it need not copy):
 * int16 number of cells, then for each cell one kind byte — `n` null, `u` unchanged (the value is
 * the one that the row already has), `t` text or canonical form, `b` the encoding's binary form —
 * and for `t` and `b` an int32 length and that many bytes. Integers are big-endian.
 *
 * The core moves tuples and compares cells byte by byte; what the bytes mean is the business of
 * the encoding's two ends.
 */
export type Tuple = Buffer

export const NULL = 0x6e
export const UNCHANGED = 0x75
export const TEXT = 0x74
export const BINARY = 0x62

/** Number of cells. */
export function cells(tuple: Tuple): number {
  return tuple.readUInt16BE(0)
}

/** Number of cells of the tuple that begins at `from`. */
export function cellsAt(bytes: Buffer, from: number): number {
  return ((bytes[from] ?? 0) << 8) | (bytes[from + 1] ?? 0)
}

/** Where the cell that begins at `at` ends. By hand: it runs for every cell, several times. */
export function cellEnd(bytes: Buffer, at: number): number {
  const kind = bytes[at]
  return kind === NULL || kind === UNCHANGED ? at + 1 : at + 5 + int32At(bytes, at + 1)
}

/** A big-endian number. */
export function int32At(bytes: Buffer, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16)
  return high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
}

/**
 * Fills `offsets` with the offset of each cell's kind byte, and one more entry for the end.
 * Returns the number of cells. The caller keeps `offsets` and uses it again, since this runs for
 * each row. The tuple begins at `from` of the given bytes, and offsets count from their start.
 */
export function locate(tuple: Buffer, offsets: number[], from = 0): number {
  const count = cellsAt(tuple, from)
  let at = from + 2
  for (let i = 0; i < count; i++) {
    offsets[i] = at
    at = cellEnd(tuple, at)
  }
  offsets[count] = at
  return count
}

export interface Cell {
  readonly kind: number
  /** Empty for null and unchanged. */
  readonly bytes: Buffer
}

const NOTHING = Buffer.alloc(0)

/** Cell number `index`; for code that is not on the path of every row. */
export function cell(tuple: Tuple, index: number): Cell {
  const offsets: number[] = []
  const count = locate(tuple, offsets)
  const from = offsets[index]
  const to = offsets[index + 1]
  if (index >= count || from === undefined || to === undefined) {
    throw new RangeError(`cell ${index} of a tuple of ${count}`)
  }
  const kind = tuple[from] ?? NULL
  return { kind, bytes: kind === TEXT || kind === BINARY ? tuple.subarray(from + 5, to) : NOTHING }
}

/** Builds a tuple from cells: null, `undefined` for unchanged, text, or bytes in binary form. */
export function tupleOf(values: readonly (string | Buffer | null | undefined)[]): Tuple {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(values.length, 0)
  const pieces: Buffer[] = [head]
  for (const value of values) {
    if (value === null) pieces.push(Buffer.from([NULL]))
    else if (value === undefined) pieces.push(Buffer.from([UNCHANGED]))
    else {
      const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value
      const lead = Buffer.alloc(5)
      lead[0] = typeof value === 'string' ? TEXT : BINARY
      lead.writeInt32BE(bytes.length, 1)
      pieces.push(lead, bytes)
    }
  }
  return Buffer.concat(pieces)
}

/** The cells of a tuple as text, null, or `undefined` for unchanged; for tests and reports. */
export function textsOf(tuple: Tuple): (string | null | undefined)[] {
  return Array.from({ length: cells(tuple) }, (_, i) => {
    const { kind, bytes } = cell(tuple, i)
    if (kind === NULL) return null
    return kind === UNCHANGED ? undefined : bytes.toString('utf8')
  })
}

/** Tuples one after another, each after its int32 length: the copy encoding `values`. */
export function frame(tuples: readonly Tuple[]): Buffer {
  const pieces: Buffer[] = []
  for (const tuple of tuples) {
    const length = Buffer.alloc(4)
    length.writeInt32BE(tuple.length, 0)
    pieces.push(length, tuple)
  }
  return Buffer.concat(pieces)
}

/**
 * Takes apart what `frame` made and somebody cut anywhere. Throws Fault HF-X001 for a length that
 * no tuple has, which is a defect of whoever made the frames.
 */
export class Unframer {
  #rest: Buffer = NOTHING

  /** The tuples that are whole now. */
  take(bytes: Buffer): Tuples {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const tuples = new Tuples()
    let at = 0
    while (at + 4 <= all.length) {
      const length = all.readInt32BE(at)
      if (length < 2) throw misframed(`a tuple of ${length} bytes`)
      if (at + 4 + length > all.length) break
      tuples.add(all, at + 4, at + 4 + length)
      at += 4 + length
    }
    this.#rest = all.subarray(at)
    return tuples
  }

  /** Nothing more comes. */
  end(): void {
    if (this.#rest.length > 0) throw misframed('a tuple without its end')
  }
}

function misframed(what: string): Fault {
  return new Fault('HF-X001', { what: `the source handed over ${what}` })
}

/** The tuples of a buffer made by `frame`. */
export function unframe(framed: Buffer): Tuple[] {
  const frames = new Unframer()
  const tuples = frames.take(framed)
  frames.end()
  return [...tuples]
}
