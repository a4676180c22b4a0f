import { doubleText, singleText } from '../../model/floats.ts'
import type { Type } from '../../model/value.ts'
import { arrayForm } from './arrays.ts'
import { decimal, plainDecimal } from './decimals.ts'
import { geometryForm, pointForm, vectorForm } from './geometry.ts'
import * as iso from './iso.ts'
import { Misread, misread } from './misread.ts'
import * as moments from './moments.ts'
import type { Out } from './out.ts'
import type { Shape } from './shape.ts'
import type { Wire } from './wire.ts'

/** How values of a shape become canonical text (model/value.ts). */
export interface Form {
  readonly type: Type
  /** Writes a value that is not null. Throws Misread. */
  readonly write: (wire: Wire, out: Out) => void
}

/** What a form depends on beside the shape. */
export interface FormContext {
  /** The connector that made the record; empty when it is not known. */
  readonly connector: string
}

type Make = (shape: Shape, context: FormContext) => Form

/** The form of a shape. Throws Misread for one that has none. */
export function formOf(shape: Shape, context: FormContext): Form {
  const make = (shape.name === '' ? undefined : NAMED[shape.name]) ?? UNNAMED[shape.type]
  const form = make?.(shape, context)
  if (form === undefined) {
    const named = shape.name === '' ? '' : ` named ${shape.name}`
    throw new Misread('unmapped', `it has the type ${shape.type}${named}, which has no counterpart`)
  }
  return form
}

/** A form that reads a string and writes what it means. */
function fromText(type: Type, write: (out: Out, text: string) => void): Make {
  return (shape) => ({ type, write: (wire, out) => write(out, wire.string(shape)) })
}
/** A form that reads a whole number and writes what it means. */
function fromWhole(type: Type, write: (out: Out, value: number | bigint) => void): Make {
  return () => ({ type, write: (wire, out) => write(out, wire.whole()) })
}

function int(bits: 8 | 16 | 32 | 64): Make {
  const type: Type = { kind: 'int', bits, unsigned: false }
  return () => ({ type, write: (wire, out) => wire.digits(out) })
}
const text: Make = (shape) => ({
  type: { kind: 'text' },
  write: (wire, out) => wire.characters(out, shape),
})
const bytes: Make = (shape) => ({
  type: { kind: 'bytes' },
  write: (wire, out) => wire.octets(out, shape),
})
function float(bits: 32 | 64): Make {
  const print = bits === 32 ? singleText : doubleText
  return (shape) => ({
    type: { kind: 'float', bits },
    write: (wire, out) => out.ascii(print(wire.double(shape))),
  })
}
const bool: Make = () => ({
  type: { kind: 'bool' },
  write: (wire, out) => out.byte(wire.boolean() ? 0x74 : 0x66),
})

/** Fixed by the schema, or as the values have it. */
const connectDecimal: Make = (shape) => {
  const scale = Number(shape.parameters['scale'] ?? 0)
  const precision = Number(shape.parameters['connect.decimal.precision'] ?? Number.NaN)
  const known = Number.isInteger(precision) && precision >= scale && scale >= 0
  return {
    type: { kind: 'decimal', precision: known ? precision : null, scale: known ? scale : null },
    write: (wire, out) => {
      const written = wire.written()
      if (written === null) decimal(out, wire.raw(shape), scale)
      else writtenDecimal(out, written, scale)
    },
  }
}

/** A number with exactly so many digits behind the point. */
function writtenDecimal(out: Out, written: string, scale: number): void {
  const plain = plainDecimal(written)
  if (plain === null) throw misread('a decimal is not written as one')
  const point = plain.indexOf('.')
  const behind = point < 0 ? 0 : plain.length - point - 1
  out.ascii(plain)
  if (behind >= scale) return
  if (point < 0) out.byte(0x2e)
  out.ascii('0'.repeat(scale - behind))
}

/** `{scale, value}`: numbers that each have a scale of their own. */
const variableDecimal: Make = (shape) => {
  const [scale, value] = shape.fields
  if (scale?.name !== 'scale' || value?.name !== 'value')
    throw new Misread('unmapped', 'its decimals are not made of scale and value')
  return {
    type: { kind: 'decimal', precision: null, scale: null },
    write: (wire, out) => {
      wire.open()
      wire.field(scale, 0)
      const digits = Number(wire.whole())
      if (!Number.isInteger(digits) || Math.abs(digits) > 20_000)
        throw misread('a decimal has no such scale')
      wire.field(value, 1)
      decimal(out, wire.raw(value.shape), digits)
      wire.close()
    },
  }
}

/** MySQL's TIME is a length of time, of up to 838 hours either way. */
function timeForm(toMicros: (value: number | bigint) => number | bigint, precision: number): Make {
  return (_shape, { connector }) => {
    if (connector !== 'mysql' && connector !== 'mariadb') {
      const type: Type = { kind: 'time', precision }
      return { type, write: (wire, out) => moments.timeOfDay(out, toMicros(wire.whole())) }
    }
    const write = (wire: Wire, out: Out): void => moments.clock(out, Number(toMicros(wire.whole())))
    return { type: { kind: 'interval' }, write }
  }
}

function timestampForm(
  toMicros: (value: number | bigint) => number | bigint,
  precision: number,
): Make {
  return fromWhole({ kind: 'timestamp', precision }, (out, value) =>
    moments.timestamp(out, toMicros(value)),
  )
}

