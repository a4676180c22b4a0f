import { createHash } from 'node:crypto'
import { BSON, type Document } from 'mongodb'
import { type Bson, elementName } from '../../dialect/mongodb/bson.ts'
import { type Codec, codecOf, type JsonForm, keyCodecOf } from '../../dialect/mongodb/values.ts'
import { Fault } from '../../model/fault.ts'
import { type Table, tableName } from '../../model/table.ts'
import { locate, NULL, TEXT, type Tuple, UNCHANGED } from '../../model/tuple.ts'
import { LARGEST_DOCUMENT, MARK } from './config.ts'
import { pathOf } from './names.ts'

/**
 * A document on its way to the server. Not a plain object: columns may have names that mean
 * something to the language or to the driver.
 */
export type Fields = Map<string, unknown>

/** Rows from this size on are looked at before they are sent. */
const LARGE = LARGEST_DOCUMENT >> 1
/** Room for the id and the mark of a document, whose key may stand in it a second time. */
const SPARE = 64 << 10

const EMPTY = Buffer.alloc(0)
const offsets: number[] = []
/** Of the value that is being written. */
const span: { bytes: Buffer; from: number; to: number } = { bytes: EMPTY, from: 0, to: 0 }
/** Elements that each document begins with. */
const NAMES = { id: elementName('_id'), mark: elementName(MARK), at: elementName('at') }

/** How rows of a table and documents become one another; cells are those of the encoding `values`. */
export class Layout {
  readonly table: Table
  readonly key: readonly number[] | null
  readonly #codecs: readonly Codec[]
  readonly #keyCodecs: readonly Codec[]
  /** Where a column stands by itself, null. */
  readonly #paths: readonly (readonly string[] | null)[]
  readonly #nests: boolean
  readonly #names: readonly Buffer[]
  /** Indexes of all columns in the order of their names. */
  readonly #byName: readonly number[]

