import type { Out } from '../../model/out.ts'
import type { Table } from '../../model/table.ts'
import { isAdded } from './added.ts'
import type {
  DebeziumEvent,
  DebeziumRecord,
  Membership,
  RowOp,
  Span,
  TransactionEvent,
} from './event.ts'
import { misread } from './misread.ts'
import { OriginReader, readMembership } from './origin.ts'
import { RowReader } from './rows.ts'
import { type Field, fieldNamed, type Shape } from './shape.ts'
import type { Topic } from './topic.ts'
import { topicNames } from './topic-names.ts'
import { type Memo, memo, pass, stringOrNull, type Wire, wholeOrNull } from './wire.ts'

/** Reads the values of one schema. */
export interface Plan {
  read(wire: Wire, at: PlanInput): DebeziumEvent
}

export interface PlanInput {
  readonly record: DebeziumRecord
  readonly topic: Topic
  readonly out: Out
}

const NOWHERE: Span = { from: -1, to: -1 }

const OPS: Readonly<Record<string, RowOp>> = {
  c: 'create',
  u: 'update',
  d: 'delete',
  r: 'read',
}

/** The plan for values of this shape. Throws Misread for a type without a counterpart. */
export function planOf(shape: Shape, topic: Topic): Plan {
  if (shape.type !== 'struct') throw misread('its value is no struct')
  const has = (name: string): boolean => fieldNamed(shape, name) !== undefined
  if (has('op') && has('source')) return new EnvelopePlan(shape, topic)
  if (shape.name.endsWith('.TransactionMetadataValue') || (has('status') && has('event_count')))
    return new TransactionPlan(shape)
  if (shape.name.endsWith('.SchemaChangeValue') || (has('ddl') && has('tableChanges')))
    return new DdlPlan(shape)
  const nameless = shape.name === '' && shape.fields.length === 1 && has('ts_ms')
  if (nameless || shape.name.endsWith('.Heartbeat')) return { read: heartbeat(shape) }
  return new FlatPlan(shape, topic)
}

function heartbeat(shape: Shape): Plan['read'] {
  return (wire) => {
    wire.skip(shape)
    return { kind: 'heartbeat', origin: null }
  }
}

/** `before`, `after`, `source`, `op` and what else stands beside them. */
class EnvelopePlan implements Plan {
  readonly #shape: Shape
  readonly #rows: RowReader | null
  readonly #olds: RowReader | null
  readonly #origin: OriginReader
  readonly #op: Memo = memo()
  #memberOf: Membership | null = null
  #code = ''
  #row = NOWHERE
  #before = NOWHERE
  #partial = false

  constructor(shape: Shape, topic: Topic) {
    this.#shape = shape
    const source = fieldNamed(shape, 'source')
    if (source === undefined) throw misread('its envelope has no source')
    const connector = connectorOf(source.shape)
    const options = topic.rowOptions(connector)
    const [after, before] = [fieldNamed(shape, 'after'), fieldNamed(shape, 'before')]
    this.#origin = new OriginReader(source.shape)
    this.#rows = after === undefined ? null : new RowReader(after.shape, options)
    this.#olds = before === undefined ? null : new RowReader(before.shape, options)
  }

