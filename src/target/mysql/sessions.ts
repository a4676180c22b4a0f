import { connect, type Session } from '../../dialect/mysql/connect.ts'
import { Fault } from '../../model/fault.ts'
import type { TargetOptions } from '../target.ts'

/** A connection to the target and what is known of it. */
export interface Link {
  readonly session: Session
  /** The collation of this server that tells apart all texts that differ, blanks at the end too. */
  readonly collation: string
  /** Bytes of a statement that the server takes. */
  readonly packet: number
}

/**
 * What a session must not take over from the server or the account, beside what every session pins:
 * a value that does not fit is an error and never a warning, zero is a value of a counter, nothing
 * acts because of a row that we write, no statement is cut or refused for its size.
 */
const pinned = [
  `sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,NO_ENGINE_SUBSTITUTION,STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'`,
  'foreign_key_checks = 0',
  'unique_checks = 1',
  'innodb_lock_wait_timeout = 50',
  'lock_wait_timeout = 50',
  'completion_type = 0',
  'sql_safe_updates = 0',
  'sql_auto_is_null = 0',
  'sql_big_selects = 1',
  'sql_select_limit = 18446744073709551615',
]

/** Names that MySQL and MariaDB do not share. */
const pinnedBy = {
  mysql: [`transaction_isolation = 'READ-COMMITTED'`, 'max_execution_time = 0'],
  mariadb: [`tx_isolation = 'READ-COMMITTED'`, 'max_statement_time = 0'],
} as const

const COLLATIONS = { mysql: 'utf8mb4_0900_bin', mariadb: 'utf8mb4_nopad_bin' } as const

/** Connects to the database that the endpoint names, and pins the session. Throws Fault. */
export async function openLink(
  options: Pick<TargetOptions, 'endpoint' | 'mirror'>,
  purpose: string,
): Promise<Link> {
  const { endpoint, mirror } = options
  if (endpoint.database === null) {
    throw new Fault('HF-T212', {
      what: 'the URL of the target names no database; all tables of the mirror go into one',
      side: 'target',
    })
  }
  const session = await connect(endpoint, { side: 'target', mirror, purpose, multiple: true })
  try {
    const { flavour } = session.version
    await session.query(`SET SESSION ${[...pinned, ...pinnedBy[flavour]].join(', ')}`)
    const [row] = await session.query('SELECT @@max_allowed_packet AS packet')
    return { session, collation: COLLATIONS[flavour], packet: Number(row?.['packet']) }
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw error
  }
}

/** Runs `work` in one transaction; rolls back when it throws. */
export async function transaction<T>(
  { session }: Link,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  await session.query('START TRANSACTION')
  try {
    const result = await work(session)
    await session.query('COMMIT')
    return result
  } catch (error) {
    if (!session.lost.aborted) await session.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

/** Runs `work` on a view of one moment, in which nothing is written. */
export async function moment<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await session.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')
  await session.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY')
  try {
    return await work()
  } finally {
    if (!session.lost.aborted) await session.query('COMMIT').catch(() => undefined)
  }
}

/** Ends a connection without a word, so that what waits for an answer fails now. */
export function breakOff({ session }: Link): void {
  session.socket.destroy()
}
