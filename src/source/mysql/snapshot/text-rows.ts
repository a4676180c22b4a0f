import type { Charsets } from '../../../dialect/mysql/charset-wide.ts'
import { Out } from '../../../model/out.ts'
import type { Table } from '../../../model/table.ts'
import { Bytes } from '../log/bytes.ts'
import { type TextCell, textCells } from './text-cells.ts'

/** A length where there is none: null. */
const NULL_VALUE = 0xfb

/** Turns rows of the text protocol into framed tuples of the encoding `values`. */
export class TextRows {
  /** What is asked for, to stand behind SELECT. */
  readonly columns: string
  readonly #cells: readonly TextCell[]
  readonly #frames = new Frames()

  /** Throws Fault HF-L114. */
  constructor(table: Table, charsets: Charsets) {
    this.#cells = textCells(table, charsets)
    this.columns = this.#cells.map(({ sql }) => sql).join(', ') || '1'
  }

  /** Framed tuples, whole ones in a piece. Throws Fault HF-D411 for a value that has no form. */
  take(packets: readonly Buffer[]): readonly Buffer[] {
    for (const packet of packets) this.#row(new Bytes(packet, 'a row'))
    return this.#frames.drain()
  }

  #row(from: Bytes): void {
    const out = this.#frames
    const cells = this.#cells
    out.frame(cells.length)
    for (let i = 0; i < cells.length; i++) {
      if (from.buffer[from.at] === NULL_VALUE) {
        from.skip(1)
        out.null()
        continue
      }
      out.open()
      cells[i]?.decode(from, out)
      out.close()
    }
    if (cells.length > 0) from.done()
    out.end()
  }
}

/** Tuples with their lengths before them, one behind the other. */
class Frames extends Out {
  #from = 0
  #pieces: Buffer[] = []

  /** A tuple begins, with room for its length before it. */
  frame(cells: number): void {
    this.start()
    this.room(4)
    this.at += 4
    this.begin(cells)
  }
  end(): void {
    this.buffer.writeInt32BE(this.size - 4, this.base)
  }

  /** What is whole; it is not written to any more. */
  drain(): readonly Buffer[] {
    this.left(this.at)
    this.#from = this.at
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  protected override left(end: number): void {
    if (end > this.#from) this.#pieces.push(this.buffer.subarray(this.#from, end))
    this.#from = 0
  }
}
