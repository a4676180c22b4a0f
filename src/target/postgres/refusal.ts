import { faultOf, type ServerError, serverError } from '../../dialect/postgres/errors.ts'
import { ExchangeError } from '../../dialect/postgres/exchange.ts'
import type { Step } from '../../model/batch.ts'
import { Fault } from '../../model/fault.ts'
import { type Table, tableName } from '../../model/table.ts'
import { fenced } from '../holding.ts'
import type { Source } from './apply/rows.ts'
import { FENCED, WRONG_COUNT, WRONG_POSITION } from './state/state.ts'

export interface RefusalContext {
  readonly label: string
  readonly doing: string
  /** The table that was written, where it is known. */
  readonly table: Table | null
  /** Which columns the parameters of the statement were, where it had any. */
  readonly params?: readonly Source[]
}

/** What statements that write rows are labelled with. */
export interface Written {
  readonly table: Table | null
  readonly params: readonly Source[]
}

/** The table that a step is about; null when it is about several. */
export function tableOf(step: Step): Table | null {
  if (step.kind === 'truncate') return step.tables[0] ?? null
  return step.kind === 'schema' ? step.to : step.table
}

/** What the server said about a write, as a Fault that holds names and no value. */
export function refusal(thrown: unknown, context: RefusalContext): Fault {
  const error = thrown instanceof ExchangeError ? thrown.cause : thrown
  const server = serverError(error) ?? sqlstateIn(thrown)
  if (server === null) return faultOf(error, { side: 'target', ...context })
  const table = named(server, context)
  if (namesNothing(server, table)) return rowRefused(server, table, context)
  switch (server.code) {
    case WRONG_COUNT:
      return divergence(server, table, context)
    case FENCED:
      return fenced()
    case WRONG_POSITION:
      return new Fault('HF-X107', { what: server.message, side: 'target' })
    case '42P01':
    case '42703':
      return new Fault('HF-T218', {
        what: `the target does not know a table or column of ${table ?? 'the mirror'} any more: ${server.message}`,
        side: 'target',
        evidence: { sqlstate: server.code },
        ...(table === null ? {} : { table }),
      })
    case '42501':
      return denied(server, table, context)
    case '0A000':
      if (/truncate/.test(server.message)) return truncateRefused(thrown, table)
  }
  if (server.code === '22P02' && ENUM.has(server.routine ?? '')) {
    return unknownLabel(server, table, context)
  }
  if (/^(22|23|P0001)/.test(server.code)) return rowRefused(server, table, context)
  return faultOf(error, { side: 'target', ...context })
}

/** The server's functions that read a label (src/backend/utils/adt/enum.c). */
const ENUM = new Set(['enum_in', 'enum_recv'])

/** The label is a name of the source's catalogue, and the server's words hold nothing else. */
function unknownLabel(server: ServerError, table: string | null, context: RefusalContext): Fault {
  return new Fault('HF-T237', {
    what: `the target answered “${server.message}” to a row of ${table ?? 'a mirrored table'} while ${context.doing}`,
    side: 'target',
    evidence: { sqlstate: server.code },
    ...(table === null ? {} : { table }),
  })
}

/** undefined_table, undefined_object, undefined_function, undefined_schema */
const UNDEFINED = new Set(['42P01', '42704', '42883', '3F000'])

/**
 * True when a value names an object that the target has not (a regclass, a regrole …): a name that
 * a statement itself holds has a place in it, or is that of the table.
 */
function namesNothing({ code, message, position }: ServerError, table: string | null): boolean {
  if (!UNDEFINED.has(code) || position !== undefined || table === null) return false
  return !message.includes(`"${table}"`)
}

/** `session.query` has made a Fault of the error already; its evidence has what is needed. */
function sqlstateIn(thrown: unknown): ServerError | null {
  if (!(thrown instanceof Fault)) return null
  const { sqlstate, server, schema, table, constraint, column } = thrown.detail.evidence ?? {}
  if (sqlstate === undefined) return null
  return { code: sqlstate, message: server ?? '', schema, table, constraint, column }
}

function named(server: ServerError, context: RefusalContext): string | null {
  if (server.schema !== undefined && server.table !== undefined) {
    return tableName({ schema: server.schema, name: server.table })
  }
  return context.table === null ? null : tableName(context.table)
}

/** Names, never values, of the columns that rows of the table are found by. */
function keyNames({ table }: RefusalContext): string[] {
  if (table === null || table.identity.by !== 'key') return []
  return table.identity.columns.flatMap((at) => table.columns[at]?.name ?? [])
}

/**
 * The column that a value did not fit into: where the server names none, it is told by the number
 * of the parameter or, for COPY, by the context, of which only a name of the table's is believed.
 */
function columnNamed({ column, where }: ServerError, context: RefusalContext): string | undefined {
  const { table, params } = context
  if (column !== undefined || where === undefined || table === null) return column
  const param = params?.[Number(/parameter \$(\d+)/.exec(where)?.[1] ?? 0) - 1]
  if (param !== undefined) return table.columns[param.column]?.name
  const at = /^COPY .*?, line \d+, column /.exec(where)
  const rest = at === null ? '' : where.slice(at[0].length)
  return table.columns.find(({ name }) => rest.startsWith(`${name}:`))?.name
}

function divergence(server: ServerError, table: string | null, context: RefusalContext): Fault {
  const key = keyNames(context)
  const found = key.length === 0 ? '' : `, where rows are found by ${key.join(', ')}`
  return new Fault('HF-D201', {
    what: `the target does not hold the row that the source changed (${server.message}${found})`,
    side: 'target',
    evidence: key.length === 0 ? {} : { key: key.join(', ') },
    ...(table === null ? {} : { table }),
  })
}

function rowRefused(server: ServerError, table: string | null, context: RefusalContext): Fault {
  const { code, constraint } = server
  const column = columnNamed(server, context)
  const key = keyNames(context)
  const by = constraint === undefined ? '' : ` by constraint ${constraint}`
  const at = column === undefined ? '' : ` in column ${column}`
  const found = key.length === 0 ? '' : ` (found by ${key.join(', ')})`
  return new Fault('HF-T205', {
    what: `the target refuses a row of ${table ?? 'a mirrored table'}${found}${at}${by} (SQLSTATE ${code}) while ${context.doing}`,
    side: 'target',
    evidence: {
      sqlstate: code,
      ...(constraint === undefined ? {} : { constraint }),
      ...(column === undefined ? {} : { column }),
      ...(key.length === 0 ? {} : { key: key.join(', ') }),
    },
    ...(table === null ? {} : { table }),
  })
}

/** The server's words name the table, the schema or the function. */
function denied(server: ServerError, table: string | null, context: RefusalContext): Fault {
  return new Fault('HF-T214', {
    what: `the target at ${context.label} answered “${server.message}” while ${context.doing}`,
    side: 'target',
    evidence: { sqlstate: server.code },
    ...(table === null ? {} : { table }),
  })
}

function truncateRefused(thrown: unknown, table: string | null): Fault {
  const error = thrown instanceof ExchangeError ? thrown.cause : thrown
  // `Table "x" references "y".` holds names only.
  const detail = error instanceof Error && 'detail' in error ? String(error.detail) : ''
  return new Fault('HF-T219', {
    what: `the source emptied ${table ?? 'a table'}; at the target a foreign key of a table that was not emptied refers to it. ${detail}`.trim(),
    side: 'target',
    ...(table === null ? {} : { table }),
  })
}