const same = (value: number | bigint): number | bigint => value
const date = fromWhole({ kind: 'date' }, (out, days) => moments.date(out, Number(days)))
const millisOfDay = timeForm(moments.fromMillis, 3)
const millis = timestampForm(moments.fromMillis, 3)

/** The lowest bit is in the first byte; `length` says how many there are. */
const bits: Make = (shape) => {
  const length = Number(shape.parameters['length'] ?? Number.NaN)
  if (!Number.isInteger(length) || length < 1)
    throw new Misread('unmapped', 'its schema does not say how many bits it has')
  return {
    type: { kind: 'bit', length, varying: false },
    write: (wire, out) => {
      const octets = wire.raw(shape)
      if (octets.length * 8 - length > 7) throw misread('it has more bits than its schema says')
      out.room(length)
      for (let i = length - 1; i >= 0; i--)
        out.byte(0x30 + (((octets[i >> 3] ?? 0) >> (i & 7)) & 1))
    },
  }
}

/** Labels stand between commas, with a backslash before one that belongs to a label. */
const enumeration: Make = (shape) => {
  const allowed = shape.parameters['allowed'] ?? ''
  const labels = allowed.split(/(?<!\\),/).map((label) => label.replaceAll('\\,', ','))
  return {
    type: { kind: 'enum', labels },
    write: (wire, out) => wire.characters(out, shape),
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const uuid = fromText({ kind: 'uuid' }, (out, value) => {
  const lower = value.toLowerCase()
  if (!UUID.test(lower)) throw misread('a uuid is not written as one')
  out.ascii(lower)
})

/** Text that a server of PostgreSQL reads as its own type. */
function ofPostgres(name: string): Make {
  return (shape, context) =>
    context.connector === 'postgresql'
      ? {
          type: { kind: 'opaque', dialect: 'postgres', name },
          write: (wire, out) => wire.characters(out, shape),
        }
      : text(shape, context)
}

/** A length of time in microseconds, as hours, minutes and seconds. */
const duration = fromWhole({ kind: 'interval' }, (out, micros) => {
  if (typeof micros === 'bigint') throw misread('an interval is longer than any')
  moments.clock(out, micros)
})

const UNNAMED: Readonly<Partial<Record<Shape['type'], Make>>> = {
  int8: int(8),
  int16: int(16),
  int32: int(32),
  int64: int(64),
  float32: float(32),
  float64: float(64),
  boolean: bool,
  string: text,
  bytes,
  array: (shape, context) => arrayForm(shape, (of) => formOf(of, context)),
}

/** What each name of a schema stands for. */
const NAMED: Readonly<Record<string, Make>> = {
  'org.apache.kafka.connect.data.Decimal': connectDecimal,
  'org.apache.kafka.connect.data.Date': date,
  'org.apache.kafka.connect.data.Time': millisOfDay,
  'org.apache.kafka.connect.data.Timestamp': millis,
  'io.debezium.data.VariableScaleDecimal': variableDecimal,
  'io.debezium.time.Date': date,
  'io.debezium.time.Time': millisOfDay,
  'io.debezium.time.MicroTime': timeForm(same, 6),
  'io.debezium.time.NanoTime': timeForm(moments.fromNanos, 6),
  'io.debezium.time.Timestamp': millis,
  'io.debezium.time.MicroTimestamp': timestampForm(same, 6),
  'io.debezium.time.NanoTimestamp': timestampForm(moments.fromNanos, 6),
  'io.debezium.time.ZonedTimestamp': fromText(
    { kind: 'timestamptz', precision: 6 },
    iso.zonedTimestamp,
  ),
  'io.debezium.time.ZonedTime': fromText({ kind: 'timetz', precision: 6 }, iso.zonedTime),
  'io.debezium.time.IsoDate': fromText({ kind: 'date' }, iso.isoDate),
  'io.debezium.time.IsoTime': fromText({ kind: 'time', precision: 6 }, iso.localTime),
  'io.debezium.time.IsoTimestamp': fromText(
    { kind: 'timestamp', precision: 6 },
    iso.localTimestamp,
  ),
  'io.debezium.time.Year': int(32),
  'io.debezium.time.Interval': fromText({ kind: 'interval' }, iso.isoInterval),
  'io.debezium.time.MicroDuration': duration,
  'io.debezium.time.NanoDuration': fromWhole({ kind: 'interval' }, (out, nanos) =>
    moments.clock(out, Number(moments.fromNanos(nanos))),
  ),
  'io.debezium.data.Bits': bits,
  'io.debezium.data.Enum': enumeration,
  'io.debezium.data.EnumSet': text,
  'io.debezium.data.Json': (shape) => ({
    type: { kind: 'json', binary: false },
    write: (wire, out) => wire.characters(out, shape),
  }),
  'io.debezium.data.Uuid': uuid,
  'io.debezium.data.Xml': ofPostgres('xml'),
  'io.debezium.data.Ltree': ofPostgres('ltree'),
  'io.debezium.data.Tsvector': ofPostgres('tsvector'),
  'io.debezium.data.DoubleVector': vectorForm,
  'io.debezium.data.FloatVector': vectorForm,
  'io.debezium.data.geometry.Point': pointForm,
  'io.debezium.data.geometry.Geometry': geometryForm,
  'io.debezium.data.geometry.Geography': geometryForm,
}
