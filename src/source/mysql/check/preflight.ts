import type { Session } from '../../../dialect/mysql/connect.ts'
import { ident, literal, qualified } from '../../../dialect/mysql/quote.ts'
import type { MysqlForeignKey, MysqlTable } from '../../../dialect/mysql/schema.ts'
import type { Endpoint } from '../../../model/endpoint.ts'
import { Fault, type Finding, type Todo } from '../../../model/fault.ts'
import { findingsAt, listed, listedTables } from '../../../model/findings.ts'
import { tableName } from '../../../model/table.ts'
import { secondsKept } from '../keeping.ts'
import { Dump } from '../log/dump.ts'
import { tableId } from '../names.ts'
import { CASCADES, type Reading, readSource, type Wanted } from '../schema/inspect.ts'
import { logEnd, type Server } from '../server.ts'

export interface PreflightOptions extends Wanted {
  readonly endpoint: Endpoint
  readonly server: Server
  readonly logsCascades: boolean
  /** Another session, to be given up. */
  readonly another: (purpose: string) => Promise<Session>
}

const { fail, warn } = findingsAt('source')

/** Looks at the source for all that would stop, endanger or harm; changes nothing. */
export async function preflightSource(
  session: Session,
  options: PreflightOptions,
): Promise<Finding[]> {
  const { server } = options
  const findings = [
    ...versionFindings(session),
    ...logFindings(server),
    ...(await replicaFindings(session, server)),
    ...keepingFindings(server),
    ...(await dumpFindings(session, options)),
  ]
  let reading: Reading
  try {
    reading = await readSource(session, options)
  } catch (error) {
    if (!(error instanceof Fault) || error.entry.class !== 'config') throw error
    return [...findings, { level: 'fail', subject: 'tables', fault: error }]
  }
  return [...findings, ...(await tableFindings(session, options, reading))]
}

/** The oldest release whose log is read, by flavour. */
const OLDEST = { mysql: 50600, mariadb: 100200 } as const

function versionFindings({ version }: Session): Finding[] {
  const { flavour, number, text } = version
  const name = flavour === 'mysql' ? 'MySQL' : 'MariaDB'
  if (number >= OLDEST[flavour])
    return [{ level: 'ok', subject: 'version', what: `${name} ${text}` }]
  return [fail('HF-S238', 'version', { what: `the source is ${name} ${text}` })]
}

function logFindings({ variables }: Server): Finding[] {
  const format = variables.get('binlog_format') ?? 'ROW'
  const image = variables.get('binlog_row_image') ?? 'FULL'
  const metadata = variables.get('binlog_row_metadata')
  if (variables.get('log_bin') !== 'ON') {
    return [fail('HF-S231', 'log', { what: 'the source writes no binary log (log_bin is OFF)' })]
  }
  const findings: Finding[] = []
  if (format !== 'ROW') {
    const what = `binlog_format of the source is ${format}, not ROW`
    const sql = "SET GLOBAL binlog_format = 'ROW'"
    const text = 'Let the server log rows; sessions that are open keep what they have.'
    const todo: Todo[] = [{ text, sql, at: 'source', as: 'administrator' }]
    findings.push(fail('HF-S231', 'log', { what, todo }))
  }
  if (image === 'MINIMAL') {
    findings.push(fail('HF-S233', 'log', { what: 'binlog_row_image of the source is MINIMAL' }))
  }
  if (findings.length === 0) {
    findings.push({ level: 'ok', subject: 'log', what: `rows are logged, images are ${image}` })
  }
  if (metadata !== undefined && metadata !== 'FULL') {
    const what = `binlog_row_metadata of the source is ${metadata}: the log does not name columns`
    findings.push(warn('HF-S306', 'log', { what }))
  }
  return findings
}

/** A replica logs what it gets only where it is told to. */
async function replicaFindings(session: Session, { variables }: Server): Promise<Finding[]> {
  const logs = variables.get('log_replica_updates') ?? variables.get('log_slave_updates')
  if (logs !== 'OFF' || variables.get('log_bin') !== 'ON') return []
  const renamed = session.version.flavour === 'mysql' && session.version.number >= 80022
  const sql = renamed ? 'SHOW REPLICA STATUS' : 'SHOW SLAVE STATUS'
  const rows = await session.query(sql).catch(() => [])
  if (rows.length === 0) return []
  const what = 'the source is a replica and does not log what it gets (log_replica_updates is OFF)'
  return [fail('HF-S231', 'log', { what })]
}

/** Seconds. */
const SHORT = 86_400

