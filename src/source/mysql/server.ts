import type { Session } from '../../dialect/mysql/connect.ts'
import { serverKey } from '../../dialect/mysql/place.ts'
import { Fault } from '../../model/fault.ts'
import { xidText } from './control.ts'
import { DomainPosition } from './log/domains.ts'
import { GtidSet } from './log/gtid.ts'
import type { FilePlace, Passed, Place } from './place.ts'

/** By what transactions are named: MySQL's sets, MariaDB's domains, or not at all. */
export type Naming = 'sets' | 'domains' | 'files'

/** What a server is and how it is set, as far as the mirror goes. */
export interface Server {
  readonly flavour: 'mysql' | 'mariadb'
  readonly key: string
  readonly naming: Naming
  /** Global variables by name; those that the server does not know are left out. */
  readonly variables: ReadonlyMap<string, string>
}

export async function readServer(session: Session): Promise<Server> {
  const { flavour } = session.version
  const rows = await session.query('SHOW GLOBAL VARIABLES')
  const variables = new Map(
    rows.map((row) => [row['Variable_name']?.toLowerCase() ?? '', row['Value'] ?? '']),
  )
  const sets = variables.get('gtid_mode') === 'ON' ? 'sets' : 'files'
  const naming = flavour === 'mariadb' ? 'domains' : sets
  return { flavour, key: await serverKey(session), naming, variables }
}

/** A file of the log. */
export interface LogFile {
  readonly file: string
  readonly size: number
}

/** Oldest first. Throws Fault. */
export async function logFiles(session: Session): Promise<readonly LogFile[]> {
  const rows = await session.query('SHOW BINARY LOGS')
  return rows.map((row) => ({ file: row['Log_name'] ?? '', size: Number(row['File_size']) }))
}

/** Which statement says where the log ends: the old one went with MySQL 8.4. */
function statusStatement({ version }: Session): string {
  const renamed = version.flavour === 'mysql' && version.number >= 80200
  return renamed ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS'
}

/**
 * Where the log ends: at or after every transaction that is committed now. What is passed is looked
 * at first, so that it is not ahead of the place in the files. Null where there is no log.
 */
export async function logEnd(session: Session, server: Server): Promise<Place | null> {
  const passed = await passedNow(session, server.naming)
  const [row] = await session.query(statusStatement(session))
  const file = row?.['File'] ?? ''
  if (file === '') return null
  const at: FilePlace = { server: server.key, file, position: Number(row?.['Position']) }
  return { passed, at, from: null }
}

/**
 * A place in the files, and what had passed it: every transaction before `at` is in `passed`. Null
 * where transactions have no names, and while some are on their way into the log.
 */
export async function logPassed(session: Session, server: Server): Promise<Place | null> {
  if (server.naming === 'files') return null
  const [row] = await session.query(statusStatement(session))
  const file = row?.['File'] ?? ''
  if (file === '') return null
  const at: FilePlace = { server: server.key, file, position: Number(row?.['Position']) }
  // MySQL logs a transaction before it counts as executed; until then its name is owned.
  if (server.naming === 'sets') {
    const [owned] = await session.query('SELECT @@GLOBAL.gtid_owned AS g')
    if (owned?.['g'] !== '') return null
  }
  return { passed: await passedNow(session, server.naming), at, from: null }
}

async function passedNow(session: Session, naming: Naming): Promise<Passed | null> {
  if (naming === 'files') return null
  const variable = naming === 'sets' ? 'gtid_executed' : 'gtid_binlog_pos'
  const [row] = await session.query(`SELECT @@GLOBAL.${variable} AS g`)
  return naming === 'sets'
    ? GtidSet.parse(row?.['g'] ?? '')
    : DomainPosition.parse(row?.['g'] ?? '')
}

/** Where the log begins; what was passed there is what the server no longer has. */
export async function logStart(session: Session, server: Server): Promise<Place | null> {
  const [oldest] = await logFiles(session)
  if (oldest === undefined) return null
  const at: FilePlace = { server: server.key, file: oldest.file, position: 4 }
  if (server.naming === 'files') return { passed: null, at, from: null }
  if (server.naming === 'domains') {
    return { passed: await listedIn(session, oldest.file), at, from: null }
  }
  const [row] = await session.query('SELECT @@GLOBAL.gtid_purged AS g')
  return { passed: GtidSet.parse(row?.['g'] ?? ''), at, from: null }
}

/** What MariaDB wrote at the head of a file: the last transaction of each domain before it. */
async function listedIn(session: Session, file: string): Promise<DomainPosition> {
  const rows = await session.query(`SHOW BINLOG EVENTS IN '${file.replaceAll("'", "''")}' LIMIT 5`)
  const info = rows.find((row) => row['Event_type'] === 'Gtid_list')?.['Info'] ?? ''
  const listed = DomainPosition.empty()
  for (const [gtid] of info.matchAll(/\d+-\d+-\d+/g)) {
    for (const one of DomainPosition.parse(gtid).gtids()) listed.advance(one)
  }
  return listed
}

/** Transactions that were prepared and wait for their end; null where the account may not ask. */
export async function preparedNow(session: Session): Promise<number | null> {
  const rows = await session.query('XA RECOVER').catch(unlessLost)
  return rows?.length ?? null
}

/** A server that is away has said nothing. */
function unlessLost(error: unknown): null {
  if (error instanceof Fault && error.transient) throw error
  return null
}

/** The names of those, as events of the log have them; null where the server does not tell. */
export async function preparedNames(session: Session): Promise<ReadonlySet<string> | null> {
  const { flavour } = session.version
  const how = flavour === 'mariadb' ? "FORMAT = 'SQL'" : 'CONVERT XID'
  const rows = await session.query(`XA RECOVER ${how}`).catch(unlessLost)
  const names = rows?.map(flavour === 'mariadb' ? spelledName : joinedName)
  if (names === undefined || names.includes(null)) return null
  return new Set(names.filter((name) => name !== null))
}

type TextRow = Readonly<Record<string, string | null>>

/** MariaDB's `'a','b',7` or `X'61',X'62',7`, of which the last ones may be left out. */
function spelledName(row: TextRow): string | null {
  const part = `(X?)'([^']*)'`
  const spelled = new RegExp(`^${part}(?:,${part})?(?:,(\\d+))?$`).exec(row['data'] ?? '')
  if (spelled === null) return null
  const [, x, first = '', y, second = '', format = '1'] = spelled
  const hex = (kind: string | undefined, text: string): string =>
    kind === 'X' ? text : Buffer.from(text).toString('hex')
  return xidName(hex(x, first), hex(y, second), format)
}

/** MySQL's `0x6162`, of which so many bytes are the first part. */
function joinedName(row: TextRow): string | null {
  const [, hex] = /^0x([0-9a-f]*)$/i.exec(row['data'] ?? '') ?? []
  if (hex === undefined) return null
  const length = 2 * Number(row['gtrid_length'])
  return xidName(hex.slice(0, length), hex.slice(length), row['formatID'] ?? '')
}

function xidName(global: string, branch: string, format: string): string {
  return xidText(`X'${global}',X'${branch}',${format}`)
}

/** Since 9.6 foreign keys are carried out where they are logged, unless that is turned off. */
export function logsCascades({ version }: Session, { variables }: Server): boolean {
  const native = variables.get('innodb_native_foreign_key_cascade') === 'ON'
  return version.flavour === 'mysql' && version.number >= 90600 && !native
}