  constructor(table: Table, json: JsonForm) {
    const { columns, identity } = table
    this.table = table
    this.key = identity.by === 'key' ? identity.columns : null
    this.#codecs = columns.map(({ type }) => codecOf(type, json))
    this.#keyCodecs = columns.map(({ type }) => keyCodecOf(type))
    const paths = columns.map((_, i) => pathOf(table, i))
    this.#paths = paths.map((path) => (path.length > 1 ? path : null))
    this.#names = columns.map(({ name }) => elementName(name))
    this.#nests = this.#paths.some((path) => path !== null)
    this.#byName = columns
      .map((_, i) => i)
      .sort((a, b) => Buffer.compare(Buffer.from(this.#name(a)), Buffer.from(this.#name(b))))
  }

  /** The cells that are not unchanged, by the names of their columns. Throws HF-T251. */
  fields(tuple: Tuple): Fields {
    return this.#into(new Map(), tuple)
  }

  /** Writes the document of a whole row: its id, its mark, its columns. Throws HF-T251. */
  put(out: Bson, { row, stamp }: { readonly row: Tuple; readonly stamp: string }): void {
    if (this.#nests) {
      const document = documentHead(this.id(row), { at: stamp })
      for (const [name, value] of this.nested(this.fields(row))) document.set(name, value)
      out.document(BSON.serialize(document))
      return
    }
    const count = locate(row, offsets)
    out.begin()
    this.#putId(out, row)
    out.enter(NAMES.mark)
    out.ascii(NAMES.at, stamp)
    out.end()
    for (let i = 0; i < count; i++) this.#putCell(out, row, i)
    if (out.end() > LARGEST_DOCUMENT - SPARE) throw this.#tooLarge()
  }

  /** Writes what the document of a row is found by, as the element `_id`. */
  putId(out: Bson, row: Tuple): void {
    locate(row, offsets)
    this.#putId(out, row)
  }

  /** `offsets` are those of the row. */
  #putId(out: Bson, row: Tuple): void {
    if (this.key === null || (this.#nests && this.key.length > 1)) {
      out.value(NAMES.id, this.id(row))
      return
    }
    if (this.key.length > 1) out.enter(NAMES.id)
    for (const i of this.key) {
      const name = this.key.length > 1 ? this.#names[i] : NAMES.id
      span.bytes = row
      span.from = (offsets[i] ?? 0) + 5
      span.to = offsets[i + 1] ?? 0
      const is = this.#keyCodecs[i]?.put(out, name ?? NAMES.id, span)
      if (is !== true) throw this.#unlike(i)
    }
    if (this.key.length > 1) out.end()
  }

  #putCell(out: Bson, row: Tuple, i: number): void {
    const from = offsets[i] ?? 0
    const kind = row[from]
    const name = this.#names[i] ?? NAMES.id
    if (kind === UNCHANGED) return
    if (kind === NULL) {
      out.null(name)
      return
    }
    span.bytes = row
    span.from = from + 5
    span.to = offsets[i + 1] ?? 0
    if (this.#codecs[i]?.put(out, name, span) !== true) throw this.#unlike(i)
  }

  #into(fields: Fields, tuple: Tuple): Fields {
    const count = locate(tuple, offsets)
    for (let i = 0; i < count; i++) {
      const from = offsets[i] ?? 0
      const kind = tuple[from]
      if (kind === UNCHANGED) continue
      const value = kind === NULL ? null : this.#write(tuple.subarray(from + 5, offsets[i + 1]), i)
      fields.set(this.#name(i), value)
    }
    if (tuple.length > LARGE) this.#refuseTooLarge(fields)
    return fields
  }

  /** Fields as they stand in a document: a column whose name has dots is in a document of its own. */
  nested(fields: Fields): Fields {
    if (!this.#nests) return fields
    const all: Fields = new Map()
    for (const [i, path] of this.#paths.entries()) {
      const name = this.#name(i)
      if (!fields.has(name)) continue
      const [last = name, ...outer] = (path ?? [name]).toReversed()
      let at = all
      for (const step of outer.toReversed()) {
        const inner = at.get(step)
        const next: Fields = inner instanceof Map ? inner : new Map()
        at.set(step, next)
        at = next
      }
      at.set(last, fields.get(name))
    }
    return all
  }

  #refuseTooLarge(fields: Fields): void {
    if (BSON.serialize(fields).length > LARGEST_DOCUMENT - SPARE) throw this.#tooLarge()
  }

  #tooLarge(): Fault {
    return new Fault('HF-T251', {
      what: `a row of ${tableName(this.table)} is larger than a document can be, ${LARGEST_DOCUMENT >> 20} MB`,
      side: 'target',
      table: tableName(this.table),
    })
  }

  /** True when the tuple has all cells. */
  isWhole(tuple: Tuple): boolean {
    const count = locate(tuple, offsets)
    for (let i = 0; i < count; i++) if (tuple[offsets[i] ?? 0] === UNCHANGED) return false
    return true
  }

  /** A text that is equal for two tuples exactly when they are of one document. */
  place(tuple: Tuple): string {
    if (this.key === null) return this.#digest(tuple)
    locate(tuple, offsets)
    let place = ''
    for (const i of this.key) place += tuple.toString('latin1', offsets[i], offsets[i + 1])
    return place
  }

  /**
   * What a document is found by: the value of a key of one column, a document of the key's columns
   * in their order where it has several, a digest of the whole row where there is none.
   */
  id(tuple: Tuple): unknown {
    if (this.key === null) return this.#digest(tuple)
    const [only = 0] = this.key
    if (this.key.length > 1) return this.nested(this.keyFields(tuple))
    locate(tuple, offsets)
    return this.#writeKey(tuple, only)
  }

  /** The cells of the key as they stand in the id. */
  keyFields(tuple: Tuple): Fields {
    locate(tuple, offsets)
    const fields: Fields = new Map()
    for (const i of this.key ?? []) {
      fields.set(this.#name(i), this.#writeKey(tuple, i))
    }
    return fields
  }

  /**
   * The row of a document that was read without promoting its values. A field that is not there is
   * null; one of another form than its column's is said in a way that no canonical text is.
   */
  tuple(document: Document): Tuple {
    return packed(
      this.table.columns.map(({ name }, i) => {
        const value = found(document, this.#paths[i] ?? [name])
        if (value === null) return null
        const read = this.#codecs[i]?.read(value) ?? null
        if (read === null) return Buffer.from(`\0not ${this.#codecs[i]?.as ?? ''}`)
        return typeof read === 'string' ? Buffer.from(read, 'utf8') : read
      }),
    )
  }

  #name(column: number): string {
    return this.table.columns[column]?.name ?? ''
  }

  #write(cell: Buffer, column: number): unknown {
    const value = this.#codecs[column]?.write(cell) ?? null
    if (value === null) throw this.#unlike(column)
    return value
  }

  /** `offsets` are those of the tuple. */
  #writeKey(tuple: Tuple, column: number): unknown {
    const text = tuple.subarray((offsets[column] ?? 0) + 5, offsets[column + 1])
    const value = this.#keyCodecs[column]?.write(text) ?? null
    if (value === null) throw this.#unlike(column)
    return value
  }

  #unlike(column: number): Fault {
    return new Fault('HF-T251', {
      what: `a ${this.#codecs[column]?.as ?? 'value'} cannot hold a value of the column ${this.#name(column)} of ${tableName(this.table)}`,
      side: 'target',
      table: tableName(this.table),
    })
  }

