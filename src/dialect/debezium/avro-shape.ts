import { misread } from './misread.ts'
import {
  type AvroForm,
  type ConnectType,
  type Field,
  fieldOf,
  isObject,
  parametersOf,
  type Shape,
} from './shape.ts'

type Fields = Readonly<Record<string, unknown>>

/** Named types that were met so far, by full name. */
interface Names {
  readonly known: Map<string, Fields>
  /** Those that are being taken apart, since one may hold itself. */
  readonly open: Set<string>
  readonly space: string
}

const PRIMITIVES: Readonly<Record<string, ConnectType>> = {
  boolean: 'boolean',
  int: 'int32',
  long: 'int64',
  float: 'float32',
  double: 'float64',
  bytes: 'bytes',
  string: 'string',
}

/** What a logical type of Avro is called where Connect's own name is not written beside it. */
const LOGICAL: Readonly<Record<string, string>> = {
  decimal: 'org.apache.kafka.connect.data.Decimal',
  date: 'io.debezium.time.Date',
  'time-millis': 'io.debezium.time.Time',
  'time-micros': 'io.debezium.time.MicroTime',
  'timestamp-millis': 'io.debezium.time.Timestamp',
  'timestamp-micros': 'io.debezium.time.MicroTimestamp',
  'timestamp-nanos': 'io.debezium.time.NanoTimestamp',
  'local-timestamp-millis': 'io.debezium.time.Timestamp',
  'local-timestamp-micros': 'io.debezium.time.MicroTimestamp',
  'local-timestamp-nanos': 'io.debezium.time.NanoTimestamp',
  uuid: 'io.debezium.data.Uuid',
}

/**
 * A schema of Avro as the converters of Confluent and Apicurio write it, with Connect's own names
 * beside. `parts` are schemas whose types it names. Throws Misread.
 */
export function shapeOfAvro(schema: unknown, parts: readonly unknown[] = []): Shape {
  const names = { known: new Map<string, Fields>(), open: new Set<string>(), space: '' }
  for (const part of parts) shapeOf(part, names)
  return shapeOf(schema, names)
}

function shapeOf(schema: unknown, names: Names): Shape {
  if (Array.isArray(schema)) return union(schema, names)
  if (typeof schema === 'string') {
    const primitive = PRIMITIVES[schema]
    if (primitive !== undefined) return shape(primitive, {}, {})
    const known = names.known.get(fullName(schema, names.space))
    if (known === undefined) throw misread(`its schema names a type that it does not have`)
    return named(known, names)
  }
  if (!isObject(schema)) throw misread('its schema is no schema of Avro')
  const { type } = schema
  if (typeof type === 'object') return shapeOf(type, names)
  if (type === 'record' || type === 'enum' || type === 'fixed') return named(schema, names)
  if (type === 'array') return array(schema, names)
  if (type === 'map') {
    const keys = shape('string', {}, {})
    return shape('map', schema, { of: shapeOf(schema['values'], names), keys })
  }
  const primitive = typeof type === 'string' ? PRIMITIVES[type] : undefined
  if (primitive !== undefined) return shape(primitive, schema, {})
  return shapeOf(type, names)
}

/** A value or null; Connect writes no other unions. */
function union(branches: readonly unknown[], names: Names): Shape {
  const value = branches.findIndex((branch) => !isNull(branch))
  if (branches.length !== 2 || value < 0 || !branches.some(isNull))
    throw misread('its schema has a union of more than a type and null')
  const one = shapeOf(branches[value], names)
  const avro = { ...(one.avro ?? PLAIN), branch: value }
  return { ...one, optional: true, avro }
}

function isNull(branch: unknown): boolean {
  return branch === 'null' || (isObject(branch) && branch['type'] === 'null')
}

function array(schema: Fields, names: Names): Shape {
  const of = shapeOf(schema['items'], names)
  const [key, value] = of.fields
  const internal = isObject(schema['items']) ? schema['items']['connect.internal.type'] : undefined
  const pairs = internal === 'MapEntry' && key !== undefined && value !== undefined
  if (!pairs) return shape('array', schema, { of })
  return shape('map', schema, {
    of: value.shape,
    keys: key.shape,
    avro: { ...PLAIN, as: 'pairs' },
  })
}

function named(schema: Fields, names: Names): Shape {
  const space = typeof schema['namespace'] === 'string' ? schema['namespace'] : names.space
  const full = fullName(String(schema['name']), space)
  const inner = { ...names, space: full.slice(0, Math.max(0, full.lastIndexOf('.'))) }
  names.known.set(full, schema)
  if (schema['type'] === 'enum') {
    const symbols = Array.isArray(schema['symbols']) ? schema['symbols'].map(String) : []
    return shape('string', schema, { avro: { ...PLAIN, as: 'enum', symbols } })
  }
  if (schema['type'] === 'fixed') {
    return shape('bytes', schema, { avro: { ...PLAIN, as: 'fixed', size: Number(schema['size']) } })
  }
  if (names.open.has(full)) throw misread('its schema has a type that holds itself')
  names.open.add(full)
  const fields = fieldsOf(schema['fields'], inner)
  names.open.delete(full)
  return shape('struct', schema, { fields })
}

function fieldsOf(list: unknown, names: Names): readonly Field[] {
  if (!Array.isArray(list)) throw misread('its schema has a record without fields')
  return list.map((field: unknown) => {
    if (!isObject(field) || typeof field['name'] !== 'string')
      throw misread('its schema has a field without a name')
    const value = shapeOf(field['type'], names)
    const defaulted = field['default'] !== undefined && field['default'] !== null
    return fieldOf(field['name'], defaulted ? { ...value, defaulted } : value)
  })
}

const PLAIN: AvroForm = { branch: -1, as: 'plain', size: 0, symbols: [] }

function shape(type: ConnectType, schema: Fields, more: Partial<Shape>): Shape {
  const connect = schema['connect.name']
  const logical = schema['logicalType']
  const narrow = schema['connect.type']
  return {
    type: narrow === 'int8' || narrow === 'int16' ? narrow : type,
    optional: false,
    name: typeof connect === 'string' ? connect : (LOGICAL[String(logical)] ?? ''),
    parameters: {
      ...parametersOf(numbersOf(schema)),
      ...parametersOf(schema['connect.parameters']),
    },
    defaulted: schema['connect.default'] !== undefined && schema['connect.default'] !== null,
    fields: [],
    of: null,
    keys: null,
    avro: PLAIN,
    ...more,
  }
}

/** Precision and scale as Avro writes them. */
function numbersOf({ scale, precision, logicalType }: Fields): Fields {
  if (logicalType !== 'decimal') return {}
  return { scale: scale ?? 0, 'connect.decimal.precision': precision }
}

function fullName(name: string, space: string): string {
  return name.includes('.') || space === '' ? name : `${space}.${name}`
}
