import { faultOf, type ServerError, serverError } from '../../dialect/mysql/errors.ts'
import { Fault } from '../../model/fault.ts'
import { type Table, tableName } from '../../model/table.ts'
import { keyNames } from './apply/columns.ts'
import { Miscounted, Refused } from './apply/writer.ts'

export interface RefusalContext {
  readonly label: string
  readonly doing: string
}

/** Numbers of errors by what they say (server error reference of MySQL, errmsg of MariaDB). */
const DUPLICATE = new Set([1022, 1062, 1586])
const CHECKED = new Set([3819, 4025])
/** Values that do not fit: of the wrong form, out of range, too long, null. */
const VALUE = new Set([
  1048, 1216, 1217, 1260, 1263, 1264, 1265, 1292, 1364, 1366, 1367, 1406, 1411, 1441, 1451, 1452,
  1525, 1557, 1644, 1690, 1761, 1762, 3140, 3141, 3156, 4078,
])
const ROW_TOO_LARGE = new Set([1118, 1261])
const MISSING = new Set([1051, 1054, 1072, 1146])
const DENIED = new Set([1044, 1142, 1143, 1227])

/** What went wrong with a write, as a Fault that holds names and no value. */
export function refusal(thrown: unknown, context: RefusalContext): Fault {
  if (thrown instanceof Miscounted) return divergence(thrown)
  const of = thrown instanceof Refused ? thrown.of : null
  const cause = thrown instanceof Refused ? thrown.cause : thrown
  const server = serverError(cause)
  const table = of?.table ?? null
  if (server === null) return faultOf(cause, { side: 'target', ...context })
  const name = table === null ? null : tableName(table)
  const { errno } = server
  if (table !== null && (refusesRow(errno) || isTooLarge(server))) {
    return rowRefused(server, table, context)
  }
  if (MISSING.has(errno)) {
    return new Fault('HF-T218', {
      what: `the target does not know a table or column of ${name ?? 'the mirror'} any more: ${server.message}`,
      side: 'target',
      evidence: evidenceOf(server),
      ...(name === null ? {} : { table: name }),
    })
  }
  if (DENIED.has(errno)) {
    return new Fault('HF-T214', {
      what: `the target at ${context.label} answered “${server.message}” while ${context.doing}`,
      side: 'target',
      evidence: evidenceOf(server),
      ...(name === null ? {} : { table: name }),
    })
  }
  return faultOf(cause, { side: 'target', ...context })
}

function refusesRow(errno: number): boolean {
  return DUPLICATE.has(errno) || CHECKED.has(errno) || VALUE.has(errno)
}

/** An engine says it by a number of its own, HA_ERR_TO_BIG_ROW, beside those that pass. */
function isTooLarge({ errno, message }: ServerError): boolean {
  return ROW_TOO_LARGE.has(errno) || (errno === 1030 && /^Got error 139\b/.test(message))
}

function evidenceOf({ errno, sqlState }: ServerError): Readonly<Record<string, string>> {
  return { errno: String(errno), sqlstate: sqlState }
}

function divergence({ wanted, message }: Miscounted): Fault {
  const { table } = wanted
  const name = table === null ? 'the mirror' : tableName(table)
  const key = table === null ? '' : keyNames(table).join(', ')
  const found = key === '' ? '' : `, where rows are found by ${key}`
  return new Fault('HF-D201', {
    what: `the target does not hold the row that the source changed (${message} in ${name}${found})`,
    side: 'target',
    evidence: key === '' ? {} : { key },
    ...(table === null ? {} : { table: name }),
  })
}

/**
 * The message quotes values before it comes to names, so that only its end is read, and of that
 * only what is a name of the table.
 */
function columnIn({ message }: ServerError, table: Table): string | undefined {
  const quoted = /[`']([^`']*)['`](?: at row \d+)?[^`']*$/.exec(message)?.[1]
  const first = /^(?:Column|Field) '([^']+)'/.exec(message)?.[1]
  return table.columns.find(({ name }) => name === quoted || name === first)?.name
}

/** `Duplicate entry '…' for key 't.PRIMARY'`, `Check constraint 'c' is violated.` */
function constraintIn({ errno, message }: ServerError): string | undefined {
  if (DUPLICATE.has(errno)) return / for key '([^']*)'$/.exec(message)?.[1]
  if (errno === 3819) return /^Check constraint '(.*)' is violated/.exec(message)?.[1]
  if (errno === 4025) return /^CONSTRAINT `(.*)` failed/.exec(message)?.[1]
  return undefined
}

function rowRefused(server: ServerError, table: Table, context: RefusalContext): Fault {
  const constraint = constraintIn(server)
  const column = constraint === undefined ? columnIn(server, table) : undefined
  const key = keyNames(table).join(', ')
  const by = constraint === undefined ? '' : ` by constraint ${constraint}`
  const at = column === undefined ? '' : ` in column ${column}`
  const found = key === '' ? '' : ` (found by ${key})`
  const name = tableName(table)
  return new Fault('HF-T205', {
    what: `the target refuses a row of ${name}${found}${at}${by} (error ${server.errno}) while ${context.doing}`,
    side: 'target',
    table: name,
    evidence: {
      ...evidenceOf(server),
      ...(constraint === undefined ? {} : { constraint }),
      ...(column === undefined ? {} : { column }),
      ...(key === '' ? {} : { key }),
    },
  })
}
