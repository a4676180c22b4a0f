import { int32At } from '../../../model/tuple.ts'
import { misread } from '../log/bytes.ts'

/** Rows of a result with one value each, where they stand. */
export interface Messages {
  readonly buffer: Buffer
  /** For each value where it begins and where it ends. */
  readonly ends: readonly number[]
}

const COPY_DATA = 0x64
/** Kind and length of a server message, and COPY's field count and length before a value. */
const HEAD = 5
const ROW_HEAD = 6
/** What comes before the first row in COPY's binary format. */
const FILE_HEAD = 19
/** Larger than any message that a server can build (1 GB, utils/memutils.h) by a little. */
const LARGEST = 0x40000000

/** Where values and other messages go, these with their kind. */
export interface Sink {
  rows(messages: Messages): void
  other(tag: number, body: Buffer): void
}

/** A message that is longer gets a buffer of its own when half of it has come. */
const LONG = 1 << 20

/**
 * Finds the values in the bytes of a COPY … TO STDOUT (FORMAT binary) of one column. Bytes stay
 * where they came, except for a message that two reads brought; nothing is made for a message. A
 * length is believed only as far as bytes have come.
 */
export class RowFrames {
  /** The beginning of a message, in order. */
  #partial: Buffer[] = []
  /** The same where the message is long, with room for the rest of it. */
  #long: Buffer | null = null
  #held = 0
  #first = true

  /** Bytes of a message that is not whole yet. */
  get held(): number {
    return this.#held
  }

  push(chunk: Buffer, to: Sink): void {
    let at = 0
    while (this.#held > 0) {
      const missing = this.#missing()
      if (missing === 0) {
        this.#cut(this.#joined(), to)
        break
      }
      if (at === chunk.length) return
      at += this.#hold(chunk.subarray(at, at + missing))
    }
    const rest = this.#cut(at === 0 ? chunk : chunk.subarray(at), to)
    if (rest.length === 0) return
    this.#partial = [rest]
    this.#held = rest.length
  }

  #hold(piece: Buffer): number {
    if (this.#long === null) this.#partial.push(piece)
    else piece.copy(this.#long, this.#held)
    this.#held += piece.length
    return piece.length
  }

  /** Bytes that the held message lacks, or its head. */
  #missing(): number {
    if (this.#long !== null) return this.#long.length - this.#held
    if (this.#held < HEAD) return HEAD - this.#held
    const [first] = this.#partial
    const head = first !== undefined && first.length >= HEAD ? first : this.#joinPartial()
    const size = sizeAt(head, 0)
    if (size >= LONG && this.#held >= size / 2 && this.#held < size) this.#lengthen(size)
    return size - this.#held
  }

  /** Pieces and the whole are never both there. */
  #lengthen(size: number): void {
    this.#long = Buffer.allocUnsafeSlow(size)
    let at = 0
    for (const piece of this.#partial) at += piece.copy(this.#long, at)
    this.#partial = []
  }

  #joinPartial(): Buffer {
    const joined = Buffer.concat(this.#partial)
    this.#partial = [joined]
    return joined
  }

  #joined(): Buffer {
    const joined = this.#long ?? this.#joinPartial()
    this.#partial = []
    this.#long = null
    this.#held = 0
    return joined
  }

  /** Takes the whole messages off the front; returns what is left. */
  #cut(buffer: Buffer, to: Sink): Buffer {
    const ends: number[] = []
    let at = 0
    while (at + HEAD <= buffer.length) {
      const end = at + sizeAt(buffer, at)
      if (end > buffer.length) break
      if (buffer[at] === COPY_DATA) this.#row(buffer, { from: at + HEAD, to: end }, ends)
      else to.other(buffer[at] ?? 0, buffer.subarray(at + HEAD, end))
      at = end
    }
    if (ends.length > 0) to.rows({ buffer, ends })
    return buffer.subarray(at)
  }

  #row(
    buffer: Buffer,
    { from, to }: { readonly from: number; readonly to: number },
    ends: number[],
  ): void {
    const at = this.#first ? from + FILE_HEAD : from
    this.#first = false
    // The end of the data is a field count of -1.
    if (to - at < ROW_HEAD) return
    if (
      buffer[at] !== 0 ||
      buffer[at + 1] !== 1 ||
      int32At(buffer, at + 2) !== to - at - ROW_HEAD
    ) {
      throw misread('a row of the log is not one value')
    }
    ends.push(at + ROW_HEAD, to)
  }
}

/** The length in a message counts itself but not the kind byte. */
function sizeAt(buffer: Buffer, at: number): number {
  const length = int32At(buffer, at + 1)
  if (length < 4 || length > LARGEST) throw misread(`a message claims a length of ${length} bytes`)
  return length + 1
}