  /** Of all cells that are not null, so that a column that is added with nulls changes nothing. */
  #digest(tuple: Tuple): string {
    locate(tuple, offsets)
    const hash = createHash('sha256')
    for (const i of this.#byName) {
      const from = offsets[i] ?? 0
      if (tuple[from] === NULL) continue
      hash.update(`${this.#name(i)}\0`)
      hash.update(tuple.subarray(from + 1, offsets[i + 1]))
    }
    return hash.digest('base64url')
  }
}

/** What a path leads to; null where it ends before. */
function found(document: Document, path: readonly string[]): unknown {
  let at: unknown = document
  for (const step of path) {
    const holds = typeof at === 'object' && at !== null && Object.hasOwn(at, step)
    if (!holds) return null
    at = (at as Readonly<Record<string, unknown>>)[step]
  }
  return at ?? null
}

/** What each document begins with. */
export function documentHead(id: unknown, mark: Document): Fields {
  const head: Fields = new Map()
  head.set('_id', id)
  head.set(MARK, mark)
  return head
}

/** A tuple of canonical cells. */
export function packed(cells: readonly (Buffer | null)[]): Tuple {
  const size = cells.reduce((sum, cell) => sum + (cell === null ? 1 : 5 + cell.length), 2)
  const tuple = Buffer.allocUnsafe(size)
  tuple.writeUInt16BE(cells.length, 0)
  let at = 2
  for (const cell of cells) {
    if (cell === null) {
      tuple[at++] = NULL
      continue
    }
    tuple[at] = TEXT
    tuple.writeInt32BE(cell.length, at + 1)
    at += 5 + cell.copy(tuple, at + 5)
  }
  return tuple
}

const under: number[] = []

/** `over` with its unchanged cells taken from `base`, which has as many cells. */
export function completed(base: Tuple, over: Tuple): Tuple {
  const count = locate(over, offsets)
  locate(base, under)
  const pieces: Buffer[] = [over.subarray(0, 2)]
  for (let i = 0; i < count; i++) {
    const kept = over[offsets[i] ?? 0] === UNCHANGED
    const from = kept ? under : offsets
    pieces.push((kept ? base : over).subarray(from[i], from[i + 1]) ?? EMPTY)
  }
  return Buffer.concat(pieces)
}