function keepingFindings({ variables }: Server): Finding[] {
  const findings: Finding[] = []
  const kept = secondsKept(variables)
  if (kept > 0 && kept < SHORT) {
    const what = `the source keeps its log for ${Math.round(kept / 60)} minutes only`
    findings.push(warn('HF-S307', 'log', { what }))
  }
  const sync = variables.get('sync_binlog') ?? '1'
  const flush = variables.get('innodb_flush_log_at_trx_commit') ?? '1'
  if (sync !== '1' || flush !== '1') {
    const what = `sync_binlog of the source is ${sync}, innodb_flush_log_at_trx_commit is ${flush}`
    findings.push(warn('HF-S308', 'log', { what }))
  }
  return findings
}

/** The only look that tells whether the log may be read is to begin reading it. */
async function dumpFindings(session: Session, options: PreflightOptions): Promise<Finding[]> {
  const { server, another } = options
  if (server.variables.get('log_bin') !== 'ON') return []
  try {
    const end = await logEnd(session, server)
    if (end?.at == null) return []
    const { file, position } = end.at
    const start = { by: 'file', file, position: BigInt(Math.min(position, 0xffffffff)) } as const
    await using dump = await Dump.open(await another('look'), { start, alive: async () => false })
    await dump.next(new AbortController().signal)
    return [{ level: 'ok', subject: 'account', what: 'the log may be read' }]
  } catch (error) {
    if (!(error instanceof Fault) || !DENIED.has(error.detail.evidence?.['errno'] ?? ''))
      throw error
    const account = await accountOf(session)
    const what = `the account ${account} of the source may not read the log`
    const sql = `GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO ${account}`
    const text = 'Let the account read the log.'
    const todo: Todo[] = [{ text, sql, at: 'source', as: 'administrator' }]
    return [fail('HF-S234', 'account', { what, todo })]
  }
}

/** Numbers of errors that mean a missing right. */
const DENIED = new Set(['1044', '1045', '1142', '1143', '1227', '1370'])

async function accountOf(session: Session): Promise<string> {
  const [row] = await session.query('SELECT CURRENT_USER() AS u')
  const text = row?.['u'] ?? ''
  const at = text.lastIndexOf('@')
  return `${literal(text.slice(0, at))}@${literal(text.slice(at + 1))}`
}

async function tableFindings(
  session: Session,
  options: PreflightOptions,
  reading: Reading,
): Promise<Finding[]> {
  const count = reading.tables.length
  return [
    { level: 'ok', subject: 'tables', what: count === 1 ? '1 table' : `${count} tables` },
    ...(await ownFindings(session, reading, options)),
    ...omissionFindings(reading),
  ]
}

/** What stands in the way of these tables. */
export async function ownFindings(
  session: Session,
  reading: Reading,
  { logsCascades }: Pick<PreflightOptions, 'logsCascades'>,
): Promise<Finding[]> {
  return [
    ...typeFindings(reading),
    ...engineFindings(reading),
    ...(logsCascades ? [] : cascadeFindings(reading)),
    ...(await readFindings(session, reading.tables)),
  ]
}

function typeFindings({ strange }: Reading): Finding[] {
  if (strange.length === 0) return []
  const words = listed(strange.map(({ table, column }) => `${tableName(table)}.${column}`))
  const what = `these columns have a type that cannot be mirrored: ${words}`
  const tables = [...new Set(strange.map(({ table }) => tableName(table)))]
  return [fail('HF-D405', 'types', { what, tables })]
}

const TRANSACTIONAL = new Set(['innodb', 'rocksdb', 'tokudb'])
/** Their rows are elsewhere, nowhere, or changed under another name. */
const ELSEWHERE = new Set([
  'blackhole',
  'federated',
  'mrg_myisam',
  'spider',
  'connect',
  'ndbcluster',
])

function engineFindings({ tables, systemVersioned }: Reading): Finding[] {
  const engine = (table: MysqlTable): string => table.engine.toLowerCase()
  const findings: Finding[] = []
  const elsewhere = tables.filter((table) => ELSEWHERE.has(engine(table)))
  const history = tables.filter(({ id }) => systemVersioned.has(id))
  if (elsewhere.length > 0) {
    const words = listed(elsewhere.map((table) => `${tableName(table)} (${table.engine})`))
    const what = `these tables have an engine that holds no rows of their own: ${words}`
    findings.push(fail('HF-S236', 'engines', { what, tables: elsewhere.map(tableName) }))
  }
  if (history.length > 0) {
    const what = `these tables keep a history of their rows: ${listedTables(history)}`
    findings.push(fail('HF-S236', 'engines', { what, tables: history.map(tableName) }))
  }
  const loose = tables.filter(
    (table) => !TRANSACTIONAL.has(engine(table)) && !elsewhere.includes(table),
  )
  if (loose.length > 0) {
    const words = listed(loose.map((table) => `${tableName(table)} (${table.engine})`))
    const what = `these tables have an engine without transactions: ${words}`
    findings.push(warn('HF-S309', 'engines', { what, tables: loose.map(tableName) }))
  }
  return findings
}

