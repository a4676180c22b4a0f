import { doubleText, singleText } from '../../model/floats.ts'
import type { Out } from '../../model/out.ts'
import type { Type } from '../../model/value.ts'
import { arrayForm } from './arrays.ts'
import { decimal, plainDecimal, shortened } from './decimals.ts'
import { geometryForm, pointForm, vectorForm } from './geometry.ts'
import * as iso from './iso.ts'
import { mapForm } from './maps.ts'
import { inexact, Misread, misread } from './misread.ts'
import * as moments from './moments.ts'
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
  /** What the connector writes for a value that it does not know. */
  readonly placeholder: Buffer
}

type Make = (shape: Shape, context: FormContext) => Form

/** The form of a shape. Throws Misread for one that has none. */
export function formOf(shape: Shape, context: FormContext): Form {
  const make = (shape.name === '' ? propagated(shape) : NAMED[shape.name]) ?? UNNAMED[shape.type]
  const form = make?.(shape, context)
  if (form === undefined) {
    const named = shape.name === '' ? '' : ` named ${shape.name}`
    throw new Misread('unmapped', `it has the type ${shape.type}${named}, which has no counterpart`)
  }
  return form
}

/** A form that reads a string and writes what it means. */
function fromText(type: Type, write: (out: Out, text: string, context: FormContext) => void): Make {
  return (shape, context) => ({
    type,
    write: (wire, out) => write(out, wire.string(shape), context),
  })
}
/** A form that reads a whole number and writes what it means. */
function fromWhole(
  type: Type,
  write: (out: Out, value: number | bigint, context: FormContext) => void,
): Make {
  return (_shape, context) => ({ type, write: (wire, out) => write(out, wire.whole(), context) })
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

/** Numbers of the scale that the schema says. */
const connectDecimal: Make = (shape) => {
  const scale = Number(shape.parameters['scale'] ?? 0)
  if (!Number.isInteger(scale)) throw new Misread('unmapped', 'its decimals have no scale')
  const precision = Number(shape.parameters['connect.decimal.precision'] ?? Number.NaN)
  // PostgreSQL's connector takes the eleven bits of a negative scale for a positive one, and has
  // put as many zeros behind its numbers.
  const meant = scale > LARGEST_SCALE && scale < BITS_OF_SCALE ? scale - BITS_OF_SCALE : scale
  return {
    type: decimalType(precision, meant),
    write: (wire, out) => {
      const written = wire.written()
      if (written !== null) writtenDecimal(out, written, scale)
      else if (meant === scale) decimal(out, wire.raw(shape), scale)
      else shortened(out, wire.raw(shape), { scale, meant })
    },
  }
}

const LARGEST_SCALE = 1000
const BITS_OF_SCALE = 2048

function decimalType(precision: number, scale: number): Type {
  if (!Number.isInteger(precision) || precision < 1 || !Number.isInteger(scale))
    return { kind: 'decimal', precision: null, scale: null }
  return { kind: 'decimal', precision, scale }
}

/** What the connector of the database says of the column, when it is told to. */
function propagated({ type, parameters }: Shape): Make | undefined {
  const native = parameters['__debezium.source.column.type']?.toUpperCase() ?? ''
  if (type === 'string' && /^(?:NUMERIC|DECIMAL)\b/.test(native)) {
    const length = Number(parameters['__debezium.source.column.length'] ?? Number.NaN)
    const scale = Number(parameters['__debezium.source.column.scale'] ?? Number.NaN)
    return fromText(decimalType(length, scale > LARGEST_SCALE ? Number.NaN : scale), decimalText)
  }
  return type === 'boolean' && native === 'BIT' ? oneBit : undefined
}

const oneBit: Make = () => ({
  type: { kind: 'bit', length: 1, varying: false },
  write: (wire, out) => out.byte(wire.boolean() ? 0x31 : 0x30),
})

/** A number, or what stands for one that is not known. */
function decimalText(out: Out, value: string, { placeholder }: FormContext): void {
  const plain = plainDecimal(value)
  if (plain !== null) out.ascii(plain)
  else if (value === placeholder.toString()) out.bytes(placeholder)
  else throw misread('a decimal is not written as one')
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
  return fromWhole({ kind: 'timestamp', precision }, (out, value, context) =>
    moments.timestamp(out, toMicros(value), context),
  )
}

const same = (value: number | bigint): number | bigint => value
const date = fromWhole({ kind: 'date' }, (out, days, context) =>
  moments.date(out, Number(days), context),
)
const millisOfDay = timeForm(moments.fromMillis, 3)
const millis = timestampForm(moments.fromMillis, 3)

/** A bit varying without a length of its own has a larger one here. */
const MOST_BITS = 83_886_080

/** The lowest bit is in the first byte; `length` says how many there are. */
const bits: Make = (shape) => {
  const length = Number(shape.parameters['length'] ?? Number.NaN)
  if (!Number.isInteger(length) || length < 1 || length > MOST_BITS)
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
  const known = new Set(labels)
  return {
    type: { kind: 'enum', labels },
    write: (wire, out) => {
      const label = wire.string(shape)
      // Where MySQL's log is read, a comma in a label has its backslash, and in a copy it has none.
      const plain = known.has(label) ? label : label.replaceAll('\\,', ',')
      // Without a backslash the list does not say which commas belong to a label.
      if (!known.has(plain)) throw inexact('its label is none of those in its schema')
      out.text(plain)
    },
  }
}

/** MySQL keeps no text of it, and its connector prints it in another way when it reads the log. */
const json: Make = (shape, { connector }) => {
  const native = shape.parameters['__debezium.source.column.type']?.toUpperCase()
  return {
    type: { kind: 'json', binary: connector === 'mysql' || native === 'JSONB' },
    write: (wire, out) => wire.characters(out, shape),
  }
}

/** Where its dashes are; the rest are digits of base 16. */
const DASHES: ReadonlySet<number> = new Set([8, 13, 18, 23])

const uuid: Make = (shape) => ({
  type: { kind: 'uuid' },
  write: (wire, out) => {
    const from = out.size
    wire.characters(out, shape)
    const start = out.base + from
    if (out.at - start !== 36) throw misread('a uuid is not written as one')
    const { buffer } = out
    for (let i = 0; i < 36; i++) {
      const byte = buffer[start + i] ?? 0
      if (DASHES.has(i) ? byte === 0x2d : isDigit(byte) || (byte >= 0x61 && byte <= 0x66)) continue
      if (DASHES.has(i) || byte < 0x41 || byte > 0x46) throw misread('a uuid is not written as one')
      buffer[start + i] = byte | 0x20
    }
  },
})

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

/** A moment in UTC as it is mostly written is put right where it stands. */
const zonedTimestamp: Make = (shape, context) => ({
  type: { kind: 'timestamptz', precision: 6 },
  write: (wire, out) => {
    const from = out.size
    wire.characters(out, shape)
    const start = out.base + from
    if (iso.rewriteMoment(out, start)) {
      out.ascii('+00')
      return
    }
    const text = out.buffer.toString('latin1', start, out.at)
    out.at = start
    iso.zonedTimestamp(out, text, context)
  },
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

/** Bytes as the digits of base 16, or what stands for some that are not known. */
const hex = fromText({ kind: 'bytes' }, (out, digits, { placeholder }) => {
  const octets = Buffer.from(digits, 'hex')
  if (octets.length * 2 === digits.length) out.bytes(octets)
  else if (digits === placeholder.toString()) out.bytes(placeholder)
  else throw misread('bytes are not written in hex')
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
  map: mapForm,
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
  'io.debezium.time.ZonedTimestamp': zonedTimestamp,
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
  'holdfast.Hex': hex,
  'io.debezium.data.Json': json,
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
