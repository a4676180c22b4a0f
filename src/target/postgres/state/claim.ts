import { monotonic, sleep } from '../../../async/clock.ts'
import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../../dialect/postgres/errors.ts'
import type { Checkpoint } from '../../../model/checkpoint.ts'
import { type Holder, isGone, thisProcess } from '../../holder.ts'
import { held, LEASE_MS, LOOK_AGAIN_MS } from '../../holding.ts'
import type { ClaimRequest } from '../../target.ts'
import { type Link, transaction } from '../sessions.ts'
import { readCheckpoint, stateIdentity } from './checkpoint.ts'
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
  const until = monotonic() + contest.request.patience
  for (;;) {
    signal.throwIfAborted()
    const result = await attempt(contest, self)
    if ('epoch' in result) return result
    const left = until - monotonic()
    if (left <= 0) throw held(contest, result)
    await sleep(Math.min(LOOK_AGAIN_MS, left), signal)
  }
}

/** Creates the state where there is none. Throws HF-X106 when a later version made it. */
export async function ensureState(link: Link): Promise<void> {
  if ((await stateIdentity(link.session)) !== null) return
  await transaction(link, {}, (session) => session.query(createState))
}

async function attempt(contest: Contest, self: Holder): Promise<Taken | Holder> {
  const { link, mirror } = contest
  const lease = await leaseOf(link.session, mirror)
  if (lease !== null) {
    if (!lease.stale && !(await isGone(lease.holder))) return lease.holder
    if (link.direct) await endSessionsOf(link.session, mirror, lease.epoch)
  }
  const own = { synchronous_commit: 'on', lock_timeout: `${LEASE_MS}ms` }
  try {
    return await transaction(link, own, (session) => {
      const seen = lease?.epoch ?? null
      return takeOver(session, { mirror, seen, self, request: contest.request })
    })
  } catch (error) {
    // Somebody else was first, or its last batch still holds the row: look again.
    if (error instanceof Lost || sqlstateOf(error) === '55P03') return lease?.holder ?? self
    throw error
  }
}

class Lost extends Error {
  override readonly name = 'Lost'
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
  await session.query(`insert into ${STATE}.mirrors (name) values ($1) on conflict do nothing`, [
    mirror,
  ])
  const settings = Object.keys(request.settings).length === 0 ? null : request.settings
  // The row stays locked: whoever else claims waits here, and then finds another lease.
  const [row] = await session.query(
    `update ${STATE}.mirrors set epoch = epoch + 1, settings = coalesce($2::json, settings)
     where name = $1 returning epoch`,
    [mirror, settings === null ? null : JSON.stringify(settings)],
  )
  const now = await leaseOf(session, mirror)
  if ((now?.epoch ?? null) !== contest.seen) throw new Lost('another process was first')
  const epoch = BigInt(row?.['epoch'] ?? 0)
  await session.query(`update ${STATE}.lanes set epoch = $2::bigint where mirror = $1`, [
    mirror,
    epoch.toString(),
  ])
  await session.query(
    `insert into ${STATE}.leases as l (mirror, epoch, host, space, pid, started, renewed_at)
     values ($1, $2::bigint, $3, $4, $5::int, $6, pg_catalog.clock_timestamp())
     on conflict (mirror) do update set epoch = excluded.epoch, host = excluded.host,
       space = excluded.space, pid = excluded.pid, started = excluded.started,
       renewed_at = excluded.renewed_at`,
    [mirror, epoch.toString(), self.host, self.space, String(self.pid), self.started],
  )
  const unread = epoch === 1n || request.destroying === true
  return { epoch, checkpoint: unread ? null : await readCheckpoint(session, mirror) }
}

interface Lease {
  readonly holder: Holder
  readonly epoch: string
  readonly stale: boolean
}

async function leaseOf(session: Session, mirror: string): Promise<Lease | null> {
  const [row] = await session.query(
    `select host, space, pid, started, epoch,
       pg_catalog.clock_timestamp() - renewed_at > interval '${LEASE_MS} ms' as stale
     from ${STATE}.leases where mirror = $1`,
    [mirror],
  )
  if (row === undefined) return null
  return { holder: holderOf(row), epoch: row['epoch'] ?? '', stale: row['stale'] === 't' }
}

function holderOf(row: TextRow): Holder {
  return {
    host: row['host'] ?? '',
    space: row['space'] ?? null,
    pid: Number(row['pid']),
    started: row['started'] ?? null,
  }
}

/** The name that sessions of a claim carry, so that who takes over can end them. */
export function purposeOf(work: 'apply' | 'copy' | 'lease', epoch: bigint | string): string {
  return `${work}:${epoch}`
}

/** Ends what the one that stopped left open, as far as the role may: it only holds locks. */
async function endSessionsOf(session: Session, mirror: string, epoch: string): Promise<void> {
  const names = (['apply', 'copy', 'lease'] as const).map(
    (work) => `holdfast:${mirror}:${purposeOf(work, epoch)}`,
  )
  const sql = `select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
    where application_name in (select json_array_elements_text($1::json))
      and datname = pg_catalog.current_database() and pid <> pg_catalog.pg_backend_pid()`
  try {
    await session.query(sql, [JSON.stringify(names)])
  } catch (error) {
    if (sqlstateOf(error) !== '42501') throw error
  }
}
