import { connect, type Session } from '../../dialect/postgres/connect.ts'
import { ident, literal } from '../../dialect/postgres/quote.ts'
import { pinned } from '../../dialect/postgres/settings.ts'
import type { TargetOptions } from '../target.ts'

/**
 * What transactions that write rows run with besides: the plans of their statements are pinned to
 * the index of the key, since a stage has no statistics and a prepared plan outlives its reason.
 * Nobody waits for the disk but who says so.
 */
const planning: Readonly<Record<string, string>> = {
  synchronous_commit: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_seqscan: 'off',
  jit: 'off',
  plan_cache_mode: 'force_generic_plan',
}

/** A connection to the target and what is known of it. */
export interface Link {
  readonly session: Session
  /** What its transactions run with. */
  readonly settings: Readonly<Record<string, string>>
  /** One client has one backend, so that settings, statements and temporary tables last. */
  readonly direct: boolean
  /** The role may set session_replication_role: triggers and foreign keys stay silent. */
  readonly quiet: boolean
}

/**
 * Connects, finds out whether a pooler stands between, and pins the session's settings where
 * they last.
 */
export async function openLink(
  options: TargetOptions,
  how: {
    readonly purpose: string
    readonly writesRows: boolean
    /** What is known of the role already; each try that fails is in the server's log. */
    readonly quiet?: boolean
  },
): Promise<Link> {
  const { endpoint, mirror } = options
  const session = await connect(endpoint, { side: 'target', mirror, purpose: how.purpose })
  try {
    const [row] = await session.query('select pg_catalog.pg_backend_pid() as pid')
    const direct = Number(row?.['pid']) === session.pid
    // Behind a pooler there is no knowing whose answer is late.
    if (direct) session.guard()
    const quiet = how.quiet ?? (await maySilence(session))
    const silence = quiet ? { session_replication_role: 'replica' } : {}
    const settings = { ...pinned, ...(how.writesRows ? planning : {}), ...silence }
    if (direct) await session.query(assignments(settings, 'SET SESSION'))
    return { session, settings, direct, quiet }
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw error
  }
}

async function maySilence(session: Session): Promise<boolean> {
  try {
    await session.query('BEGIN; SET LOCAL session_replication_role = replica; ROLLBACK')
    return true
  } catch {
    session.lost.throwIfAborted()
    await session.query('ROLLBACK')
    return false
  }
}

function assignments(settings: Readonly<Record<string, string>>, how: string): string {
  return Object.entries(settings)
    .map(([name, value]) => `${how} ${ident(name)} = ${literal(value)}`)
    .join('; ')
}

/**
 * One statement that gives a transaction its settings: all of them behind a pooler, else only
 * those that differ from transaction to transaction.
 */
export function transactionSettings(link: Link, own: Readonly<Record<string, string>>): string {
  const all = link.direct ? own : { ...link.settings, ...own }
  const calls = Object.entries(all).map(
    ([name, value]) => `pg_catalog.set_config(${literal(name)}, ${literal(value)}, true)`,
  )
  return `SELECT ${calls.join(', ')}`
}

/** Runs `work` in one transaction with the pinned settings; rolls back when it throws. */
export async function transaction<T>(
  link: Link,
  own: Readonly<Record<string, string>>,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { session } = link
  await session.query(`BEGIN; ${transactionSettings(link, own)}`)
  try {
    const result = await work(session)
    await session.query('COMMIT')
    return result
  } catch (error) {
    if (!session.lost.aborted) await session.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

/** Ends a connection without a word, so that what waits for an answer fails now. */
export function breakOff({ session }: Link): void {
  session.client.connection.stream.destroy()
}