  read(wire: Wire, { record, topic, out }: PlanInput): DebeziumEvent {
    this.#envelope(wire, out)
    const row = this.#row
    const before = this.#before
    const origin = this.#origin.origin(this.#memberOf)
    const op = OPS[this.#code]
    if (op === undefined && this.#code === 'm') return { kind: 'message', origin }
    const table = this.#table(topic, record)
    if (op === undefined && this.#code === 't') return { kind: 'truncate', table, origin }
    if (op === undefined) throw misread('its op is none that is known')
    const gone = op === 'delete'
    if (gone ? before === NOWHERE && record.key === null : row === NOWHERE)
      throw misread('it has no row')
    return topic.rowEvent({ row, before, op, table, record, origin, out, partial: this.#partial })
  }

  /** Reads it field by field. */
  #envelope(wire: Wire, out: Out): void {
    const { fields } = this.#shape
    this.#row = NOWHERE
    this.#before = NOWHERE
    this.#memberOf = null
    this.#partial = false
    wire.open()
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i]
      if (field === undefined) continue
      wire.field(field, i)
      const { shape } = field
      if (field.name === 'op') this.#code = wire.again(this.#op, shape)
      else if (field.name === 'transaction') this.#memberOf = readMembership(wire, shape)
      else if (field.name === 'source') this.#origin.read(wire)
      else if (field.name === 'after' && this.#rows !== null) {
        this.#row = readRow(wire, out, this.#rows)
        if (this.#row !== NOWHERE) this.#partial = this.#rows.partial
      } else if (field.name === 'before' && this.#olds !== null) {
        this.#before = readRow(wire, out, this.#olds)
      } else pass(wire, shape)
    }
    wire.close()
  }

  #table(topic: Topic, record: DebeziumRecord): Table {
    const origin = this.#origin
    const name = origin.text('table')
    const schema = origin.text('schema') || origin.text('db')
    if (name === '') throw misread('its source names no table')
    return topic.table(this.#rows ?? this.#olds, { record, schema, name })
  }
}

/** A row, or NOWHERE where it is null. */
function readRow(wire: Wire, out: Out, rows: RowReader): Span {
  const { shape } = rows
  if (shape.optional && wire.absent(shape)) return NOWHERE
  const from = out.size
  rows.read(wire, out)
  return { from, to: out.size }
}

/** `postgresql` of `io.debezium.connector.postgresql.Source`. */
function connectorOf({ name }: Shape): string {
  return /\.connector\.([a-z0-9]+)\./.exec(name)?.[1] ?? ''
}

/** The row alone, as the unwrap transform leaves it, with what it was told to add. */
class FlatPlan implements Plan {
  readonly #rows: RowReader
  readonly #added: OriginReader
  readonly #names: ReadonlySet<string>

  constructor(shape: Shape, topic: Topic) {
    const added = shape.fields.filter(({ name }) => isAdded(name))
    const connector = guessed(added) || topic.options.connector
    this.#rows = new RowReader(shape, { ...topic.rowOptions(connector), without: isAdded })
    this.#added = new OriginReader({ ...shape, fields: added }, connector)
    this.#names = new Set(shape.fields.map(({ name }) => name).filter(isAdded))
  }

  read(wire: Wire, { record, topic, out }: PlanInput): DebeziumEvent {
    const marks = new Map<string, string>()
    const from = out.size
    this.#rows.read(wire, out, (field) => this.#mark(wire, field, marks))
    const row = { from, to: out.size }
    const deleted = marks.get('__deleted') === 'true' || marks.get('__op') === 'd'
    const op = deleted ? 'delete' : (OPS[marks.get('__op') ?? ''] ?? 'upsert')
    const named = topicNames(record.topic)
    const schema = this.#added.text('schema') || this.#added.text('db') || named.schema
    const name = this.#added.text('table') || named.name
    const table = topic.table(this.#rows, { record, schema, name })
    const origin = this.#names.size === 0 ? null : this.#added.origin(null)
    const spans = deleted ? { row: NOWHERE, before: row } : { row, before: NOWHERE }
    return topic.rowEvent({
      ...spans,
      op,
      table,
      record,
      origin,
      out,
      partial: this.#rows.partial && !deleted,
    })
  }

  #mark(wire: Wire, field: Field, to: Map<string, string>): void {
    if (field.name === '__op' || field.name === '__deleted')
      to.set(field.name, markText(wire, field.shape))
    else this.#added.take(wire, field)
  }
}

/** The server that only has what was added of its source. */
function guessed(added: readonly Field[]): string {
  const has = (pattern: RegExp): boolean => added.some(({ name }) => pattern.test(name))
  if (has(/_(?:change_lsn|commit_lsn|scn|commit_scn)$/)) return ''
  if (has(/_(?:lsn|xmin)$/)) return 'postgresql'
  return ''
}

/** A mark is a text or a boolean, after what it is written as. */
function markText(wire: Wire, shape: Shape): string {
  if (shape.optional && wire.absent(shape)) return ''
  return shape.type === 'boolean' ? String(wire.boolean()) : wire.string(shape)
}

/** `status`, `id`, `event_count`, `data_collections`. */
class TransactionPlan implements Plan {
  readonly #shape: Shape

  constructor(shape: Shape) {
    this.#shape = shape
  }

  read(wire: Wire): TransactionEvent {
    const collections: { name: string; events: number }[] = []
    const found = { status: '', id: '', events: null as number | null }
    wire.open()
    this.#shape.fields.forEach((field, i) => {
      wire.field(field, i)
      const { name, shape } = field
      if (name === 'status') found.status = wire.string(shape)
      else if (name === 'id') found.id = wire.string(shape)
      else if (name === 'event_count') found.events = numberOrNull(wholeOrNull(wire, shape))
      else if (name === 'data_collections') readCollections(wire, shape, collections)
      else pass(wire, shape)
    })
    wire.close()
    const status = found.status === 'BEGIN' ? 'begin' : found.status === 'END' ? 'end' : null
    if (status === null) throw misread('its status is none of a transaction')
    return { kind: 'transaction', status, id: found.id, events: found.events, collections }
  }
}

function readCollections(wire: Wire, shape: Shape, to: { name: string; events: number }[]): void {
  const { of } = shape
  if (shape.optional && wire.absent(shape)) return
  if (of === null) throw misread('its collections are no list')
  wire.items(() => {
    const one = { name: '', events: 0 }
    wire.open()
    of.fields.forEach((field, i) => {
      wire.field(field, i)
      if (field.name === 'data_collection') one.name = wire.string(field.shape)
      else if (field.name === 'event_count') one.events = Number(wire.whole())
      else pass(wire, field.shape)
    })
    wire.close()
    to.push(one)
  })
}

function numberOrNull(value: number | bigint | null): number | null {
  return value === null ? null : Number(value)
}

/** `source`, `databaseName`, `ddl` and the tables as they are after it. */
class DdlPlan implements Plan {
  readonly #shape: Shape
  readonly #origin: OriginReader | null

  constructor(shape: Shape) {
    this.#shape = shape
    const source = fieldNamed(shape, 'source')
    this.#origin = source === undefined ? null : new OriginReader(source.shape)
  }

  read(wire: Wire): DebeziumEvent {
    const found = { database: '', ddl: '' }
    wire.open()
    this.#shape.fields.forEach((field, i) => {
      wire.field(field, i)
      const { name, shape } = field
      if (name === 'source' && this.#origin !== null) this.#origin.read(wire)
      else if (name === 'databaseName') found.database = stringOrNull(wire, shape) ?? ''
      else if (name === 'ddl') found.ddl = stringOrNull(wire, shape) ?? ''
      else pass(wire, shape)
    })
    wire.close()
    return { kind: 'ddl', ...found, origin: this.#origin?.origin(null) ?? null }
  }
}
