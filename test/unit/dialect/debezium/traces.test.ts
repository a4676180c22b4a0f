import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DecoderOptions } from '../../../../src/dialect/debezium/decoder.ts'
import { type RowEvent, tupleAt } from '../../../../src/dialect/debezium/event.ts'
import { Fault } from '../../../../src/model/fault.ts'
import type { Column, Table } from '../../../../src/model/table.ts'
import { cell, NULL, type Tuple, UNCHANGED } from '../../../../src/model/tuple.ts'
import type { Type } from '../../../../src/model/value.ts'
import { order } from '../../../../src/source/kafka/marks.ts'
import { readTrace, type Trace, type Truth } from '../../../../testkit/debezium-traces/trace.ts'
import { decoderOf } from './replay.ts'

/** Records of real connectors, made by testkit/debezium-traces/record.ts. */
const traces = [
  'postgres-precise',
  'postgres-usual',
  'postgres-words',
  'postgres-rough',
  'postgres-nanos',
  'postgres-unwrapped',
  'postgres-odd',
  'postgres-odd-words',
  'postgres-avro',
  'postgres-avro-unwrapped',
  'mysql-precise',
  'mysql-rough',
  'mysql-avro',
  'mariadb-words',
] as const

/** What a connector writes as something else than the type was, without losing any of it. */
const otherwise: Readonly<Record<string, (text: string, type: Type) => string>> = {
  mo: (text) => text.replaceAll(/[$,]/g, ''),
  // The connector takes a negative scale for one of two thousand digits.
  n5: (text, type) => (type.kind === 'text' ? `${text}.${'0'.repeat(2046)}` : text),
}

/** The value in the words that the server prints it in; null and unchanged as they are. */
function printed(tuple: Tuple, index: number, { type }: Column): string | null | undefined {
  const { kind, bytes } = cell(tuple, index)
  if (kind === NULL) return null
  if (kind === UNCHANGED) return undefined
  if (type.kind === 'bytes') return bytes.toString('hex')
  return bytes.toString('utf8')
}

/** What the server printed, in the words of the neutral type. */
function wanted({ name, type }: Column, row: NonNullable<Truth['row']>): string | null {
  const text = row[name] ?? null
  if (text === null) return null
  const plain = otherwise[name]?.(text, type) ?? text
  if (type.kind === 'bool' && /^[01]$/.test(plain)) return plain === '1' ? 't' : 'f'
  if (type.kind === 'bytes') return plain.toLowerCase()
  if (type.kind === 'timestamptz' && /:\d\d(?:\.\d+)?$/.test(plain)) return `${untailed(plain)}+00`
  if (type.kind === 'timestamp' || type.kind === 'interval' || type.kind === 'time')
    return untailed(plain)
  return plain
}
/** Without zeros behind the seconds, which MySQL prints as many as the column has. */
function untailed(text: string): string {
  return text.replace(/(:\d\d)\.?0*$/, '$1').replace(/(:\d\d\.\d*?)0+$/, '$1')
}

interface Told {
  readonly event: RowEvent
  readonly truth: Truth
  /** The columns whose loss the decoder names. */
  readonly lost: ReadonlySet<string>
}

/** The events of rows beside what the server said; refused ones as their codes. */
async function told(
  trace: Trace,
  options: Partial<DecoderOptions> = {},
): Promise<{ rows: Told[]; refused: string[]; kinds: Set<string> }> {
  const { decoder, close } = await decoderOf(trace, options)
  const rows: Told[] = []
  const refused: string[] = []
  const kinds = new Set<string>()
  const truths = new Map(trace.truth.map((truth) => [idOf(truth), truth]))
  try {
    await decoder.prepare(trace.records, AbortSignal.timeout(10_000))
    let number = 0
    for (const record of trace.records) {
      try {
        const event = decoder.decode(record)
        kinds.add(event.kind)
        if (event.kind !== 'row') continue
        const truth = trace.truth[number]
        if (event.op !== 'delete' || event.newKey === null) number++
        const lost = new Set(decoder.losses(record.topic).map(({ column }) => column))
        if (truth !== undefined) rows.push({ event, truth, lost })
      } catch (error) {
        assert.ok(error instanceof Fault, String(error))
        refused.push(error.code)
        number++
      }
    }
  } finally {
    close()
  }
  assert.ok(truths.size > 0)
  return { rows, refused, kinds }
}