/**
 * Keys of mirrored tables that act by themselves: those that cannot be followed, and those whose
 * deeds would show at the table that they refer to.
 */
function cascadeFindings({ tables, foreignKeys }: Reading): Finding[] {
  const mirrored = new Set(tables.map(({ id }) => id))
  const found = foreignKeys.filter(
    ({ table, onDelete, onUpdate }) =>
      mirrored.has(tableId(table)) && (CASCADES.has(onDelete) || CASCADES.has(onUpdate)),
  )
  const shows = ({ onDelete, referenced }: MysqlForeignKey): boolean =>
    !CASCADES.has(onDelete) && mirrored.has(tableId(referenced))
  return [
    ...watchedFindings(found.filter(shows)),
    ...unloggedFindings(found.filter((key) => !shows(key))),
  ]
}

function watchedFindings(found: readonly MysqlForeignKey[]): Finding[] {
  if (found.length === 0) return []
  const words = found.map(({ referencedColumns, referenced, ...key }) => {
    return `${acting(key)} with ${referencedColumns.join(', ')} of ${tableName(referenced)}`
  })
  const what = `rows would change beside the log by these foreign keys: ${listed(words)}`
  const named = [...new Set(found.map(({ table }) => tableName(table)))]
  return [warn('HF-S310', 'foreign keys', { what, tables: named })]
}

function acting(key: Pick<MysqlForeignKey, 'name' | 'table' | 'onDelete' | 'onUpdate'>): string {
  const { name, table, onDelete, onUpdate } = key
  const rules = [
    ...(CASCADES.has(onDelete) ? [`ON DELETE ${onDelete}`] : []),
    ...(CASCADES.has(onUpdate) ? [`ON UPDATE ${onUpdate}`] : []),
  ]
  return `${name} of ${tableName(table)} (${rules.join(' ')})`
}

function unloggedFindings(found: readonly MysqlForeignKey[]): Finding[] {
  if (found.length === 0) return []
  const what = `rows that these foreign keys change are not in the log: ${listed(found.map(acting))}`
  const named = [...new Set(found.map(({ table }) => tableName(table)))]
  const exclude = named.map((name) => `--exclude '${name}'`).join(' ')
  const leaders = found.filter(({ onDelete }) => !CASCADES.has(onDelete))
  const missing = [...new Set(leaders.map(({ referenced }) => tableName(referenced)))]
  const todo: Todo[] = [
    { text: `Leave these tables out: ${exclude}` },
    ...(missing.length === 0 ? [] : [{ text: `Or mirror, too: ${missing.join(', ')}` }]),
    {
      text: 'Or make their keys RESTRICT, and let the application change those rows:',
      sql: found.map(restricted).join('; '),
      at: 'source',
    },
  ]
  return [fail('HF-S235', 'foreign keys', { what, todo, tables: named })]
}

/** The same foreign key, without doing anything by itself. */
function restricted(key: MysqlForeignKey): string {
  const columns = (names: readonly string[]): string => names.map(ident).join(', ')
  const reference = `REFERENCES ${qualified(key.referenced)} (${columns(key.referencedColumns)})`
  return (
    `ALTER TABLE ${qualified(key.table)} DROP FOREIGN KEY ${ident(key.name)}, ` +
    `ADD FOREIGN KEY (${columns(key.columns)}) ${reference}`
  )
}

async function readFindings(session: Session, tables: readonly MysqlTable[]): Promise<Finding[]> {
  const denied: MysqlTable[] = []
  for (const table of tables) {
    const columns = table.columns.map(({ name }) => ident(name)).join(', ')
    try {
      await session.query(`SELECT ${columns} FROM ${qualified(table)} LIMIT 0`)
    } catch (error) {
      if (!(error instanceof Fault) || !DENIED.has(error.detail.evidence?.['errno'] ?? ''))
        throw error
      denied.push(table)
    }
  }
  if (denied.length === 0) return []
  const account = await accountOf(session)
  const sql = denied.map((table) => `GRANT SELECT ON ${qualified(table)} TO ${account}`).join('; ')
  const what = `the account ${account} of the source may not read ${listedTables(denied)}`
  const todo: Todo[] = [
    { text: 'Let the account read them.', sql, at: 'source', as: 'administrator' },
  ]
  return [fail('HF-S234', 'account', { what, todo, tables: denied.map(tableName) })]
}

function omissionFindings({ omitted }: Reading): Finding[] {
  if (omitted.length === 0) return []
  const words = listed(omitted.map((one) => `${tableName(one)} (${one.what})`))
  return [warn('HF-S304', 'left behind', { what: `these are not mirrored: ${words}` })]
}
