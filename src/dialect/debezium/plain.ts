import type { Declared } from '../../model/declared.ts'
import type { Column } from '../../model/table.ts'
import type { Type } from '../../model/value.ts'
import { isAdded } from './added.ts'
import type { DebeziumRecord } from './event.ts'
import { type Node, parseTree } from './json-tree.ts'
import { Misread } from './misread.ts'
import { type ConnectType, fieldOf, type Shape } from './shape.ts'
import { topicNames } from './topic-names.ts'

/**
 * How a connector writes values, as its own settings call it. Records without a schema do not say
 * it: what is not given here is taken only where the value says it by itself.
 */
export interface Modes {
  /** `decimal.handling.mode`; doubles are refused, since they are no decimals. */
  readonly decimal?: 'precise' | 'string'
  /** `time.precision.mode`. */
  readonly time?:
    | 'adaptive'
    | 'adaptive_time_microseconds'
    | 'connect'
    | 'isostring'
    | 'microseconds'
    | 'nanoseconds'
  /** `binary.handling.mode`; `bytes` and both kinds of base64 are `base64` in JSON. */
  readonly binary?: 'base64' | 'hex'
}

/** Where a connector says what a column is at the database. */
const COLUMN = '__debezium.source.column.'

/** The shape that these columns have when they are written in these modes. Throws Misread. */
export function declaredShape(
  { table, defaulted }: Declared,
  columns: readonly Column[],
  modes: Modes,
): Shape {
  const fields = columns.map((column) => {
    const shape = columnShape(column, modes)
    return fieldOf(column.name, { ...shape, defaulted: defaulted.includes(column.name) })
  })
  return { ...bare('struct', true), name: `${table.name}.Value`, fields }
}

function columnShape({ name, type, nullable }: Column, modes: Modes): Shape {
  const shape = shapeOf(type, modes)
  if (shape === null) {
    const what = `the column ${name}: its record has no schema, and it is not said how it is written`
    throw new Misread('unmapped', what)
  }
  return { ...shape, optional: nullable }
}

function shapeOf(type: Type, modes: Modes): Shape | null {
  switch (type.kind) {
    case 'bool':
      return bare('boolean')
    case 'int':
      return bare(type.unsigned ? 'int64' : INTS[type.bits])
    case 'float':
      return bare(type.bits === 32 ? 'float32' : 'float64')
    case 'decimal':
      return decimalShape(type, modes)
    case 'bytes':
      if (modes.binary === undefined) return null
      return modes.binary === 'hex' ? named('string', 'holdfast.Hex') : bare('bytes')
    case 'bit':
      return type.length === 1
        ? { ...bare('boolean'), parameters: { [`${COLUMN}type`]: 'BIT' } }
        : {
            ...named('bytes', 'io.debezium.data.Bits'),
            parameters: { length: String(type.length) },
          }
    case 'enum': {
      const allowed = type.labels.map((label) => label.replaceAll(',', '\\,')).join(',')
      return { ...named('string', 'io.debezium.data.Enum'), parameters: { allowed } }
    }
    case 'array': {
      const of = shapeOf(type.of, modes)
      return of === null ? null : { ...bare('array'), of: { ...of, optional: true } }
    }
    case 'opaque':
      return opaqueShape(type.name)
    case 'date':
      return dateShape(modes)
    case 'time':
    case 'timestamp':
      return momentShape({ isTime: type.kind === 'time', precision: type.precision }, modes)
    default:
      return wordShape(type)
  }
}

const INTS: Readonly<Record<8 | 16 | 24 | 32 | 64, ConnectType>> = {
  8: 'int8',
  16: 'int16',
  24: 'int32',
  32: 'int32',
  64: 'int64',
}

/** Types of PostgreSQL that the connector writes as their text in every mode. */
const TEXTS =
  /^(?:inet|cidr|macaddr8?|xml|tsvector|int4range|int8range|numrange|tsrange|tstzrange|daterange|citext|ltree)$/

/** Types of PostgreSQL that come as their text, or as parts that we know. */
function opaqueShape(name: string): Shape | null {
  const geometry = [fieldOf('wkb', bare('bytes', true)), fieldOf('srid', bare('int32', true))]
  if (name === 'geometry' || name === 'geography') {
    const word = name === 'geometry' ? 'Geometry' : 'Geography'
    return { ...named('struct', `io.debezium.data.geometry.${word}`), fields: geometry }
  }
  // Money is a number, hstore a map or JSON, and what the connector does not know comes as bytes.
  if (name !== 'point') return TEXTS.test(name) ? bare('string') : null
  const fields = [fieldOf('x', bare('float64')), fieldOf('y', bare('float64')), ...geometry]
  return { ...named('struct', 'io.debezium.data.geometry.Point'), fields }
}

