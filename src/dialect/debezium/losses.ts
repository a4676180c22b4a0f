import type { Shape } from './shape.ts'

/** What the connector or its converter lost of a column before the record was written. */
export interface Loss {
  readonly column: string
  readonly kind: LossKind
  /** False where the schema does not say whether it is so. */
  readonly certain: boolean
}

export type LossKind =
  | 'default'
  | 'double'
  | 'milliseconds'
  | 'interval'
  | 'zone'
  | 'unknown'
  | 'bits'
  | 'wrapped'
  | 'nanoseconds'
  | 'midnight'
  | 'zero'
  | 'binary'
  | 'dimensions'
  | 'length'

/** What is lost, for people; and the setting of the connector that keeps it. */
export const lossTexts: Readonly<
  Record<LossKind, { readonly what: string; readonly instead: string }>
> = {
  default: {
    what: 'a null reads as the default of the column, since the converter puts it in its place',
    instead: 'value.converter.replace.null.with.default=false',
  },
  double: {
    what: 'numbers of more than 15 digits, and zeros behind the point, are lost in floating point',
    instead: 'decimal.handling.mode=precise',
  },
  milliseconds: {
    what: 'microseconds are cut off',
    instead: 'time.precision.mode=microseconds',
  },
  interval: {
    what: 'months and days become hours, a month taken to be 30.44 days',
    instead: 'interval.handling.mode=string',
  },
  zone: {
    what: 'the offset of the zone is lost: the time comes in UTC',
    instead: 'a column without an offset',
  },
  unknown: {
    what: 'a large number that an update did not touch comes as null, and a number of a snapshot without the zeros at its end',
    instead: 'a column with a scale, such as numeric(20,4)',
  },
  bits: {
    what: 'the length of a bit varying is lost: zeros are put in front of it',
    instead: 'a column of the type bit(n) or text',
  },
  wrapped: {
    what: 'numbers from 2^63 on come as negative ones',
    instead: 'bigint.unsigned.handling.mode=precise',
  },
  nanoseconds: {
    what: 'a moment before 1677 or after 2262 comes as null or as another one',
    instead: 'time.precision.mode=microseconds',
  },
  midnight: {
    what: '24:00:00 comes as 00:00:00',
    instead: 'time.precision.mode=microseconds',
  },
  zero: {
    what: 'a date of zeros comes as null, or as 1970-01-01 where the column takes no null',
    instead: 'a sql_mode with NO_ZERO_DATE, and no such dates',
  },
  dimensions: {
    what: 'an array of several dimensions comes as nulls, and one that does not begin at 1 as one that does',
    instead: 'arrays of one dimension that begin at 1',
  },
  length: {
    what: 'a TIME that is no time of day comes as null',
    instead: 'time.precision.mode=adaptive_time_microseconds',
  },
  binary: {
    what: 'bytes come as text, which does not say how they are written',
    instead: 'binary.handling.mode=bytes',
  },
}

const PREFIX = '__debezium.source.column.'
const EXACT_FLOATS = /^_?(?:FLOAT\d?|DOUBLE.*|REAL)$/
const BINARY = /^_?(?:BYTEA|(?:VAR)?BINARY.*|(?:TINY|MEDIUM|LONG)?BLOB|RAW)$/
/** Numbers of so few digits are never kept apart from their row. */
const SMALL_DIGITS = 28

/** What is lost of the columns of a row. */
export function lossesOf(row: Shape, connector: string): readonly Loss[] {
  return row.fields.flatMap(({ name, shape }) => [
    ...(shape.optional && shape.defaulted ? [loss(name, 'default', false)] : []),
    ...ofType(name, shape, connector),
  ])
}

function loss(column: string, kind: LossKind, certain: boolean): Loss {
  return { column, kind, certain }
}

interface Origin {
  readonly connector: string
  /** The type at the database, where the connector is told to say it. */
  readonly native: string | null
}

type Is = (kind: LossKind, certain?: boolean) => readonly Loss[]

function ofType(column: string, shape: Shape, connector: string): readonly Loss[] {
  const native = shape.parameters[`${PREFIX}type`]?.toUpperCase() ?? null
  const is: Is = (kind, certain = true) => [loss(column, kind, certain)]
  const at = { connector, native }
  if (shape.type !== 'array' || shape.of === null || shape.name !== '') return ofName(shape, at, is)
  const whole = connector === 'postgresql' ? is('dimensions', false) : []
  const item = { ...shape.of, parameters: { ...shape.parameters, ...shape.of.parameters } }
  return [...whole, ...ofName({ ...item, optional: false }, at, is)]
}

function ofName(shape: Shape, { connector, native }: Origin, is: Is): readonly Loss[] {
  const postgres = connector === 'postgresql'
  const mysql = connector === 'mysql' || connector === 'mariadb'
  switch (shape.name) {
    case '':
      return unnamed(shape, { connector, native }, is)
    case 'org.apache.kafka.connect.data.Time':
      return [
        ...(fraction(shape) <= 3 ? [] : is('milliseconds', native !== null)),
        ...(mysql ? is('length', false) : []),
      ]
    case 'org.apache.kafka.connect.data.Timestamp':
      return fraction(shape) <= 3 ? [] : is('milliseconds', native !== null)
    case 'io.debezium.time.MicroDuration':
    case 'io.debezium.time.NanoDuration':
      return is('interval')
    case 'io.debezium.time.ZonedTime':
      return is('zone')
    case 'io.debezium.time.ZonedTimestamp':
      if (connector === 'sqlserver' || connector === 'oracle') return is('zone', false)
      return mysql ? is('zero', false) : []
    case 'io.debezium.time.NanoTimestamp':
      return is('nanoseconds', false)
    case 'io.debezium.time.IsoTime':
      return mysql ? is('length', false) : is('midnight', false)
    case 'io.debezium.data.VariableScaleDecimal':
    case 'org.apache.kafka.connect.data.Decimal':
      return postgres && large(shape) ? is('unknown', false) : []
    case 'io.debezium.data.Bits':
      return postgres && !/^_?BIT$/.test(native ?? '') ? is('bits', native !== null) : []
    case 'io.debezium.time.Date':
    case 'io.debezium.time.Timestamp':
    case 'io.debezium.time.MicroTimestamp':
      return mysql ? is('zero', false) : []
    default:
      return []
  }
}

function unnamed({ type }: Shape, { connector, native }: Origin, is: Is): readonly Loss[] {
  const mysql = connector === 'mysql' || connector === 'mariadb'
  if (type === 'float64') {
    if (native === null) return is('double', false)
    return EXACT_FLOATS.test(native) ? [] : is('double')
  }
  if (type === 'int64' && mysql) {
    if (native === null) return is('wrapped', false)
    return native.startsWith('BIGINT UNSIGNED') ? is('wrapped') : []
  }
  return type === 'string' && native !== null && BINARY.test(native) ? is('binary') : []
}

/** Digits behind the second at the source; more than any where it is not said. */
function fraction({ parameters }: Shape): number {
  return Number(parameters[`${PREFIX}scale`] ?? 9)
}

function large(shape: Shape): boolean {
  const precision = Number(shape.parameters['connect.decimal.precision'] ?? Number.NaN)
  return shape.optional && !(precision <= SMALL_DIGITS)
}
