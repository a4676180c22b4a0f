import type { TestRecord } from '../../../../testkit/topics.ts'

type Cells = Readonly<Record<string, string | number | null>>

interface Field {
  readonly type: 'int32' | 'string'
  readonly optional: boolean
  readonly field: string
  readonly default?: string
}

/** What a connector of PostgreSQL writes of the table `public.t`, as JSON with its schema. */
export class Envelopes {
  readonly #prefix: string
  readonly #fields: Field[] = [
    { type: 'int32', optional: false, field: 'id' },
    { type: 'string', optional: true, field: 'a' },
  ]
  /** Where the log stands. */
  lsn = 1000
  #commit: number | null = null
  #time = 1_767_225_600_000_000

  constructor(prefix: string) {
    this.#prefix = prefix
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
    this.lsn += 10
    this.#commit = null
    return rows.map((after, i) => {
      const last = i === rows.length - 1
      const mark = last ? 'last_in_data_collection' : i === 0 ? 'first' : 'true'
      return this.#record('r', after, mark)
    })
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
  remove(id: number): TestRecord[] {
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
    this.#commit = this.lsn
    this.lsn += 10
    this.#time += 1000
  }

  #record(op: string, row: Cells | null, snapshot: string): TestRecord {
    const { lsn } = this
    const commit = this.#commit
    const place = {
      lsn,
      sequence: JSON.stringify([commit === null ? null : String(commit), String(lsn)]),
    }
    const source = {
      connector: 'postgresql',
      name: this.#prefix,
      ts_us: this.#time,
      snapshot,
      db: 'shop',
      schema: 'public',
      table: 't',
      txId: lsn,
      ...place,
    }
    const gone = op === 'd'
    const payload = { before: gone ? row : null, after: gone ? null : row, source, op, ts_ms: 0 }
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
    return { type: 'struct', fields, optional: false, name: `${this.#prefix}.public.t.${name}` }
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
      name: `${this.#prefix}.public.t.Envelope`,
      version: 2,
      fields: [
        { ...row, field: 'before' },
        { ...row, field: 'after' },
        source,
        { type: 'string', optional: false, field: 'op' },
        number('ts_ms'),
      ],
    }
  }
}
