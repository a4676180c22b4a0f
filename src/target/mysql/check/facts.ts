import type { Session, TextRow } from '../../../dialect/mysql/connect.ts'
import { flushesCommits, logPlace } from '../state/durable.ts'

export interface TargetFacts {
  readonly database: string
  /** `'user'@'host'` as a GRANT names it. */
  readonly account: string
  readonly readOnly: boolean
  /** STATEMENT, MIXED or ROW; null without a binary log. */
  readonly logFormat: string | null
  /** What is on its disk can be known. */
  readonly tellsDisk: boolean
  /** A table without a key cannot be made. */
  readonly needsKeys: boolean
  /** Names of tables that differ in case are one. */
  readonly folds: boolean
  /** Rights on the whole database; null where roles may bring others. */
  readonly rights: ReadonlySet<string> | null
}

export async function readFacts(session: Session): Promise<TargetFacts> {
  const [row] = await session.query(
    `SELECT database() AS db, current_user() AS account, @@global.read_only AS ro,
       @@log_bin AS logs, @@lower_case_table_names AS folds`,
  )
  const strict = await flushesCommits(session)
  return {
    database: row?.['db'] ?? '',
    account: accountOf(row?.['account'] ?? ''),
    readOnly: (row?.['ro'] ?? '0') !== '0' && !(await mayWriteAnyway(session)),
    logFormat: row?.['logs'] === '1' ? await variable(session, 'binlog_format') : null,
    tellsDisk: strict || (await logPlace(session)) !== null,
    needsKeys:
      (await variable(session, 'sql_require_primary_key')) === 'ON' ||
      (await variable(session, 'innodb_force_primary_key')) === 'ON',
    folds: row?.['folds'] !== '0',
    rights: await readRights(session, row?.['db'] ?? ''),
  }
}

function accountOf(current: string): string {
  const at = current.lastIndexOf('@')
  const quoted = (part: string): string => `'${part.replaceAll("'", "''")}'`
  return `${quoted(current.slice(0, at))}@${quoted(current.slice(at + 1))}`
}

/** The value that the session has; null for a variable that the server does not know. */
async function variable(session: Session, name: string): Promise<string | null> {
  const [row] = await session.query(`SHOW VARIABLES LIKE '${name}'`)
  return row?.['Value'] ?? null
}

/** An account with SUPER or the like is not held back by read_only. */
async function mayWriteAnyway(session: Session): Promise<boolean> {
  if ((await variable(session, 'super_read_only')) === 'ON') return false
  const grants = (await session.query('SHOW GRANTS')).flatMap((row) => Object.values(row))
  return grants.some((line) =>
    /\b(SUPER|CONNECTION_ADMIN|READ_ONLY ADMIN|ALL PRIVILEGES ON \*\.\*)/.test(line ?? ''),
  )
}

async function readRights(session: Session, database: string): Promise<TargetFacts['rights']> {
  return rightsIn((await session.query('SHOW GRANTS')).map(lineOf), database)
}

function lineOf(row: TextRow): string {
  return Object.values(row)[0] ?? ''
}

/** A grant on a database or on all; names are quoted as the session's mode wants them. */
const GRANT = /^GRANT (.+?) ON (?:([`"])((?:(?!\2).|\2\2)*)\2|\*)\.\* TO /s

/**
 * The rights on a database that SHOW GRANTS prints; null where a role may bring others. Of several
 * patterns that match its name the server takes the one whose first wildcard comes last
 * (sql/auth/sql_auth_cache.cc, get_sort), and only that one.
 */
export function rightsIn(lines: readonly string[], database: string): ReadonlySet<string> | null {
  const everywhere: string[] = []
  const here = new Map<string, readonly string[]>()
  for (const line of lines) {
    const grant = GRANT.exec(line)
    if (grant === null) {
      // A role that was granted may bring any right.
      if (/^GRANT /.test(line) && !/ ON /.test(line)) return null
      continue
    }
    const [, names = '', quote = '', pattern = ''] = grant
    const rights = names.split(', ').map((name) => name.toUpperCase())
    const plain = pattern.replaceAll(quote + quote, quote)
    if (quote === '') everywhere.push(...rights)
    else if (matches(plain, database)) here.set(plain, [...(here.get(plain) ?? []), ...rights])
  }
  const [first] = [...here].sort(([a], [b]) => (wildcard(a) < wildcard(b) ? 1 : -1))
  return new Set([...everywhere, ...(first?.[1] ?? [])])
}

/** Where the first wildcard stands. */
function wildcard(pattern: string): number {
  const at = /(?<!\\)[_%]/.exec(pattern)?.index
  return at ?? Number.POSITIVE_INFINITY
}

/** A name of a database in a grant is a pattern of LIKE. */
function matches(pattern: string, database: string): boolean {
  let source = ''
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? ''
    if (char === '\\') source += escaped(pattern[++at] ?? '\\')
    else if (char === '%') source += '.*'
    else source += char === '_' ? '.' : escaped(char)
  }
  return new RegExp(`^${source}$`, 'isu').test(database)
}

function escaped(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
}