function idOf(truth: Truth): string {
  return truth.row?.['id'] ?? truth.sql
}

/** Compares what can be; returns how many values that were. */
function compare(rows: readonly Told[], unnamed: ReadonlySet<string> = new Set()): number {
  let compared = 0
  for (const { event, truth, lost } of rows) {
    if (event.newKey !== null) continue
    const tuple = tupleAt(event, event.row)
    assert.equal(tuple === null, truth.row === null, truth.sql)
    if (tuple === null || truth.row === null) continue
    for (const [index, column] of event.table.columns.entries()) {
      const got = printed(tuple, index, column)
      const want = wanted(column, truth.row)
      if (got === undefined) assert.ok(event.partial)
      else if ((lost.has(column.name) || unnamed.has(column.name)) && got !== want) continue
      else if (column.type.kind === 'text' && isBytesOf(got, want)) compared++
      else if (column.type.kind === 'json' && got !== null && want !== null) sameJson(got, want)
      else assert.equal(got, want, `${column.name} of ${truth.sql.slice(0, 40)}`)
      compared++
    }
  }
  return compared
}

for (const name of traces) {
  test(`K12 every value of ${name} is what the server says, or its loss was named`, async () => {
    const { rows, refused } = await told(await readTrace(name))
    const compared = compare(rows)
    assert.ok(compared >= 100 || name.includes('odd'), `${compared} compared`)
    assert.deepEqual(refused, name.includes('odd') ? refusedOdd(name) : [])
  })
}

/** The table that records with their schema tell of. */
async function declaredTable(): Promise<{ table: Table; lost: Set<string> }> {
  const { rows } = await told(await readTrace('postgres-precise'))
  const [first] = rows
  assert.ok(first !== undefined)
  return { table: first.event.table, lost: new Set([...first.lost, 'q', 'n5']) }
}

test('records without a schema are read by the table that is known, in the modes given', async () => {
  const { table, lost } = await declaredTable()
  const modes = {
    'postgres-plain': { decimal: 'string', time: 'isostring', binary: 'hex' },
    'postgres-unwrapped-plain': { decimal: 'precise', time: 'adaptive', binary: 'base64' },
  } as const
  // The second one has intervals as microseconds, money with two digits behind the point, and a
  // scale below zero as another one, which is not compared.
  const types: Readonly<Record<string, Type>> = {
    iv: { kind: 'int', bits: 64, unsigned: false },
    mo: { kind: 'decimal', precision: 19, scale: 2 },
    n5: { kind: 'decimal', precision: 5, scale: 2046 },
  }
  const columns = table.columns.map((column) => ({
    ...column,
    type: types[column.name] ?? column.type,
  }))
  for (const [name, mode] of Object.entries(modes)) {
    const known = name.includes('unwrapped') ? { ...table, columns } : table
    const declared = { table: known, defaulted: [], since: new Map() }
    const options = { declared: () => declared, modes: mode, connector: 'postgresql' }
    const { rows, refused } = await told(await readTrace(name), options)
    assert.deepEqual(refused, [])
    assert.ok(compare(rows, new Set([...lost, 'iv'])) >= 100)
    const names = known.columns.map(({ name }) => name)
    for (const { event } of rows)
      assert.deepEqual(
        event.table.columns.map(({ name }) => name),
        names,
      )
  }
})

test('K13 a record without a schema is refused where its table or its modes are not known', async () => {
  const { table } = await declaredTable()
  const trace = await readTrace('postgres-plain')
  const all = trace.records.filter(({ value }) => value !== null).length
  const unknown = await told(trace)
  assert.deepEqual(unknown.refused, Array(all).fill('HF-K307'))
  const declared = { table, defaulted: [], since: new Map() }
  const noModes = await told(trace, { declared: () => declared })
  assert.deepEqual(noModes.refused, Array(all).fill('HF-K303'))
  const columns = table.columns.slice(0, -1)
  const fewer = { ...declared, table: { ...table, columns } }
  const added = await told(trace, { declared: () => fewer, modes: { decimal: 'string' } })
  assert.equal(new Set(added.refused).size, 1)
})