/** Texts that mean something. */
function wordShape(type: Type): Shape {
  if (type.kind === 'uuid') return named('string', 'io.debezium.data.Uuid')
  if (type.kind === 'json') return named('string', 'io.debezium.data.Json')
  if (type.kind === 'interval') return named('string', 'io.debezium.time.Interval')
  if (type.kind === 'timetz') return named('string', 'io.debezium.time.ZonedTime')
  if (type.kind === 'timestamptz') return named('string', 'io.debezium.time.ZonedTimestamp')
  return bare('string')
}

function decimalShape(type: Type & { readonly kind: 'decimal' }, { decimal }: Modes): Shape | null {
  const { precision, scale } = type
  if (decimal === undefined) return null
  if (decimal === 'string') {
    const length = precision === null ? {} : { [`${COLUMN}length`]: String(precision) }
    const digits = scale === null ? {} : { [`${COLUMN}scale`]: String(scale) }
    const parameters = { [`${COLUMN}type`]: 'NUMERIC', ...length, ...digits }
    return { ...bare('string'), parameters }
  }
  if (precision === null || scale === null) {
    const fields = [fieldOf('scale', bare('int32')), fieldOf('value', bare('bytes'))]
    return { ...named('struct', 'io.debezium.data.VariableScaleDecimal'), fields }
  }
  // The connector writes another scale for one below zero.
  if (scale < 0) return null
  const parameters = { scale: String(scale), 'connect.decimal.precision': String(precision) }
  return { ...named('bytes', 'org.apache.kafka.connect.data.Decimal'), parameters }
}

/** Days in every mode but one. */
function dateShape({ time }: Modes): Shape | null {
  if (time === undefined) return null
  return time === 'isostring'
    ? named('string', 'io.debezium.time.IsoDate')
    : named('int32', 'io.debezium.time.Date')
}

interface Moment {
  readonly isTime: boolean
  /** Digits behind the second. */
  readonly precision: number
}

/** Times and timestamps are what the mode says. */
function momentShape(moment: Moment, { time }: Modes): Shape | null {
  if (time === undefined) return null
  const word = moment.isTime ? 'Time' : 'Timestamp'
  if (time === 'isostring') return named('string', `io.debezium.time.Iso${word}`)
  if (time === 'connect') {
    const parameters = { [`${COLUMN}scale`]: String(moment.precision) }
    return { ...named('int64', `org.apache.kafka.connect.data.${word}`), parameters }
  }
  return named('int64', `io.debezium.time.${unitOf(time, moment)}${word}`)
}

function unitOf(
  time: NonNullable<Modes['time']>,
  { isTime, precision }: Moment,
): '' | 'Micro' | 'Nano' {
  if (time === 'nanoseconds') return 'Nano'
  const adaptive = time === 'adaptive' || (time === 'adaptive_time_microseconds' && !isTime)
  return adaptive && precision <= 3 ? '' : 'Micro'
}

function bare(type: Shape['type'], optional = false): Shape {
  return {
    type,
    optional,
    name: '',
    parameters: {},
    defaulted: false,
    fields: [],
    of: null,
    keys: null,
    avro: null,
  }
}

function named(type: Shape['type'], name: string): Shape {
  return { ...bare(type), name }
}

/** The shape that a piece of JSON has by itself. */
export function impliedShape(node: Node): Shape {
  switch (node.kind) {
    case 'object': {
      const fields = [...node.entries].map(([name, part]) => fieldOf(name, impliedShape(part)))
      return { ...bare('struct', true), fields }
    }
    case 'array': {
      const of = node.items[0] === undefined ? bare('string', true) : impliedShape(node.items[0])
      return { ...bare('array', true), of }
    }
    case 'string':
      return bare('string', true)
    case 'number':
      return bare(/^-?\d+$/.test(node.text) ? 'int64' : 'float64', true)
    default:
      return bare(node.text === 'null' ? 'string' : 'boolean', true)
  }
}

/**
 * The shape of a whole record: its rows as the table is declared, what stands around them as it is.
 * Columns that it does not have were added later, or are left out by the connector. Throws Misread
 * where it has a row and the table is not known, is another one, or may have been.
 */
