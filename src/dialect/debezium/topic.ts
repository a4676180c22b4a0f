import type { Declared } from '../../model/declared.ts'
import { Out } from '../../model/out.ts'
import type { Table } from '../../model/table.ts'
import { locate, UNCHANGED } from '../../model/tuple.ts'
import type { DebeziumRecord, Origin, RowEvent, RowOp, Span, TombstoneEvent } from './event.ts'
import { parseTree } from './json-tree.ts'
import { inexact, Misread, misread } from './misread.ts'
import { declaredShape, type Modes, recordShape } from './plain.ts'
import { Reading } from './reading.ts'
import { KeyReader, keyColumns, type RowOptions, type RowReader, tableOf } from './rows.ts'
import { isFramed, type Known, Schemas } from './schemas.ts'
import type { Shape } from './shape.ts'

export interface TopicOptions {
  readonly name: string
  readonly placeholder: Buffer
  /** Whose records these are, where they do not say; empty when it is not known. */
  readonly connector: string
  /** The schema of a registry by its number. */
  readonly registered: (id: number) => Shape
  /** The table whose rows these are, for records without a schema; null when it is not known. */
  readonly declared: () => Declared | null
  readonly modes: Modes
}

/** A row whose spans are counted from the beginning of the event. */
interface RowFacts {
  readonly op: RowOp
  readonly table: Table
  readonly row: Span
  readonly before: Span
  readonly partial: boolean
  readonly origin: Origin | null
  readonly record: DebeziumRecord
  readonly out: Out
}

const NOWHERE: Span = { from: -1, to: -1 }
/** What is known of one topic: its schemas, its keys, its tables. */
export class Topic {
  readonly options: TopicOptions
  readonly #keys: Schemas<KeyPlan>
  readonly #tables = new Map<string, Table>()
  readonly #scratch = new Out(4096)
  /** Its own wires, since a key is read while the value is. */
  readonly #reading = new Reading()
  #newest: Table | null = null
  #key: Known<KeyPlan> | null = null
  /** The table that was asked for last, and by what. */
  #last: { readonly rows: RowReader; readonly key: Shape | null; readonly table: Table } | null =
    null

  constructor(options: TopicOptions) {
    this.options = options
    this.#keys = new Schemas({
      registered: options.registered,
      implied: () => this.#impliedKey(),
      plan: (shape) => new KeyPlan(shape, { ...this.rowOptions(''), scratch: this.#scratch }),
    })
  }

  /** The table of the newest record. */
  get newest(): Table | null {
    return this.#newest
  }

  /** How its rows are read. */
  get rows(): RowReader | null {
    return this.#last?.rows ?? null
  }

  rowOptions(connector: string): RowOptions {
    return { connector, placeholder: this.options.placeholder }
  }

