import { Fault } from '../../../model/fault.ts'
import type { Tuple } from '../../../model/tuple.ts'
import { Bytes, misread } from '../log/bytes.ts'
import { inflated } from '../log/control.ts'
import { TYPE } from '../log/event.ts'
import { applyDiffs, decodeDiffs } from './json-diff.ts'
import { decodeJson, printJson } from './json-value.ts'
import { Out } from './out.ts'
import type { CellPlan } from './plan.ts'

export type RowKind = 'insert' | 'update' | 'delete'

/** One row event up to where its rows begin. */
export interface RowEvent {
  readonly kind: RowKind
  readonly table: number
  /** Documents may come as steps from the one before. */
  readonly partial: boolean
  readonly columns: number
  /** One bit for each column that the rows hold, the lowest first: before and after the change. */
  readonly before: Buffer | null
  readonly after: Buffer | null
  readonly rows: Buffer
}

interface Shape {
  readonly kind: RowKind
  readonly version: 1 | 2
  readonly compressed?: true
  readonly partial?: true
}

const shapes: ReadonlyMap<number, Shape> = new Map<number, Shape>([
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

export function isRows(type: number): boolean {
  return shapes.has(type)
}

/** The table number of an event that only ends its statement. */
const NO_TABLE = 0xffffffffffff
const LARGEST_ROWS = 1 << 30

/** Null for an event without a table. `short`: the table's number has four bytes. */
export function decodeRowEvent(type: number, body: Buffer, short: boolean): RowEvent | null {
  const shape = shapes.get(type)
  if (shape === undefined) throw misread(`an event of type ${type} holds no rows`)
  const bytes = new Bytes(body, 'a row event')
  const table = short ? bytes.uint32() : bytes.uint48()
  bytes.skip(2)
  if (shape.version === 2) bytes.skip(bytes.uint16() - 2)
  if (table === NO_TABLE) return null
  const columns = bytes.packed()
  const bitmap = (columns + 7) >> 3
  const first = bytes.slice(bitmap)
  const second = shape.kind === 'update' ? bytes.slice(bitmap) : first
  const rest = bytes.rest()
  return {
    kind: shape.kind,
    table,
    partial: shape.partial === true,
    columns,
    before: shape.kind === 'insert' ? null : first,
    after: shape.kind === 'delete' ? null : second,
    rows: shape.compressed === true ? inflated(rest, LARGEST_ROWS) : rest,
  }
}

/** One changed row; a cell that the log leaves out is `unchanged`, which is not null. */
export interface Row {
  readonly before: Tuple | null
  readonly after: Tuple | null
}

/** Which columns one side of an event's rows holds. */
interface Present {
  readonly bitmap: Buffer
  readonly absent: readonly boolean[]
  readonly nullBytes: number
}

/** Reads the rows of one table as long as it is described alike. */
export class RowReader {
  readonly #plans: readonly CellPlan[]
  readonly #wanted: number
  readonly #table: string
  readonly #out: Out
  /** Those of the last event, which the next one mostly has, too. */
  readonly #last: { before: Present | null; after: Present | null } = { before: null, after: null }

  constructor(plans: readonly CellPlan[], table: string, out: Out) {
    this.#plans = plans
    this.#wanted = plans.filter((plan) => plan.wanted).length
    this.#table = table
    this.#out = out
  }

  /** Throws Fault HF-L107, and HF-D411 for a value without a canonical form. */
  read(event: RowEvent): readonly Row[] {
    if (event.columns !== this.#plans.length) {
      throw misread(`rows of ${this.#table} have not the columns of their table`)
    }
    const before = this.#present('before', event.before)
    const after = this.#present('after', event.after)
    const from = new Bytes(event.rows, 'a row event')
    const rows: Row[] = []
    while (from.left > 0) {
      const at = from.at
      rows.push(event.partial ? this.#partial(from, before, after) : this.#row(from, before, after))
      if (from.at === at) throw misread('a row event holds rows without columns')
    }
    return rows
  }

  #present(side: 'before' | 'after', bitmap: Buffer | null): Present | null {
    if (bitmap === null) return null
    const last = this.#last[side]
    if (last?.bitmap.equals(bitmap) === true) return last
    const absent = this.#plans.map((_, i) => (((bitmap[i >> 3] ?? 0) >> (i & 7)) & 1) === 0)
    const count = absent.filter((one) => !one).length
    const fresh = { bitmap: Buffer.from(bitmap), absent, nullBytes: (count + 7) >> 3 }
    this.#last[side] = fresh
    return fresh
  }

  #row(from: Bytes, before: Present | null, after: Present | null): Row {
    return {
      before: before === null ? null : this.#image(from, before),
      after: after === null ? null : this.#image(from, after),
    }
  }

  #image(from: Bytes, { absent, nullBytes }: Present): Tuple {
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
    return out.end()
  }

  /** An update whose documents may stand as steps from those before. */
  #partial(from: Bytes, before: Present | null, after: Present | null): Row {
    if (before === null || after === null) throw misread('a partial update lacks one of its sides')
    const documents = this.#documents(new Bytes(from.buffer, 'a row event', from.at), before)
    const old = this.#image(from, before)
    const options = from.packed()
    if (options > 1) throw misread('a partial update has options that are not known')
    const count = this.#plans.filter((plan) => plan.json !== null).length
    const bits = options === 1 ? from.slice((count + 7) >> 3) : null
    const stepwise = (nth: number): boolean =>
      bits !== null && (((bits[nth >> 3] ?? 0) >> (nth & 7)) & 1) === 1
    return { before: old, after: this.#stepped(from, after, { documents, stepwise }) }
  }

  /** The bytes of the documents of an image, by column; where `from` begins. */
  #documents(from: Bytes, { absent, nullBytes }: Present): ReadonlyMap<number, Buffer> {
    const found = new Map<number, Buffer>()
    const nulls = from.slice(nullBytes)
    let bit = 0
    const scratch = new Out()
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
  ): Tuple {
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
    return out.end()
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