export function recordShape(node: Node, declared: Declared | null, modes: Modes): Shape {
  if (node.kind !== 'object') throw new Misread('unreadable', 'it is no object')
  const { entries } = node
  const enveloped = isEnvelope(entries)
  const rowless = wordOf(entries.get('op')) === 'm'
  if (!enveloped ? isNoRow(entries) : rowless && declared === null) return impliedShape(node)
  if (declared === null)
    throw new Misread('undeclared', 'it has no schema, and its table is not known')
  if (!enveloped) {
    const row = rowShape(declared, { rows: [node], aside: isAdded, by: writerOf(entries) }, modes)
    return { ...bare('struct'), fields: flatFields(entries, row) }
  }
  const source = entries.get('source')
  const own = source?.kind === 'object' ? source.entries : new Map<string, Node>()
  if (wordOf(own.get('table')) !== declared.table.name)
    throw new Misread('undeclared', 'it has no schema, and its topic is that of several tables')
  const rows = ['before', 'after'].flatMap((name) => entries.get(name) ?? [])
  const row = rowShape(declared, { rows, aside: () => false, by: writerOf(own) }, modes)
  return { ...bare('struct'), fields: envelopeFields(entries, row) }
}

function isEnvelope(entries: ReadonlyMap<string, Node>): boolean {
  return entries.has('op') && entries.get('source')?.kind === 'object'
}

/** The table that a record without a schema is about; null for one that has no row. */
export function tableNamed({
  topic,
  value,
}: DebeziumRecord): { readonly schema: string; readonly name: string } | null {
  const node = value === null ? null : parseTree(value.toString('utf8'))
  if (node?.kind !== 'object') return null
  const { entries } = node
  if (!isEnvelope(entries)) return isNoRow(entries) ? null : topicNames(topic)
  const source = entries.get('source')
  if (source?.kind !== 'object') return null
  const [schema, db, name] = ['schema', 'db', 'table'].map((word) =>
    wordOf(source.entries.get(word)),
  )
  return name === undefined || name === '' ? null : { schema: schema || (db ?? ''), name }
}

/** A heartbeat, a transaction, a change of the schema. */
function isNoRow(entries: ReadonlyMap<string, Node>): boolean {
  const has = (...names: readonly string[]): boolean => names.every((name) => entries.has(name))
  if (entries.size === 1 && has('ts_ms')) return true
  return has('status', 'id', 'event_count') || has('source', 'ddl', 'tableChanges')
}

function wordOf(node: Node | undefined): string {
  return node?.kind === 'string' ? String(JSON.parse(node.text)) : ''
}

interface Rows {
  readonly rows: readonly Node[]
  /** Fields that are no columns. */
  readonly aside: (name: string) => boolean
  /** The transaction that wrote them; null where the record does not say it. */
  readonly by: number | null
}

/** The columns that the rows of a record have. */
function rowShape(declared: Declared, { rows, aside, by }: Rows, modes: Modes): Shape {
  const held = rows.flatMap((row) => (row.kind === 'object' ? [row.entries] : []))
  const names = new Set(held.flatMap((row) => [...row.keys()]).filter((name) => !aside(name)))
  const { columns } = declared.table
  const own = held.length === 0 ? columns : columns.filter(({ name }) => names.has(name))
  for (const { name } of own) {
    names.delete(name)
    if (held.some((row) => !row.has(name)))
      throw new Misread('unreadable', `one of its rows lacks the column ${name}`)
    if (held.length > 0 && !isSettled(declared.since.get(name), by)) {
      const what = `it has no schema, and the column ${name} may have been declared otherwise when it was written`
      throw new Misread('undeclared', what)
    }
  }
  const [unknown] = names
  if (unknown !== undefined)
    throw new Misread('undeclared', `it has no schema, and its column ${unknown} is not known`)
  return declaredShape(declared, own, modes)
}

/** True for what was written after a transaction; their numbers start again after 2^32. */
function isSettled(since: number | undefined, by: number | null): boolean {
  return since === undefined || (by !== null && ((by - since) | 0) > 0)
}

/** The transaction that a source block or what was added of it names. */
function writerOf(entries: ReadonlyMap<string, Node>): number | null {
  const node = ['txId', '__txId', '__source_txId'].flatMap((name) => entries.get(name) ?? [])[0]
  return node?.kind === 'number' ? Number(node.text) : null
}

function envelopeFields(entries: ReadonlyMap<string, Node>, row: Shape): Shape['fields'] {
  return [...entries].map(([name, part]) => {
    if (name === 'before' || name === 'after') return fieldOf(name, row)
    if (name !== 'source') return fieldOf(name, impliedShape(part))
    const word = part.kind === 'object' ? wordOf(part.entries.get('connector')) : ''
    return fieldOf(name, { ...impliedShape(part), name: `io.debezium.connector.${word}.Source` })
  })
}

/** The columns as the table has them, and what was added behind. */
function flatFields(entries: ReadonlyMap<string, Node>, row: Shape): Shape['fields'] {
  const added = [...entries].filter(([name]) => isAdded(name))
  return [...row.fields, ...added.map(([name, part]) => fieldOf(name, impliedShape(part)))]
}
