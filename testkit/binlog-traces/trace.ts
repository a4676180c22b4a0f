import { readFile } from 'node:fs/promises'
import { Charsets } from '../../src/dialect/mysql/charset-wide.ts'
import { cell, type Tuple, textsOf } from '../../src/model/tuple.ts'
import { eventAt, TYPE } from '../../src/source/mysql/log/event.ts'
import { type LogEvent, LogReader } from '../../src/source/mysql/log/events.ts'
import type { Declared } from '../../src/source/mysql/rows/plan.ts'
import type { TableMap } from '../../src/source/mysql/rows/table-map.ts'
import { TableRows } from '../../src/source/mysql/rows/table-rows.ts'
import { declaredIn } from '../../src/source/mysql/schema/declared.ts'
import { rowsOf } from '../binlog.ts'

export const traced = ['mysql-9', 'mysql-5.6', 'mariadb-10.11'] as const
export type Traced = (typeof traced)[number]

/** The columns of a table that its log does not describe, by table and number of columns. */
export type Described = Readonly<Record<string, readonly Declared[]>>

export interface Trace {
  /** Each event as it came, one behind the other. */
  readonly events: readonly Buffer[]
  readonly described: Described
}

export function traceFile(kind: Traced, name: string): URL {
  return new URL(`../../test/fixtures/mysql/${kind}.${name}`, import.meta.url)
}

export async function readTrace(kind: Traced): Promise<Trace> {
  const run = await readFile(traceFile(kind, 'events'))
  const events: Buffer[] = []
  for (let at = 0; at < run.length; ) {
    const event = eventAt(run, at)
    events.push(event)
    at += event.length
  }
  const described: unknown = JSON.parse(await readFile(traceFile(kind, 'tables.json'), 'utf8'))
  return { events, described: described as Described }
}

/** The name of an event's type. */
export function typeName(type: number): string {
  return Object.entries(TYPE).find(([, code]) => code === type)?.[0] ?? String(type)
}

/** What each event says, in words that a person can check: a list for each. */
export async function retold({ events, described }: Trace): Promise<readonly unknown[]> {
  const reader = new LogReader()
  const rows = new TableRows(Charsets.common)
  const told: unknown[] = []
  for (const bytes of events) {
    const into: LogEvent[] = []
    const more = reader.take(bytes, into)
    if (more !== null) for await (const some of more) into.push(...some)
    const says = into.map((event) => retell(event, rows, described))
    told.push({ event: typeName(bytes[4] ?? 0), ...(says.length === 0 ? {} : { says }) })
  }
  return told
}

/** What is compared; where an event begins follows from the one before. */
function recorded({ start: _, ...event }: LogEvent): unknown {
  if (event.kind !== 'query') return event
  const { schema, sql, error } = event.query
  return { ...event, query: { schema, sql, error } }
}

function retell(event: LogEvent, rows: TableRows, described: Described): unknown {
  if (event.kind === 'format') {
    const { serverVersion, checksum } = event.format
    return { kind: event.kind, serverVersion, checksum }
  }
  if (event.kind === 'gtids-before') return { kind: event.kind, set: event.set.toString() }
  if (event.kind === 'domains-before') {
    return { kind: event.kind, position: event.position.toString() }
  }
  if (event.kind !== 'rows') return plain(recorded(event))
  const { map } = event
  const columns = columnsOf(map, described)
  const read = rowsOf(rows.read(map, event.rows, () => columns))
  return {
    kind: event.rows.kind,
    table: `${map.schema}.${map.name}`,
    columns: columns.map(({ name, native }) => `${name} ${native}`),
    rows: read.map(({ before, after }) => ({
      ...(before === null ? {} : { before: cellsOf(before, columns) }),
      ...(after === null ? {} : { after: cellsOf(after, columns) }),
    })),
  }
}

function columnsOf(map: TableMap, described: Described): readonly Declared[] {
  const known = declaredIn(map) ?? described[`${map.name}/${map.columns.length}`]
  if (known === undefined) throw new Error(`The trace does not describe ${map.name}.`)
  return known
}

function cellsOf(tuple: Tuple, columns: readonly Declared[]): readonly unknown[] {
  return textsOf(tuple).map((text, index) => {
    if (text === undefined) return { absent: true }
    if (text === null || columns[index]?.type?.kind !== 'bytes') return text
    return { hex: cell(tuple, index).bytes.toString('hex') }
  })
}

/** Without what has no text in JSON. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part)),
  )
}
