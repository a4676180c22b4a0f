import type { TestRecord } from '../../../../testkit/topics.ts'

type Cells = Readonly<Record<string, string | number | null>>

interface Field {
  readonly type: 'int32' | 'string'
  readonly optional: boolean
  readonly field: string
  readonly default?: string
}

const FIELDS: readonly Field[] = [
  { type: 'int32', optional: false, field: 'id' },
  { type: 'string', optional: true, field: 'a' },
]

/** Where the log of a database stands. */
export interface Log {
  lsn: number
  commit: number | null
  time: number
}

/** What a connector of PostgreSQL writes of a table of `public`, as JSON with its schema. */
export class Envelopes {
  readonly #prefix: string
  readonly #table: string
  readonly #log: Log
  /** Of the records that follow, where the connector tells of transactions. */
  member: { readonly id: string; readonly total: number; readonly own: number } | null = null
  readonly #fields: Field[]

  /** Tables that are given one log are of one database; the first of the fields is the key. */
  constructor(prefix: string, { table = 't', log = newLog(), fields = FIELDS } = {}) {
    this.#prefix = prefix
    this.#table = table
    this.#log = log
    this.#fields = [...fields]
  }

  /** Where the log stands. */
  get lsn(): number {
    return this.#log.lsn
  }

  /** A column that rows have from now on. */
  add(field: Field): void {
    this.#fields.push(field)
  }

  drop(name: string): void {
    const at = this.#fields.findIndex(({ field }) => field === name)
    this.#fields.splice(at, 1)
  }

  /** The rows of a snapshot. */
  snapshot(...rows: readonly Cells[]): TestRecord[] {
    this.#log.lsn += 10
    this.#log.commit = null
    return rows.map((after, i) => {
      const last = i === rows.length - 1
      const mark = last ? 'last_in_data_collection' : i === 0 ? 'first' : 'true'
      return this.#record('r', after, mark)
    })
  }

  /** Rows of an incremental snapshot, which are told between two transactions. */
  incremental(...rows: readonly Cells[]): TestRecord[] {
    this.#log.commit = this.lsn
    return rows.map((after) => this.#record('r', after, 'incremental'))
  }

  create(after: Cells): TestRecord {
    this.#transaction()
    return this.#record('c', after, 'false')
  }

  update(after: Cells): TestRecord {
    this.#transaction()
    return this.#record('u', after, 'false')
  }

  /** The delete and its tombstone. */
  remove(id: number | string): TestRecord[] {
    this.#transaction()
    const gone = this.#record('d', { id, a: null }, 'false')
    return [gone, { key: gone.key, value: null }]
  }

  truncate(): TestRecord {
    this.#transaction()
    return { ...this.#record('t', null, 'false'), key: null }
  }

  unknown(): TestRecord {
    this.#transaction()
    return this.#record('x', { id: 1, a: null }, 'false')
  }

  #transaction(): void {
    this.#log.commit = this.lsn
    this.#log.lsn += 10
    this.#log.time += 1000
  }

  #record(op: string, row: Cells | null, snapshot: string): TestRecord {
    const { lsn, commit } = this.#log
    const place = {
      lsn,
      sequence: JSON.stringify([commit === null ? null : String(commit), String(lsn)]),
    }
    const source = {
      connector: 'postgresql',
      name: this.#prefix,
      ts_us: this.#log.time,
      snapshot,
      db: 'shop',
      schema: 'public',
      table: this.#table,
      txId: lsn,
      ...place,
    }
    const gone = op === 'd'
    const { member } = this
    const transaction =
      member === null
        ? null
        : { id: member.id, total_order: member.total, data_collection_order: member.own }
    const rows = { before: gone ? row : null, after: gone ? null : row }
    const payload = { ...rows, source, op, ts_ms: 0, transaction }
    const key = {
      schema: this.#schema('Key', this.#fields.slice(0, 1)),
      payload: { id: row?.['id'] },
    }
    return {
      key: JSON.stringify(key),
      value: JSON.stringify({ schema: this.#envelope(), payload }),
    }
  }

  #schema(name: string, fields: readonly Field[]): object {
    return {
      type: 'struct',
      fields,
      optional: false,
      name: `${this.#prefix}.public.${this.#table}.${name}`,
    }
  }

  #envelope(): object {
    const row = { ...this.#schema('Value', this.#fields), optional: true }
    const text = (field: string) => ({ type: 'string', optional: true, field })
    const number = (field: string) => ({ type: 'int64', optional: true, field })
    const source = {
      type: 'struct',
      optional: false,
      name: 'io.debezium.connector.postgresql.Source',
      field: 'source',
      fields: [
        ...['connector', 'name'].map(text),
        number('ts_us'),
        ...['snapshot', 'db', 'schema', 'table'].map(text),
        number('txId'),
        number('lsn'),
        text('sequence'),
      ],
    }
    return {
      type: 'struct',
      optional: false,
      name: `${this.#prefix}.public.${this.#table}.Envelope`,
      version: 2,
      fields: [
        { ...row, field: 'before' },
        { ...row, field: 'after' },
        source,
        { type: 'string', optional: false, field: 'op' },
        number('ts_ms'),
        BLOCK,
      ],
    }
  }
}

function newLog(): Log {
  return { lsn: 1000, commit: null, time: 1_767_225_600_000_000 }
}

/** What an event says of its transaction. */
const BLOCK = {
  type: 'struct',
  optional: true,
  name: 'event.block',
  field: 'transaction',
  fields: [
    { type: 'string', optional: false, field: 'id' },
    { type: 'int64', optional: false, field: 'total_order' },
    { type: 'int64', optional: false, field: 'data_collection_order' },
  ],
}

const COLLECTION = {
  type: 'struct',
  optional: false,
  fields: [
    { type: 'string', optional: false, field: 'data_collection' },
    { type: 'int64', optional: false, field: 'event_count' },
  ],
}

const METADATA = {
  type: 'struct',
  optional: false,
  name: 'io.debezium.connector.common.TransactionMetadataValue',
  fields: [
    { type: 'string', optional: false, field: 'status' },
    { type: 'string', optional: false, field: 'id' },
    { type: 'int64', optional: true, field: 'event_count' },
    { type: 'array', optional: true, field: 'data_collections', items: COLLECTION },
    { type: 'int64', optional: false, field: 'ts_ms' },
  ],
}

/** A record of the topic of transactions; with the events of each table where it is an end. */
export function boundary(id: string, counts?: Readonly<Record<string, number>>): TestRecord {
  const collections = Object.entries(counts ?? {}).map(([table, events]) => {
    return { data_collection: `public.${table}`, event_count: events }
  })
  const ends = {
    event_count: collections.reduce((sum, one) => sum + one.event_count, 0),
    data_collections: collections,
  }
  const begins = { event_count: null, data_collections: null }
  const status = counts === undefined ? 'BEGIN' : 'END'
  const payload = { status, id, ...(counts === undefined ? begins : ends), ts_ms: 0 }
  const value = JSON.stringify({ schema: METADATA, payload })
  const fields = [{ type: 'string', optional: false, field: 'id' }]
  const key = { schema: { type: 'struct', optional: false, fields }, payload: { id } }
  return { key: JSON.stringify(key), value }
}
