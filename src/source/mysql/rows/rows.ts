import { Fault } from '../../../model/fault.ts'
import { Out } from '../../../model/out.ts'
import { Bytes, misread } from '../log/bytes.ts'
import { inflated } from '../log/control.ts'
import { TYPE } from '../log/event.ts'
import { applyDiffs, decodeDiffs } from './json-diff.ts'
import { decodeJson, printJson } from './json-value.ts'
import type { CellPlan } from './plan.ts'

export type RowKind = 'insert' | 'update' | 'delete'

/** One row event up to where its rows begin. */
export interface RowEvent {
  readonly kind: RowKind
  readonly table: number
  /** Documents may come as steps from the one before. */
  readonly partial: boolean
  readonly columns: number
  /**
   * Where one bit for each column that the rows hold, the lowest first, stands in `head`: before
   * and after the change; -1 where the rows have no such side.
   */
  readonly head: Buffer
  readonly before: number
  readonly after: number
  /** What holds the rows, and from where to where. */
  readonly rows: Buffer
  readonly from: number
  readonly to: number
}

interface Shape {
  readonly kind: RowKind
  readonly version: 1 | 2
  readonly compressed?: true
  readonly partial?: true
}

const known: ReadonlyMap<number, Shape> = new Map<number, Shape>([
  [TYPE.writeRowsV1, { kind: 'insert', version: 1 }],
  [TYPE.updateRowsV1, { kind: 'update', version: 1 }],
  [TYPE.deleteRowsV1, { kind: 'delete', version: 1 }],
  [TYPE.writeRows, { kind: 'insert', version: 2 }],
  [TYPE.updateRows, { kind: 'update', version: 2 }],
  [TYPE.deleteRows, { kind: 'delete', version: 2 }],
  [TYPE.partialUpdateRows, { kind: 'update', version: 2, partial: true }],
  [TYPE.writeRowsCompressedV1, { kind: 'insert', version: 1, compressed: true }],
  [TYPE.updateRowsCompressedV1, { kind: 'update', version: 1, compressed: true }],
  [TYPE.deleteRowsCompressedV1, { kind: 'delete', version: 1, compressed: true }],
  [TYPE.writeRowsCompressed, { kind: 'insert', version: 2, compressed: true }],
  [TYPE.updateRowsCompressed, { kind: 'update', version: 2, compressed: true }],
  [TYPE.deleteRowsCompressed, { kind: 'delete', version: 2, compressed: true }],
])

/** By the type, which is a byte. */
const shapes = Array.from({ length: 256 }, (_, type): Shape | null => known.get(type) ?? null)

export function isRows(type: number): boolean {
  return shapes[type] !== null
}

/** The table number of an event that only ends its statement. */
const NO_TABLE = 0xffffffffffff
const LARGEST_ROWS = 1 << 30

/** Null for an event without a table. `short`: the table's number has four bytes. */
export function decodeRowEvent(type: number, bytes: Bytes, short: boolean): RowEvent | null {
  const shape = shapes[type]
  if (shape == null) throw misread(`an event of type ${type} holds no rows`)
  const table = short ? bytes.uint32() : bytes.uint48()
  bytes.skip(2)
  if (shape.version === 2) bytes.skip(bytes.uint16() - 2)
  if (table === NO_TABLE) return null
  const columns = bytes.packed()
  const bitmap = (columns + 7) >> 3
  const first = bytes.take(bitmap)
  const second = shape.kind === 'update' ? bytes.take(bitmap) : first
  const packed = shape.compressed === true
  const rows = packed ? inflated(bytes.rest(), LARGEST_ROWS) : bytes.buffer
  return {
    kind: shape.kind,
    table,
    partial: shape.partial === true,
    columns,
    head: bytes.buffer,
    before: shape.kind === 'insert' ? -1 : first,
    after: shape.kind === 'delete' ? -1 : second,
    rows,
    from: packed ? 0 : bytes.at,
    to: packed ? rows.length : bytes.end,
  }
}

