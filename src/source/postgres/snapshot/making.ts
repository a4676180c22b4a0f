import { orAborted } from '../../../async/abort.ts'
import { every } from '../../../async/clock.ts'
import { connect, type Session, type TextRow } from '../../../dialect/postgres/connect.ts'
import { ident, literal } from '../../../dialect/postgres/quote.ts'
import type { Endpoint } from '../../../model/endpoint.ts'
import { Fault } from '../../../model/fault.ts'
import { formatLsn, type Lsn, parseLsn } from '../position.ts'
import { text } from '../rows.ts'

export interface MakingOptions {
  readonly endpoint: Endpoint
  readonly mirror: string
  /** An ordinary session, to look at what a new slot waits for. */
  readonly control: Session
  readonly slot: string
  /** Lives as long as its session only, and nothing is ever read from it. */
  readonly temporary: boolean
  /** Told, in a sentence, what is waited for. */
  readonly notice: (text: string) => void
}

/** A slot that was made: where it begins, and the snapshot that its session exports. */
export interface MadeSlot {
  readonly lsn: Lsn
  readonly snapshot: string
}

/**
 * Makes the slot in the walsender session `holder`, such that it reads rightly from its first
 * transaction on. A server that makes a slot waits for open transactions twice, and what commits
 * in the first wait it forgets (snapbuild.c, SNAPBUILD_BUILDING_SNAPSHOT): a table that is emptied
 * or written anew then cannot be read in transactions that begin in the second wait, and the slot
 * halts at them for good. A slot that was there before knows better, and what it knows is kept on
 * disk for every slot of the server. Throws Fault.
 */
export async function makeSlot(
  holder: Session,
  options: MakingOptions,
  signal: AbortSignal,
): Promise<MadeSlot> {
  if (options.temporary) return await create(holder, options, signal)
  const ahead = await Forerunner.open(options, signal)
  try {
    const made = await create(holder, options, signal)
    await ahead?.pass(made.lsn, signal)
    return made
  } finally {
    await ahead?.[Symbol.asyncDispose]()
  }
}

async function create(
  holder: Session,
  options: MakingOptions,
  signal: AbortSignal,
): Promise<MadeSlot> {
  const kind = options.temporary ? ' TEMPORARY' : ''
  const sql = `CREATE_REPLICATION_SLOT ${ident(options.slot)}${kind} LOGICAL pgoutput EXPORT_SNAPSHOT`
  const row = await waiting(holder, { sql, options, signal })
  return {
    lsn: parseLsn(text(row, 'consistent_point')),
    snapshot: text(row, 'snapshot_name'),
  }
}

const WAIT_REPORT_MS = 3_000

/**
 * A slot waits for every transaction that is open now, in any database: who does not commit is
 * named, so that a person can.
 */
async function waiting(
  session: Session,
  making: {
    readonly sql: string
    readonly options: MakingOptions
    readonly signal: AbortSignal
  },
): Promise<TextRow> {
  const { sql, options, signal } = making
  const report = async (): Promise<void> => {
    const waited = await waitedFor(options.control, session.pid)
    if (waited !== null) options.notice(waited)
  }
  using _reports = every(WAIT_REPORT_MS, report, () => undefined)
  const [row] = await orAborted(session.query(sql), signal)
  if (row === undefined) throw new Fault('HF-X001', { what: 'the source made no slot' })
  return row
}

/** The slot that is made before the mirror's own, and goes when that one stands. */
class Forerunner implements AsyncDisposable {
  readonly #session: Session
  readonly #control: Session
  readonly #name: string
  #busy = true

  private constructor(session: Session, control: Session, name: string) {
    this.#session = session
    this.#control = control
    this.#name = name
  }

  /** Null where the server has no slot to spare for it. */
  static async open(options: MakingOptions, signal: AbortSignal): Promise<Forerunner | null> {
    const { endpoint, mirror, control, slot } = options
    const [free] = await control.query(FREE)
    if (free?.['spare'] !== 't') {
      options.notice(ALONE)
      return null
    }
    // It rests while the other one waits.
    const settings = { idle_session_timeout: '0' }
    const purpose = 'forerunner'
    const session = await connect(endpoint, { side: 'source', mirror, purpose, settings })
    const ahead = new Forerunner(session, control, `${slot.slice(0, 40)}_ahead_${session.pid}`)
    try {
      const sql = `SELECT slot_name FROM pg_create_logical_replication_slot(${literal(ahead.#name)}, 'pgoutput', true)`
      await waiting(session, { sql, options, signal })
      ahead.#busy = false
      return ahead
    } catch (error) {
      await ahead[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Reads over the log up to there without its rows, and so notes at each place what was open. */
  async pass(lsn: Lsn, signal: AbortSignal): Promise<void> {
    this.#busy = true
    const [name, to] = [literal(this.#name), literal(formatLsn(lsn))]
    const sql = `SELECT end_lsn FROM pg_replication_slot_advance(${name}, ${to})`
    await orAborted(this.#session.query(sql), signal)
    this.#busy = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#busy) await endFromOutside(this.#session, this.#control)
    await this.#session[Symbol.asyncDispose]()
  }
}

const ALONE =
  'the source has one replication slot to spare: where a table is emptied or written anew at this moment, the mirror may have to be made again'

/** The mirror's own slot needs one, too. */
const FREE = `
select current_setting('max_replication_slots')::int - count(*) > 1 as spare
from pg_replication_slots`

/**
 * A slot that waits for its start goes away with its session, and a session that waits for a lock
 * does not see that its client has gone: it is ended from outside.
 */
export async function endFromOutside(session: Session, control: Session): Promise<void> {
  session.client.connection.stream.destroy()
  const end = control.query('select pg_terminate_backend($1::int)', [String(session.pid)])
  await end.catch(() => undefined)
}

/**
 * Who holds the lock of the transaction number that a new slot waits for: a session, or a
 * transaction that was prepared and belongs to none (snapbuild.c, SnapBuildWaitSnapshot).
 */
const WAITED_FOR = `
select w.transactionid as xid, a.pid, a.usename, a.datname, p.gid, p.owner, p.database,
  coalesce(nullif(a.application_name, ''), a.backend_type) as application,
  to_char(coalesce(a.xact_start, p.prepared), 'YYYY-MM-DD HH24:MI:SS TZ') as since
from pg_locks w
left join pg_locks h on h.locktype = 'transactionid' and h.transactionid = w.transactionid
  and h.granted and h.mode = 'ExclusiveLock'
left join pg_stat_activity a on a.pid = h.pid
left join pg_prepared_xacts p on p.transaction = w.transactionid
where w.pid = $1::int and w.locktype = 'transactionid' and not w.granted limit 1`

async function waitedFor(control: Session, pid: number): Promise<string | null> {
  const [row] = await control.query(WAITED_FOR, [String(pid)])
  if (row === undefined) return null
  const cell = (name: string): string => row[name] ?? 'unknown'
  const what = `the first copy waits for transaction ${cell('xid')}, open since ${cell('since')}`
  if (row['gid'] != null) {
    const gid = literal(row['gid'])
    const how = `COMMIT PREPARED ${gid} or ROLLBACK PREPARED ${gid} lets it go on`
    return `${what}: prepared as ${gid} by ${cell('owner')} in database ${cell('database')}; ${how}`
  }
  const [who, where] = [`process ${cell('pid')} of ${cell('usename')}`, cell('datname')]
  return `${what}: ${who} (${cell('application')}) in database ${where}`
}
