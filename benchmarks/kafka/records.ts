/** A change of a row, of which everything else follows. */
export interface Told {
  readonly id: number
  /** Which event it is, from 1. */
  readonly number: number
  readonly changes: boolean
  /** When the row was made, in ISO 8601 and UTC; null: by the event's number. */
  readonly made: string | null
}

/** The amount of an event, in hundredths. */
export const amountOf = Object.assign(
  (number: number): number => ((number * 2_654_435) % 900_000) - 450_000,
  { sql: '(number * 2654435 % 900000 - 450000)' },
)

const column = (type: string, field: string, more: object = {}): object => ({
  type,
  optional: false,
  field,
  ...more,
})
const optional = (type: string, field: string): object => ({ type, optional: true, field })
const key = column('int64', 'id')
const amount = {
  name: 'org.apache.kafka.connect.data.Decimal',
  version: 1,
  parameters: { scale: '2', 'connect.decimal.precision': '12' },
}
const row = {
  type: 'struct',
  optional: true,
  fields: [
    key,
    column('int32', 'account'),
    column('bytes', 'amount', amount),
    column('string', 'made', { name: 'io.debezium.time.ZonedTimestamp', version: 1 }),
    column('string', 'kind'),
    optional('string', 'note'),
  ],
}
const source = {
  type: 'struct',
  optional: false,
  name: 'io.debezium.connector.postgresql.Source',
  field: 'source',
  fields: [
    ...['version', 'connector', 'name'].map((name) => column('string', name)),
    column('int64', 'ts_ms'),
    optional('string', 'snapshot'),
    column('string', 'db'),
    optional('string', 'sequence'),
    optional('int64', 'ts_us'),
    column('string', 'schema'),
    column('string', 'table'),
    optional('int64', 'txId'),
    optional('int64', 'lsn'),
  ],
}

/** Events of a topic as Debezium's connector of PostgreSQL and Connect's JsonConverter write them. */
export class Frames {
  readonly #key: string
  readonly #value: string

  constructor(topic: string) {
    const named = (part: string): string => `${topic}.${part}`
    const envelope = {
      type: 'struct',
      optional: false,
      name: named('Envelope'),
      version: 2,
      fields: [
        { ...row, name: named('Value'), field: 'before' },
        { ...row, name: named('Value'), field: 'after' },
        source,
        column('string', 'op'),
        optional('int64', 'ts_ms'),
        optional('int64', 'ts_us'),
      ],
    }
    const keyed = { type: 'struct', fields: [key], optional: false, name: named('Key') }
    this.#key = `{"schema":${JSON.stringify(keyed)},"payload":{"id":`
    this.#value = `{"schema":${JSON.stringify(envelope)},"payload":`
  }

  record(told: Told): { readonly key: Buffer; readonly value: Buffer } {
    return {
      key: Buffer.from(`${this.#key}${told.id}}}`, 'latin1'),
      value: Buffer.from(`${this.#value}${payload(told)}}`, 'latin1'),
    }
  }
}

/** The first moment of 2026, milliseconds. */
const EPOCH = 1_767_225_600_000

function payload({ id, number, changes, made }: Told): string {
  const millis = EPOCH + number
  const at = made ?? new Date(millis).toISOString().replace('Z', '123Z')
  const note = id % 5 === 0 ? 'null' : `"entry number ${id}"`
  const sum = decimal(amountOf(number))
  const after = `{"id":${id},"account":${id % 1000},"amount":"${sum}","made":"${at}","kind":"transfer","note":${note}}`
  const place = `"txId":${number},"lsn":${number + 1}`
  const block = `{"version":"3.6.0.Final","connector":"postgresql","name":"bench","ts_ms":${millis},"snapshot":"false","db":"bench","sequence":"[\\"${number}\\",\\"${number + 1}\\"]","ts_us":${millis}000,"schema":"public","table":"entries",${place}}`
  return `{"before":null,"after":${after},"source":${block},"op":"${changes ? 'u' : 'c'}","ts_ms":${millis},"ts_us":${millis}000}`
}

const bytes = Buffer.alloc(6)

/** Two's complement in base64, as Connect writes a decimal. */
function decimal(hundredths: number): string {
  bytes.writeIntBE(hundredths, 0, 6)
  return bytes.toString('base64')
}
