import type { Table } from '../../model/table.ts'
import { AvroWire } from './avro-wire.ts'
import type { DebeziumRecord, Origin, RowEvent, RowOp, Span, TombstoneEvent } from './event.ts'
import { endOf, normalJson, parseTree } from './json-tree.ts'
import { Deviation, JsonWire } from './json-wire.ts'
import { misread } from './misread.ts'
import { Out } from './out.ts'
import { KeyReader, keyColumns, type RowOptions, type RowReader, tableOf } from './rows.ts'
import { isObject, type Shape, shapeOfJson } from './shape.ts'
import type { Wire } from './wire.ts'

/** What stands before the values of one schema, and what they look like. */
export interface Known<T> {
  readonly format: 'json' | 'avro'
  readonly prefix: Buffer
  readonly shape: Shape
  readonly plan: T
}

export interface TopicOptions {
  readonly name: string
  readonly placeholder: Buffer
  /** Whose records these are, where they do not say; empty when it is not known. */
  readonly connector: string
  /** The schema of a registry by its number. */
  readonly registered: (id: number) => Shape
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
const SCHEMA = Buffer.from('{"schema":')
const PAYLOAD = Buffer.from(',"payload":')
/** Schemas of one topic that are kept; a topic that many tables share has many. */
const KEPT = 64

/** What is known of one topic: its schemas, its keys, its tables. */
export class Topic {
  readonly options: TopicOptions
  readonly #keys: Known<KeyPlan>[] = []
  readonly #tables = new Map<string, Table>()
  readonly #scratch = new Out(4096)
  readonly #json = new JsonWire()
  readonly #avro = new AvroWire()
  #newest: Table | null = null
  #key: Known<KeyPlan> | null = null
  /** The table that was asked for last, and by what. */
  #last: { readonly rows: RowReader; readonly key: Shape | null; readonly table: Table } | null =
    null

  constructor(options: TopicOptions) {
    this.options = options
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
    const columns = key === null ? null : keyColumns(rows.columns, key)
    if (key !== null && columns === null) throw misread('its key has a field that is no column')
    const made = tableOf({ topic: this.options.name, ...at }, rows, columns)
    const table = this.#tables.get(made.version) ?? made
    this.#tables.set(made.version, table)
    this.#last = { rows, key, table }
    this.#newest = table
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
    this.reading(known, key, (wire) => known.plan.reader(table).read(wire, out))
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
    this.reading(known, bytes, (wire) => reader.read(wire, at.out))
    return { from, to: at.out.size }
  }
  #headerForm(value: Buffer, key: Known<KeyPlan>): readonly [Known<KeyPlan>, Buffer] {
    const framed = value[0] === 0 || value.subarray(0, SCHEMA.length).equals(SCHEMA)
    if (framed) return [this.#knownKey(value), value]
    return [{ ...key, format: 'json', prefix: Buffer.alloc(0) }, value]
  }

  #knownKey(bytes: Buffer): Known<KeyPlan> {
    const known = this.known(this.#keys, bytes, (shape) => new KeyPlan(shape, this.#keyOptions()))
    this.#key = known
    return known
  }
  #keyOptions(): RowOptions & { readonly scratch: Out } {
    return { ...this.rowOptions(''), scratch: this.#scratch }
  }

  /** What is known of bytes with this beginning; the newest stands first. */
  known<T>(list: Known<T>[], bytes: Buffer, plan: (shape: Shape) => T): Known<T> {
    for (const known of list) {
      const { length } = known.prefix
      if (bytes.length < length || bytes.compare(known.prefix, 0, length, 0, length) !== 0) continue
      if (list[0] !== known) list.unshift(...list.splice(list.indexOf(known), 1))
      return known
    }
    const made = this.#framed(bytes)
    const known = { ...made, plan: plan(made.shape) }
    list.unshift(known)
    if (list.length > KEPT) list.pop()
    return known
  }

  #framed(bytes: Buffer): Omit<Known<null>, 'plan'> {
    if (bytes[0] === 0 && bytes.length >= 5) {
      const shape = this.options.registered(bytes.readInt32BE(1))
      return { format: 'avro', prefix: Buffer.from(bytes.subarray(0, 5)), shape }
    }
    const end = bytes.subarray(0, SCHEMA.length).equals(SCHEMA) ? endOf(bytes, SCHEMA.length) : -1
    const prefixEnd = end + PAYLOAD.length
    if (end < 0 || !bytes.subarray(end, prefixEnd).equals(PAYLOAD))
      throw misread('it is neither JSON with its schema nor Avro of a registry')
    const text = bytes.toString('utf8', SCHEMA.length, end)
    return { format: 'json', prefix: Buffer.from(bytes.subarray(0, prefixEnd)), shape: json(text) }
  }

  /** Reads bytes with the wire of their format; once more in order where they are out of it. */
  reading<R>(known: Known<unknown>, bytes: Buffer, read: (wire: Wire) => R): R {
    const { length } = known.prefix
    if (known.format === 'avro') {
      this.#avro.begin(bytes, length, bytes.length)
      const result = read(this.#avro)
      this.#avro.finish()
      return result
    }
    const tail = length === 0 ? '' : '}'
    this.#json.begin(bytes, length, bytes.length)
    try {
      const result = read(this.#json)
      this.#json.finish(tail)
      return result
    } catch (error) {
      if (!(error instanceof Deviation)) throw error
    }
    const text = bytes.toString('utf8', length, bytes.length - tail.length)
    const normal = Buffer.from(normalJson(parseTree(text), known.shape))
    this.#json.begin(normal, 0, normal.length)
    const result = read(this.#json)
    this.#json.finish()
    return result
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

function json(text: string): Shape {
  let schema: unknown
  try {
    schema = JSON.parse(text)
  } catch {
    throw misread('its schema is not JSON')
  }
  if (!isObject(schema)) throw misread('its schema is no object')
  return shapeOfJson(schema)
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
