import { anyOf } from '../src/async/abort.ts'
import { Charsets } from '../src/dialect/mysql/charset-wide.ts'
import { connect, type Session } from '../src/dialect/mysql/connect.ts'
import { type Endpoint, Secret } from '../src/model/endpoint.ts'
import { cell, cells, type Tuple, textsOf } from '../src/model/tuple.ts'
import { Dump, eventsIn, type Start } from '../src/source/mysql/log/dump.ts'
import { type LogEvent, LogReader } from '../src/source/mysql/log/events.ts'
import type { Declared } from '../src/source/mysql/rows/plan.ts'
import type { RowReader } from '../src/source/mysql/rows/rows.ts'
import type { TableMap } from '../src/source/mysql/rows/table-map.ts'
import { TableRows } from '../src/source/mysql/rows/table-rows.ts'
import { charsetsOf, declaredIn, declaredNow } from '../src/source/mysql/schema/declared.ts'
import { type MysqlServer, openMysql } from './servers/index.ts'

/** The root of a server, without TLS unless said otherwise. */
export function endpointOf(
  server: MysqlServer,
  tls: Partial<Endpoint['tls']> & Pick<Endpoint['tls'], 'mode'> = { mode: 'disable' },
): Endpoint {
  const { hostname, port, username, password } = new URL(server.url())
  return {
    scheme: 'mysql',
    host: hostname,
    port: Number(port),
    database: null,
    user: decodeURIComponent(username),
    password: password === '' ? null : new Secret(decodeURIComponent(password)),
    tls: { ca: null, cert: null, key: null, ...tls },
    params: {},
  }
}

export function sourceSession(server: MysqlServer): Promise<Session> {
  return connect(endpointOf(server), { side: 'source', mirror: 'test', purpose: 'test' })
}

export interface LogPlace {
  readonly file: string
  readonly position: number
}

/** Where the server writes now. */
export async function logEnd(server: MysqlServer): Promise<LogPlace> {
  await using session = await openMysql(server.url())
  const newest = await session.query('show binary log status').catch(() => null)
  const [row] = newest ?? (await session.query('show master status'))
  return { file: row?.['File'] ?? '', position: Number(row?.['Position']) }
}

/** The events of the log from a place on, each as its bytes. */
export async function* rawEvents(server: MysqlServer, start: Start): AsyncIterable<Buffer> {
  const session = await sourceSession(server)
  await using dump = await Dump.open(session, { start, alive: async () => true })
  const never = anyOf()
  for (;;) yield* eventsIn(await dump.next(never))
}

/** What the log says from `start` up to `end`. */
export async function* eventsUpTo(
  server: MysqlServer,
  start: Start,
  end: LogPlace,
): AsyncIterable<LogEvent> {
  const reader = new LogReader()
  let file = ''
  for await (const bytes of rawEvents(server, start)) {
    const events: LogEvent[] = []
    const more = reader.take(bytes, events)
    for (const event of events) {
      if (event.kind === 'rotate') file = event.file
      yield event
    }
    if (more !== null) for await (const some of more) yield* some
    if (file === end.file && reader.end >= end.position) return
  }
}

/** One row change with its cells as texts; `undefined` is a cell that the log left out. */
export interface LoggedChange {
  readonly schema: string
  readonly table: string
  readonly kind: 'insert' | 'update' | 'delete'
  readonly before: readonly (string | null | undefined)[] | null
  readonly after: readonly (string | null | undefined)[] | null
  /** The bytes of `after`'s cells. */
  readonly hex: readonly string[] | null
}

export interface Logged {
  readonly changes: readonly LoggedChange[]
  readonly events: readonly LogEvent[]
}

export interface ReadOptions {
  /** Read with what the log says of the columns, instead of what the catalogue says. */
  readonly byLog?: boolean
  /** What the columns are declared as instead. */
  readonly as?: (column: Declared) => Declared
}

/** Runs `work` and reads what it wrote to the log. */
export async function logged(
  server: MysqlServer,
  work: () => Promise<unknown>,
  options: ReadOptions = {},
): Promise<Logged> {
  const { file, position } = await logEnd(server)
  await work()
  const start: Start = { by: 'file', file, position: BigInt(position) }
  return await readLog(server, start, options)
}

/** Reads the log from `start` up to where it ends now. */
export async function readLog(
  server: MysqlServer,
  start: Start,
  options: ReadOptions = {},
): Promise<Logged> {
  const end = await logEnd(server)
  await using session = await sourceSession(server)
  const declared = new Map<TableMap, readonly Declared[]>()
  const wide = new Map<TableMap, TableRows>()
  const changes: LoggedChange[] = []
  const events: LogEvent[] = []
  for await (const event of eventsUpTo(server, start, end)) {
    events.push(event)
    if (event.kind !== 'rows') continue
    const { map } = event
    const columns =
      declared.get(map) ??
      (options.byLog === true ? declaredIn(map) : await declaredNow(session, map))
    if (columns === null) throw new Error(`The log does not describe ${map.name}.`)
    declared.set(map, columns)
    const wanted = columns.map((column) => options.as?.(column) ?? column)
    const rows = wide.get(map) ?? new TableRows(await Charsets.of(session, charsetsOf(columns)))
    wide.set(map, rows)
    for (const { before, after } of rowsOf(rows.read(map, event.rows, () => wanted))) {
      changes.push({
        schema: map.schema,
        table: map.name,
        kind: event.rows.kind,
        before: before === null ? null : textsOf(before),
        after: after === null ? null : textsOf(after),
        hex: after === null ? null : hexOf(after),
      })
    }
  }
  return { changes, events }
}

/** One changed row; a cell that the log leaves out is `unchanged`, which is not null. */
interface Row {
  readonly before: Tuple | null
  readonly after: Tuple | null
}

/** All rows of the event that the reader has begun. */
export function rowsOf(reader: RowReader): readonly Row[] {
  const rows: Row[] = []
  while (reader.next()) {
    const { buffer, from, to, oldFrom, oldTo } = reader
    const before = oldFrom < 0 ? null : buffer.subarray(oldFrom, oldTo)
    rows.push({ before, after: from < 0 ? null : buffer.subarray(from, to) })
  }
  return rows
}

function hexOf(tuple: Tuple): readonly string[] {
  return Array.from({ length: cells(tuple) }, (_, i) => cell(tuple, i).bytes.toString('hex'))
}
