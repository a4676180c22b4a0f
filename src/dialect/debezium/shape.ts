import { misread } from './misread.ts'

/** The types of Kafka Connect. */
export type ConnectType =
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float32'
  | 'float64'
  | 'boolean'
  | 'string'
  | 'bytes'
  | 'array'
  | 'map'
  | 'struct'

/**
 * A schema of Kafka Connect, whichever way it was written down. `name` and `parameters` say what
 * the type stands for.
 */
export interface Shape {
  readonly type: ConnectType
  readonly optional: boolean
  /** Empty when it has none. */
  readonly name: string
  readonly parameters: Readonly<Record<string, string>>
  /** True when it has a default that is not null. */
  readonly defaulted: boolean
  /** Of a struct. */
  readonly fields: readonly Field[]
  /** Of an array; of a map what its values are. */
  readonly of: Shape | null
  /** Of a map. */
  readonly keys: Shape | null
  /** How Avro writes it, where that differs from how Connect does. */
  readonly avro: AvroForm | null
}

export interface Field {
  readonly name: string
  readonly shape: Shape
  /** What stands before the value in JSON, without the comma or bracket: `"name":`. */
  readonly label: Buffer
}

/** `branch`: which branch of a union is the value, -1 where there is no union. */
export interface AvroForm {
  readonly branch: number
  /** `pairs`: a map as an array of records; `symbols`: of an enum. */
  readonly as: 'plain' | 'fixed' | 'pairs' | 'enum'
  readonly size: number
  readonly symbols: readonly string[]
}

export function fieldOf(name: string, shape: Shape): Field {
  return { name, shape, label: Buffer.from(`${JSON.stringify(name)}:`) }
}

const TYPES: ReadonlySet<string> = new Set<ConnectType>([
  'int8',
  'int16',
  'int32',
  'int64',
  'float32',
  'float64',
  'boolean',
  'string',
  'bytes',
  'array',
  'map',
  'struct',
])

/** A schema as Connect's JsonConverter writes it. Throws Misread. */
export function shapeOfJson(schema: unknown): Shape {
  if (!isObject(schema)) throw misread('its schema is no object')
  const type = schema['type']
  // Older converters wrote these names.
  const named = type === 'float' ? 'float32' : type === 'double' ? 'float64' : type
  if (typeof named !== 'string' || !TYPES.has(named))
    throw misread('its schema has an unknown type')
  return {
    type: named as ConnectType,
    optional: schema['optional'] === true,
    name: typeof schema['name'] === 'string' ? schema['name'] : '',
    parameters: parametersOf(schema['parameters']),
    defaulted: schema['default'] !== undefined && schema['default'] !== null,
    fields: named === 'struct' ? fieldsOf(schema['fields']) : [],
    of: partOf(named, schema),
    keys: named === 'map' ? shapeOfJson(schema['keys']) : null,
    avro: null,
  }
}

function partOf(type: string, schema: Readonly<Record<string, unknown>>): Shape | null {
  if (type === 'array') return shapeOfJson(schema['items'])
  return type === 'map' ? shapeOfJson(schema['values']) : null
}

function fieldsOf(list: unknown): readonly Field[] {
  if (!Array.isArray(list)) throw misread('its schema has a struct without fields')
  return list.map((field: unknown) => {
    if (!isObject(field) || typeof field['field'] !== 'string')
      throw misread('its schema has a field without a name')
    return fieldOf(field['field'], shapeOfJson(field))
  })
}

export function parametersOf(parameters: unknown): Readonly<Record<string, string>> {
  if (!isObject(parameters)) return {}
  return Object.fromEntries(Object.entries(parameters).map(([k, v]) => [k, String(v)]))
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function fieldNamed(shape: Shape | undefined, name: string): Field | undefined {
  return shape?.fields.find((field) => field.name === name)
}