/** Which columns one side of an event's rows holds. */
interface Present {
  readonly bitmap: Buffer
  readonly absent: readonly boolean[]
  /** No column that is wanted is absent. */
  readonly whole: boolean
  readonly nullBytes: number
}

/**
 * Reads the rows of one table as long as it is described alike. Nothing is made for a row: after
 * each `next` the reader says where its tuples stand. A cell that the log leaves out is
 * `unchanged`, which is not null.
 */
export class RowReader {
  /** What holds the tuples of the row that was read last; it is not written to there any more. */
  buffer: Buffer
  /** From where to where they stand, before and after the change; -1 for a side that is not there. */
  oldFrom = -1
  oldTo = -1
  from = -1
  to = -1
  readonly #plans: readonly CellPlan[]
  readonly #wanted: number
  readonly #table: string
  readonly #out: Out
  readonly #bytes = new Bytes(Buffer.alloc(0), 'a row event')
  #partly = false
  #before: Present | null = null
  #after: Present | null = null
  /** Those of the last event, which the next one mostly has, too. */
  readonly #last: { before: Present | null; after: Present | null } = { before: null, after: null }

  constructor(plans: readonly CellPlan[], table: string, out: Out) {
    this.#plans = plans
    this.#wanted = plans.filter((plan) => plan.wanted).length
    this.#table = table
    this.#out = out
    this.buffer = out.buffer
  }

  /** The next rows are those of this event. Throws Fault HF-L107. */
  begin(event: RowEvent): void {
    if (event.columns !== this.#plans.length) {
      throw misread(`rows of ${this.#table} have not the columns of their table`)
    }
    this.#before = this.#present('before', event.head, event.before)
    this.#after = this.#present('after', event.head, event.after)
    this.#partly = event.partial
    this.#bytes.over(event.rows, event.from, event.to)
  }

  /** True when none of the cells of this side of the event's rows was left out. */
  get wholeBefore(): boolean {
    return this.#before?.whole === true
  }
  get wholeAfter(): boolean {
    return this.#after?.whole === true
  }

  /**
   * Reads one row; false at the end of the event. Throws Fault HF-L107, and HF-D411 for a value
   * without a canonical form.
   */
  next(): boolean {
    const bytes = this.#bytes
    const { at } = bytes
    if (at === bytes.end) return false
    const out = this.#out
    out.start()
    const middle = this.#partly ? this.#partial(bytes) : this.#images(bytes)
    if (bytes.at === at) throw misread('a row event holds rows without columns')
    const { base } = out
    this.buffer = out.buffer
    this.oldFrom = this.#before === null ? -1 : base
    this.oldTo = this.#before === null ? -1 : base + middle
    this.from = this.#after === null ? -1 : base + middle
    this.to = this.#after === null ? -1 : out.at
    return true
  }

  /** The side before the change is as if it were not there. */
  forgetBefore(): void {
    this.oldFrom = -1
    this.oldTo = -1
  }