  /** The table of rows like these; the same object for the same columns and key. */
  table(
    rows: RowReader | null,
    at: { readonly record: DebeziumRecord; readonly schema: string; readonly name: string },
  ): Table {
    if (rows === null) throw misread('its envelope has no rows')
    const key = this.#keyOf(at.record)
    const last = this.#last
    if (last?.rows === rows && last.key === key && isNamed(last.table, at)) return last.table
    const table = this.#made(rows, key, at)
    this.#last = { rows, key, table }
    this.#newest = table
    return table
  }
  #made(
    rows: RowReader,
    key: Shape | null,
    at: { readonly schema: string; readonly name: string },
  ): Table {
    const columns = key === null ? null : keyColumns(rows.columns, key)
    if (key !== null && columns === null) throw misread('its key has a field that is no column')
    const { schema, name } = at
    const made = tableOf({ topic: this.options.name, schema, name }, rows, columns)
    const table = this.#tables.get(made.version) ?? made
    this.#tables.set(made.version, table)
    return table
  }

  /** The shape of the record's key; that of the key before where the record has none. */
  #keyOf({ key, value }: DebeziumRecord): Shape | null {
    if (key !== null) return this.#knownKey(key).shape
    // A truncate has no key; a row without one is of a table without one.
    return value !== null && this.#key !== null ? this.#key.shape : null
  }

  /** Finishes an event: its key, and the places in the buffer. */
  rowEvent(facts: RowFacts): RowEvent {
    const { record, table, out, op } = facts
    if (facts.partial) requireKey(table, { out, row: facts.row })
    const gone = op === 'delete'
    const key = gone && record.key !== null ? this.#writeKey(record.key, table, out) : NOWHERE
    const newKey = gone ? this.#headerKey(record, 'newkey', { table, out }) : NOWHERE
    const oldKey = gone ? NOWHERE : this.#headerKey(record, 'oldkey', { table, out })
    const base = out.base
    const { buffer } = out
    return {
      kind: 'row',
      op,
      table,
      buffer,
      row: moved(facts.row, base),
      before: moved(facts.before, base),
      key: moved(key, base),
      partial: facts.partial,
      newKey: viewOf(buffer, newKey, base),
      oldKey: viewOf(buffer, oldKey, base),
      origin: facts.origin,
    }
  }

  /** A key without a value. */
  tombstone(record: DebeziumRecord, out: Out): TombstoneEvent {
    const table = this.#newest
    if (table === null || record.key === null)
      return { kind: 'tombstone', table, key: null, newKey: null }
    const key = this.#writeKey(record.key, table, out)
    const newKey = this.#headerKey(record, 'newkey', { table, out })
    const { base, buffer } = out
    return {
      kind: 'tombstone',
      table,
      key: viewOf(buffer, key, base),
      newKey: viewOf(buffer, newKey, base),
    }
  }

  #writeKey(key: Buffer, table: Table, out: Out): Span {
    const known = this.#knownKey(key)
    const from = out.size
    this.#reading.read(known, key, (wire) => {
      out.cut(from)
      known.plan.reader(table).read(wire, out)
    })
    return { from, to: out.size }
  }

  /** The key that a header tells of; it is written by the converter of headers. */
  #headerKey(
    { headers }: DebeziumRecord,
    name: 'newkey' | 'oldkey',
    at: { readonly table: Table; readonly out: Out },
  ): Span {
    const value = headerNamed(headers, `__debezium.${name}`)
    if (value === null || this.#key === null) return NOWHERE
    const from = at.out.size
    const reader = this.#key.plan.reader(at.table)
    const [known, bytes] = this.#headerForm(value, this.#key)
    this.#reading.read(known, bytes, (wire) => {
      at.out.cut(from)
      reader.read(wire, at.out)
    })
    return { from, to: at.out.size }
  }
  #headerForm(value: Buffer, key: Known<KeyPlan>): readonly [Known<KeyPlan>, Buffer] {
    if (isFramed(value)) return [this.#knownKey(value), value]
    return [{ ...key, format: 'json', prefix: Buffer.alloc(0) }, value]
  }

  #knownKey(bytes: Buffer): Known<KeyPlan> {
    const known = this.#keys.of(bytes)
    this.#key = known
    return known
  }

  /** The shape of a value without a schema. */
  impliedValue(bytes: Buffer): Shape {
    const { declared, modes } = this.options
    return recordShape(parseTree(bytes.toString('utf8')), declared(), modes)
  }
  #impliedKey(): Shape {
    const { declared: of, modes } = this.options
    const newest = this.#newest
    const known = newest === null ? null : { table: newest, defaulted: [], since: new Map() }
    const declared = of() ?? known
    if (declared === null || declared.table.identity.by !== 'key')
      throw new Misread('undeclared', 'its key has no schema, and its table is not known')
    const { columns, identity } = declared.table
    const own = identity.columns.flatMap((index) => columns[index] ?? [])
    return { ...declaredShape(declared, own, modes), optional: false }
  }
}

/** Reads keys of one schema. */
class KeyPlan {
  readonly #shape: Shape
  readonly #options: RowOptions & { readonly scratch: Out }
  readonly #readers = new WeakMap<Table, KeyReader>()

  constructor(shape: Shape, options: RowOptions & { readonly scratch: Out }) {
    this.#shape = shape
    this.#options = options
  }

  reader(table: Table): KeyReader {
    const known = this.#readers.get(table)
    if (known !== undefined) return known
    const made = new KeyReader(this.#shape, table, this.#options)
    this.#readers.set(table, made)
    return made
  }
}

/** A row is found by its key. Throws Misread where the connector did not know it. */
function requireKey(table: Table, at: { readonly out: Out; readonly row: Span }): void {
  if (table.identity.by !== 'key') return
  const offsets: number[] = []
  const { buffer, base } = at.out
  locate(buffer, offsets, base + at.row.from)
  for (const index of table.identity.columns) {
    if (buffer[offsets[index] ?? 0] === UNCHANGED)
      throw inexact(`the connector did not know ${table.columns[index]?.name}, which is of the key`)
  }
}

function isNamed(table: Table, at: { readonly schema: string; readonly name: string }): boolean {
  return table.name === at.name && table.schema === at.schema
}

function moved({ from, to }: Span, base: number): Span {
  return from < 0 ? NOWHERE : { from: from + base, to: to + base }
}

function viewOf(buffer: Buffer, span: Span, base: number): Buffer | null {
  return span.from < 0 ? null : buffer.subarray(span.from + base, span.to + base)
}

function headerNamed(headers: DebeziumRecord['headers'], name: string): Buffer | null {
  for (const [key, value] of headers) {
    if (key.length !== name.length) continue
    if (typeof key === 'string' ? key !== name : key.toString('latin1') !== name) continue
    return typeof value === 'string' ? Buffer.from(value) : value
  }
  return null
}
