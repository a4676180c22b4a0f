import type { Column, Table } from '../../model/table.ts'
import type { Type } from '../../model/value.ts'
import { isAdded } from './added.ts'
import type { Node } from './json-tree.ts'
import { Misread } from './misread.ts'
import { fieldOf, type Shape } from './shape.ts'

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

/** The shape that rows of a table have when they are written in these modes. Throws Misread. */
export function declaredShape({ name, columns }: Table, modes: Modes): Shape {
  const fields = columns.map((column) => fieldOf(column.name, columnShape(column, modes)))
  return { ...bare('struct', true), name: `${name}.Value`, fields }
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
      return bare('int64')
    case 'float':
      return bare(type.bits === 32 ? 'float32' : 'float64')
    case 'decimal':
      return decimalShape(type, modes)
    case 'bytes':
      if (modes.binary === undefined) return null
      return modes.binary === 'hex' ? named('string', 'holdfast.Hex') : bare('bytes')
    case 'bit':
      return type.length === 1
        ? { ...bare('boolean'), parameters: { '__debezium.source.column.type': 'BIT' } }
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
    default:
      return momentShape(type, modes) ?? wordShape(type)
  }
}

/** Types of PostgreSQL that the connector writes as their text, or as parts that we know. */
function opaqueShape(name: string): Shape | null {
  // It may be a map, or JSON in a text.
  if (name === 'hstore') return null
  const geometry = [fieldOf('wkb', bare('bytes', true)), fieldOf('srid', bare('int32', true))]
  if (name === 'geometry' || name === 'geography') {
    const word = name === 'geometry' ? 'Geometry' : 'Geography'
    return { ...named('struct', `io.debezium.data.geometry.${word}`), fields: geometry }
  }
  if (name !== 'point') return bare('string')
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
    const native = { '__debezium.source.column.type': 'NUMERIC' }
    return { ...bare('string'), parameters: native }
  }
  if (precision === null || scale === null) {
    const fields = [fieldOf('scale', bare('int32')), fieldOf('value', bare('bytes'))]
    return { ...named('struct', 'io.debezium.data.VariableScaleDecimal'), fields }
  }
  const parameters = { scale: String(scale), 'connect.decimal.precision': String(precision) }
  return { ...named('bytes', 'org.apache.kafka.connect.data.Decimal'), parameters }
}

/** Dates are days in every mode but one; times and timestamps are what the mode says. */
function momentShape(type: Type, { time }: Modes): Shape | null {
  const iso = time === 'isostring'
  if (type.kind === 'date')
    return iso
      ? named('string', 'io.debezium.time.IsoDate')
      : named('int32', 'io.debezium.time.Date')
  if (type.kind !== 'time' && type.kind !== 'timestamp') return null
  const isTime = type.kind === 'time'
  const word = isTime ? 'Time' : 'Timestamp'
  if (iso || time === undefined) return named('string', `io.debezium.time.Iso${word}`)
  const unit = unitOf(time, { isTime, precision: type.precision })
  return named('int64', `io.debezium.time.${unit}${word}`)
}

function unitOf(
  time: NonNullable<Modes['time']>,
  { isTime, precision }: { readonly isTime: boolean; readonly precision: number },
): '' | 'Micro' | 'Nano' {
  if (time === 'nanoseconds') return 'Nano'
  if (time === 'connect') return ''
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

/** What a record without a schema looks like, and the part of it that is the row. */
export interface Implied {
  readonly shape: Shape
  readonly row: Shape | null
}

/**
 * The shape of a whole record: its rows as the table declares them, what stands around them as it
 * is. Throws Misread where it has a row and the table is not known, or is another one.
 */
export function recordShape(node: Node, table: Table | null, modes: Modes): Implied {
  if (node.kind !== 'object') throw new Misread('unreadable', 'it is no object')
  const { entries } = node
  const enveloped = entries.has('op') && entries.get('source')?.kind === 'object'
  const rowless = wordOf(entries.get('op')) === 'm'
  if (!enveloped ? isNoRow(entries) : rowless && table === null)
    return { shape: impliedShape(node), row: null }
  if (table === null)
    throw new Misread('undeclared', 'it has no schema, and its table is not known')
  const row = declaredShape(table, modes)
  if (enveloped) {
    for (const name of ['before', 'after']) checkColumns(entries.get(name), row, () => false)
    return { shape: { ...bare('struct'), fields: envelopeFields(entries, row) }, row }
  }
  checkColumns(node, row, isAdded)
  const shape = { ...bare('struct'), fields: flatFields(entries, row) }
  return { shape, row: shape }
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

/** A connector writes every column: what is missing was dropped, what is more was added. */
function checkColumns(node: Node | undefined, row: Shape, aside: (name: string) => boolean): void {
  if (node?.kind !== 'object') return
  const lacks = row.fields.find(({ name }) => !node.entries.has(name))
  if (lacks !== undefined) throw new Misread('undeclared', `it lacks the column ${lacks.name}`)
  for (const name of node.entries.keys()) {
    if (!aside(name) && !row.fields.some((field) => field.name === name))
      throw new Misread('undeclared', `its column ${name} is not known`)
  }
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