  #present(side: 'before' | 'after', head: Buffer, at: number): Present | null {
    if (at < 0) return null
    const last = this.#last[side]
    if (last !== null && isAt(last.bitmap, head, at)) return last
    const bitmap = Buffer.from(head.subarray(at, at + ((this.#plans.length + 7) >> 3)))
    const absent = this.#plans.map((_, i) => (((bitmap[i >> 3] ?? 0) >> (i & 7)) & 1) === 0)
    const count = absent.filter((one) => !one).length
    const whole = this.#plans.every(({ wanted }, i) => !wanted || absent[i] === false)
    const fresh = { bitmap, absent, whole, nullBytes: (count + 7) >> 3 }
    this.#last[side] = fresh
    return fresh
  }

  /** How many bytes the tuple of before the change takes. */
  #images(from: Bytes): number {
    const out = this.#out
    if (this.#before !== null) this.#image(from, this.#before)
    const middle = out.at - out.base
    if (this.#after !== null) this.#image(from, this.#after)
    return middle
  }

  #image(from: Bytes, { absent, nullBytes }: Present): void {
    const plans = this.#plans
    const out = this.#out
    const nulls = from.take(nullBytes)
    const { buffer } = from
    let bit = 0
    out.begin(this.#wanted)
    for (let i = 0; i < plans.length; i++) {
      const plan = plans[i]
      if (plan === undefined) break
      if (absent[i] === true) {
        if (plan.wanted) out.unchanged()
        continue
      }
      const isNull = (((buffer[nulls + (bit >> 3)] ?? 0) >> (bit & 7)) & 1) === 1
      bit++
      if (isNull) {
        if (plan.wanted) out.null()
        continue
      }
      out.open()
      plan.decode(from, out)
      if (plan.wanted) out.close()
      else out.drop()
    }
  }

  /** An update whose documents may stand as steps from those before. As `#images`. */
  #partial(from: Bytes): number {
    const [before, after] = [this.#before, this.#after]
    if (before === null || after === null) throw misread('a partial update lacks one of its sides')
    const again = new Bytes(from.buffer, 'a row event').over(from.buffer, from.at, from.end)
    const documents = this.#documents(again, before)
    this.#image(from, before)
    const middle = this.#out.at - this.#out.base
    const options = from.packed()
    if (options > 1) throw misread('a partial update has options that are not known')
    const count = this.#plans.filter((plan) => plan.json !== null).length
    const bits = options === 1 ? from.slice((count + 7) >> 3) : null
    const stepwise = (nth: number): boolean =>
      bits !== null && (((bits[nth >> 3] ?? 0) >> (nth & 7)) & 1) === 1
    this.#stepped(from, after, { documents, stepwise })
    return middle
  }

  /** The bytes of the documents of an image, by column; where `from` begins. */
  #documents(from: Bytes, { absent, nullBytes }: Present): ReadonlyMap<number, Buffer> {
    const found = new Map<number, Buffer>()
    const nulls = from.slice(nullBytes)
    let bit = 0
    const scratch = new Out(256)
    for (const [i, plan] of this.#plans.entries()) {
      if (absent[i] === true) continue
      const isNull = (((nulls[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1
      bit++
      if (isNull) continue
      if (plan.json !== null) {
        found.set(i, from.slice(from.uint(plan.json.lengthSize)))
        continue
      }
      scratch.begin(0)
      plan.decode(from, scratch)
      scratch.at = 0
    }
    return found
  }

  #stepped(
    from: Bytes,
    { absent, nullBytes }: Present,
    at: {
      readonly documents: ReadonlyMap<number, Buffer>
      readonly stepwise: (nth: number) => boolean
    },
  ): void {
    const out = this.#out
    const nulls = from.slice(nullBytes)
    let bit = 0
    let nth = 0
    out.begin(this.#wanted)
    for (const [i, plan] of this.#plans.entries()) {
      const partial = plan.json !== null && at.stepwise(nth++)
      const isAbsent = absent[i] === true
      const isNull = !isAbsent && (((nulls[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1
      if (!isAbsent) bit++
      if (isAbsent || isNull) {
        if (plan.wanted && isNull) out.null()
        else if (plan.wanted) out.unchanged()
        continue
      }
      out.open()
      if (partial) out.text(this.#changed(from, at.documents.get(i)))
      else plan.decode(from, out)
      if (plan.wanted) out.close()
      else out.drop()
    }
  }

  #changed(from: Bytes, document: Buffer | undefined): string {
    const diffs = decodeDiffs(from.slice(from.uint32()))
    if (document === undefined) {
      const what = `the log holds a change inside a document of ${this.#table} without the document`
      throw new Fault('HF-L114', { what, side: 'source', table: this.#table })
    }
    return printJson(applyDiffs(decodeJson(document), diffs))
  }
}

/** True when these bytes stand there, too. */
function isAt(wanted: Buffer, bytes: Buffer, at: number): boolean {
  for (let i = 0; i < wanted.length; i++) if (wanted[i] !== bytes[at + i]) return false
  return true
}