/** A moment past the range of Java's numbers, and a label whose commas nobody can place. */
function refusedOdd(name: string): string[] {
  return name.endsWith('words') ? ['HF-K302'] : ['HF-K302', 'HF-K302']
}

/** Bytes that were written as hex or base64, which the schema does not say. */
function isBytesOf(got: string | null, want: string | null): boolean {
  if (got === null || want === null || !/^(?:[0-9A-F]{2})+$/.test(want)) return false
  return got === want.toLowerCase() || got === Buffer.from(want, 'hex').toString('base64')
}

/** An hstore comes as JSON, whose blanks the server writes elsewhere. */
function sameJson(got: string, want: string): void {
  if (got === want) return
  if (!want.includes('=>')) {
    assert.deepEqual(JSON.parse(got === '' ? '{}' : got), JSON.parse(want === '' ? '{}' : want))
    return
  }
  const pairs = want.replaceAll('=>', ':').replaceAll('NULL', 'null')
  assert.deepEqual(JSON.parse(got), JSON.parse(`{${pairs}}`))
}

test('K11 values that an update did not touch are unchanged, in every form of the placeholder', async () => {
  for (const name of traces.filter((one) => one.startsWith('postgres') && !one.includes('odd'))) {
    const { rows } = await told(await readTrace(name))
    const update = rows.find(({ truth }) => truth.sql.startsWith('update everything set i4 = 1'))
    const tuple = update === undefined ? null : tupleAt(update.event, update.event.row)
    assert.ok(update !== undefined && tuple !== null)
    const unchanged = update.event.table.columns.filter((_, i) => cell(tuple, i).kind === UNCHANGED)
    const names = new Set(unchanged.map((column) => column.name))
    for (const column of ['tx', 'by', 'jb', 'at', 'hs', 'js', 'xm', 'ai', 'au', 'av'])
      assert.ok(names.has(column) || update.lost.has(column), `${column} in ${name}`)
  }
})

test('a change of the key is a delete and a create that name each other', async () => {
  for (const name of traces.filter((one) => !one.includes('odd'))) {
    const { rows } = await told(await readTrace(name))
    const moved = rows.filter(({ event }) => event.newKey !== null || event.oldKey !== null)
    assert.equal(moved.length, 2, name)
    const [gone, come] = moved.map(({ event }) => event)
    assert.ok(gone?.newKey != null && come?.oldKey != null)
    const [from, to] = name.startsWith('postgres') ? ['6', '7'] : ['4', '5']
    assert.equal(cell(gone.newKey, 0).bytes.toString(), to)
    assert.equal(cell(come.oldKey, 0).bytes.toString(), from)
    const key = tupleAt(gone, gone.key)
    assert.ok(key !== null)
    assert.equal(cell(key, 0).bytes.toString(), from)
  }
})

test('transactions, statements and heartbeats are told apart from rows', async () => {
  const { kinds } = await told(await readTrace('mysql-precise'))
  assert.deepEqual([...kinds].sort(), ['ddl', 'row', 'tombstone', 'transaction'])
})

test('places of one connector come in the order of its log', async () => {
  for (const name of ['postgres-precise', 'mysql-precise', 'mysql-avro', 'mariadb-words']) {
    const { rows } = await told(await readTrace(name))
    const places = rows.map(({ event }) => event.origin?.place ?? null)
    for (let i = 1; i < places.length; i++) {
      const [a, b] = [places[i - 1], places[i]]
      assert.ok(a != null && b != null)
      assert.ok(order(a.parts, b.parts) <= 0, `${name} ${i}`)
    }
  }
})

test('an LSN without the commit before it is no place', async () => {
  const { rows } = await told(await readTrace('postgres-unwrapped'))
  assert.ok(rows.every(({ event }) => event.origin !== null && event.origin.place === null))
})
