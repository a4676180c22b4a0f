import { monotonic, sleep } from '../../../async/clock.ts'
import type { Session, TextRow } from '../../../dialect/mysql/connect.ts'
import { literal } from '../../../dialect/mysql/quote.ts'
import type { Checkpoint } from '../../../model/checkpoint.ts'
import { Fault } from '../../../model/fault.ts'
import { type Holder, isGone, thisProcess } from '../../holder.ts'
import { held, LEASE_MS, LOOK_AGAIN_MS } from '../../holding.ts'
import type { ClaimRequest } from '../../target.ts'
import { type Link, transaction } from '../sessions.ts'
import { checkpointWithin, stateIdentity } from './checkpoint.ts'
import { createState, STATE } from './state.ts'

export interface Taken {
  readonly epoch: bigint
  readonly checkpoint: Checkpoint | null
}

interface Contest {
  readonly link: Link
  readonly mirror: string
  readonly label: string
  readonly request: ClaimRequest
}

/**
 * Takes the mirror: a new epoch and the lease. A lease that was not renewed in time, or whose
 * process is known to be gone, is taken over at once; a live one is waited for.
 */
export async function take(contest: Contest, signal: AbortSignal): Promise<Taken> {
  const self = await thisProcess()
  await ensureState(contest.link)
  const { session } = contest.link
  // Whoever claims meanwhile, or its last batch, is waited for no longer than a lease lasts.
  await session.query(`SET SESSION innodb_lock_wait_timeout = ${LEASE_MS / 1000}`)
  const until = monotonic() + contest.request.patience
  for (;;) {
    signal.throwIfAborted()
    const result = await attempt(contest, self)
    if ('epoch' in result) {
      await session.query('SET SESSION innodb_lock_wait_timeout = 50')
      return result
    }
    const left = until - monotonic()
    if (left <= 0) throw held(contest, result)
    await sleep(Math.min(LOOK_AGAIN_MS, left), signal)
  }
}

/** Creates the state where there is none. Throws HF-X106 when a later version made it. */
async function ensureState({ session, collation }: Link): Promise<void> {
  if ((await stateIdentity(session)) !== null) return
  for (const statement of createState(collation)) await session.query(statement)
}

async function attempt(contest: Contest, self: Holder): Promise<Taken | Holder> {
  const { link, mirror } = contest
  const lease = await leaseOf(link.session, mirror)
  if (lease !== null) {
    if (!lease.stale && !(await isGone(lease.holder))) return lease.holder
    await endSessionsOf(link.session, mirror, lease.epoch)
  }
  try {
    return await transaction(link, (session) => {
      const seen = lease?.epoch ?? null
      return takeOver(session, { mirror, seen, self, request: contest.request })
    })
  } catch (error) {
    // Somebody else was first, or its last batch still holds the row: look again.
    if (error instanceof Lost || isBusy(error)) return lease?.holder ?? self
    throw error
  }
}

class Lost extends Error {
  override readonly name = 'Lost'
}

/** A lock that was not had in time, or a deadlock. */
function isBusy(error: unknown): boolean {
  return error instanceof Fault && error.code === 'HF-T217'
}

async function takeOver(
  session: Session,
  contest: {
    readonly mirror: string
    readonly seen: string | null
    readonly self: Holder
    readonly request: ClaimRequest
  },
): Promise<Taken> {
  const { mirror, self, request } = contest
  const of = literal(mirror)
  // The row stays locked: whoever else claims waits here, and then finds another lease.
  await session.query(
    `INSERT INTO ${STATE.mirrors} (name, settings, source, created_at)
     VALUES (${of}, '{}', '{}', utc_timestamp(6)) ON DUPLICATE KEY UPDATE epoch = epoch`,
  )
  const now = await leaseOf(session, mirror)
  if ((now?.epoch ?? null) !== contest.seen) throw new Lost('another process was first')
  const empty = Object.keys(request.settings).length === 0
  const settings = empty ? '' : `, settings = ${literal(JSON.stringify(request.settings))}`
  await session.query(`UPDATE ${STATE.mirrors} SET epoch = epoch + 1${settings} WHERE name = ${of}`)
  const [row] = await session.query(`SELECT epoch FROM ${STATE.mirrors} WHERE name = ${of}`)
  const epoch = BigInt(row?.['epoch'] ?? 0)
  await session.query(`UPDATE ${STATE.lanes} SET epoch = ${epoch} WHERE mirror = ${of}`)
  const space = self.space === null ? 'NULL' : literal(self.space)
  const started = self.started === null ? 'NULL' : literal(self.started)
  await session.query(`DELETE FROM ${STATE.leases} WHERE mirror = ${of}`)
  await session.query(
    `INSERT INTO ${STATE.leases} (mirror, epoch, host, space, pid, started, renewed_at)
     VALUES (${of}, ${epoch}, ${literal(self.host)}, ${space}, ${self.pid}, ${started},
       utc_timestamp(6))`,
  )
  const unread = epoch === 1n || request.destroying === true
  return { epoch, checkpoint: unread ? null : await checkpointWithin(session, mirror) }
}

interface Lease {
  readonly holder: Holder
  readonly epoch: string
  readonly stale: boolean
}

async function leaseOf(session: Session, mirror: string): Promise<Lease | null> {
  const [row] = await session.query(
    `SELECT host, space, pid, started, epoch,
       timestampdiff(MICROSECOND, renewed_at, utc_timestamp(6)) > ${LEASE_MS * 1000} AS stale
     FROM ${STATE.leases} WHERE mirror = ${literal(mirror)}`,
  )
  if (row === undefined) return null
  return { holder: holderOf(row), epoch: row['epoch'] ?? '', stale: row['stale'] === '1' }
}

function holderOf(row: TextRow): Holder {
  return {
    host: row['host'] ?? '',
    space: row['space'] ?? null,
    pid: Number(row['pid']),
    started: row['started'] ?? null,
  }
}

/** Sessions of a claim that copy or look up: as many as get a sign. */
const SIGNS = 16

/**
 * The name of a lock of the server's that a session of a claim holds as long as it lives: by it
 * whoever takes over finds the connection and ends it.
 */
function signOf(mirror: string, epoch: bigint | string, n: number): string {
  const whose = `left(sha2(concat(database(), '/', ${literal(mirror)}), 256), 24)`
  return `concat('holdfast:', ${whose}, ${literal(`:${epoch}:${n}`)})`
}

/** Gives a session its sign, where one is free. */
export async function sign(session: Session, mirror: string, epoch: bigint): Promise<void> {
  for (let n = 0; n < SIGNS; n++) {
    const [row] = await session.query(`SELECT get_lock(${signOf(mirror, epoch, n)}, 0) AS got`)
    if (row?.['got'] === '1') return
  }
}

/** Ends what the one that stopped left open: it only holds locks. */
async function endSessionsOf(session: Session, mirror: string, epoch: string): Promise<void> {
  for (let n = 0; n < SIGNS; n++) {
    const sql = `SELECT is_used_lock(${signOf(mirror, epoch, n)}) AS thread`
    const [row] = await session.query(sql)
    if (row?.['thread'] == null) continue
    await session.query(`KILL ${BigInt(row['thread'])}`).catch(() => undefined)
  }
}

/** What a session of a claim is for, as the server's list of connections shows it. */
export function purposeOf(work: 'apply' | 'copy' | 'lease', epoch: bigint): string {
  return `${work}:${epoch}`
}
