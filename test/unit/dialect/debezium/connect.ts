import { Decoder } from '../../../../src/dialect/debezium/decoder.ts'
import {
  type DebeziumRecord,
  type RowEvent,
  tupleAt,
} from '../../../../src/dialect/debezium/event.ts'
import { cell, cells, NULL, UNCHANGED } from '../../../../src/model/tuple.ts'

/** A schema of Connect as its JSON converter writes it. */
export interface Schema {
  readonly type: string
  readonly optional?: boolean
  readonly name?: string
  readonly parameters?: Readonly<Record<string, string>>
  readonly [more: string]: unknown
}

const SOURCE: readonly (Schema & { readonly field: string })[] = [
  { type: 'string', optional: false, field: 'version' },
  { type: 'string', optional: false, field: 'connector' },
  { type: 'string', optional: false, field: 'name' },
  { type: 'int64', optional: false, field: 'ts_ms' },
  { type: 'string', optional: true, field: 'snapshot' },
  { type: 'string', optional: false, field: 'db' },
  { type: 'string', optional: true, field: 'sequence' },
  { type: 'int64', optional: true, field: 'ts_us' },
  { type: 'string', optional: false, field: 'schema' },
  { type: 'string', optional: false, field: 'table' },
  { type: 'int64', optional: true, field: 'txId' },
  { type: 'int64', optional: true, field: 'lsn' },
]

const ORIGIN =
  '{"version":"3.6.0.Final","connector":"CONNECTOR","name":"src","ts_ms":1795247157296,"snapshot":"false","db":"shop","sequence":"[\\"31007320\\",\\"31007400\\"]","ts_us":1795247157296494,"schema":"public","table":"t","txId":749,"lsn":31007400}'

export interface Columns {
  readonly columns: Readonly<Record<string, Schema>>
  readonly connector?: string
}

/** The value of an envelope; `after` is the text of its row, as is `before`. */
export function envelope(
  { columns, connector = 'postgresql' }: Columns,
  row: { readonly after?: string; readonly before?: string; readonly op?: string },
): string {
  const fields = Object.entries(columns).map(([field, schema]) => ({
    optional: false,
    ...schema,
    field,
  }))
  const struct = { type: 'struct', fields, optional: true, name: 'src.public.t.Value' }
  const source = { type: 'struct', fields: SOURCE, optional: false, field: 'source' }
  const schema = {
    type: 'struct',
    fields: [
      { ...struct, field: 'before' },
      { ...struct, field: 'after' },
      { ...source, name: `io.debezium.connector.${connector}.Source` },
      { type: 'string', optional: false, field: 'op' },
      { type: 'int64', optional: true, field: 'ts_ms' },
    ],
    optional: false,
    name: 'src.public.t.Envelope',
  }
  const { before = 'null', after = 'null', op = 'c' } = row
  const origin = ORIGIN.replace('CONNECTOR', connector)
  const payload = `{"before":${before},"after":${after},"source":${origin},"op":"${op}","ts_ms":1795247157400}`
  return `{"schema":${JSON.stringify(schema)},"payload":${payload}}`
}

/** A key of one field. */
export function keyOf(field: string, schema: Schema, value: string): string {
  const one = { optional: false, ...schema, field }
  const struct = { type: 'struct', fields: [one], optional: false, name: 'src.public.t.Key' }
  return `{"schema":${JSON.stringify(struct)},"payload":{"${field}":${value}}}`
}

export function record(
  value: string | Buffer | null,
  more: Partial<DebeziumRecord> = {},
): DebeziumRecord {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  const place = { topic: 'src.public.t', partition: 0, offset: 42n }
  return { ...place, key: null, value: bytes, headers: [], ...more }
}

export const KEY = keyOf('id', { type: 'int64' }, '1')

/** The event of a row. */
export function rowOf(value: string, more: Partial<DebeziumRecord> = {}): RowEvent {
  const event = new Decoder({ registry: null }).decode(record(value, more))
  if (event.kind !== 'row') throw new Error(`it is ${event.kind}`)
  return event
}

/** The cells of its row: text, null, or undefined for one that is unchanged. */
export function cellsOf(event: RowEvent): (string | null | undefined)[] {
  const tuple = tupleAt(event, event.row)
  if (tuple === null) throw new Error('it has no row')
  return Array.from({ length: cells(tuple) }, (_, i) => {
    const { kind, bytes } = cell(tuple, i)
    if (kind === NULL) return null
    return kind === UNCHANGED ? undefined : bytes.toString('utf8')
  })
}

/** What one value of one column reads as. */
export function read(schema: Schema, json: string, connector?: string): string | null | undefined {
  const shape = { columns: { v: schema }, ...(connector === undefined ? {} : { connector }) }
  return cellsOf(rowOf(envelope(shape, { after: `{"v":${json}}` })))[0]
}
