import type { Session } from '../../../dialect/postgres/connect.ts'
import { sqlstateOf } from '../../../dialect/postgres/errors.ts'
import {
  type Contest,
  type Ledger,
  Outrun,
  purposeOf,
  type StoredLease,
  storedLease,
  type Taken,
  takeOver,
} from '../../claiming.ts'
import type { Holder } from '../../holder.ts'
import { LEASE_MS } from '../../holding.ts'
import type { ClaimRequest } from '../../target.ts'
import { type Link, transaction } from '../sessions.ts'
import { readCheckpoint, stateIdentity } from './checkpoint.ts'
import { forgetMembers, joinRow, sharedLease } from './members.ts'
import { createState, STATE } from './state.ts'

/** Takes the mirror for this process alone. */
export function take(
  contest: Contest & { readonly link: Link },
  signal: AbortSignal,
): Promise<Taken> {
  const { link, mirror, request } = contest
  const holder = async (session: Session): Promise<StoredLease | null> =>
    (await sharedLease(session, mirror)) ?? (await leaseOf(session, mirror))
  const ledger = ledgerOf(contest, holder, (session, seen, self) =>
    takeOverRow(session, { mirror, seen, self, request, holder }),
  )
  return takeOver(contest, { ...ledger, ensure: () => ensureState(link) }, signal)
}

/** Becomes one of the processes that share the mirror. */
export function join(
  contest: Contest & { readonly link: Link },
  signal: AbortSignal,
): Promise<Taken> {
  const { mirror } = contest
  const holder = (session: Session): Promise<StoredLease | null> => leaseOf(session, mirror)
  const ledger = ledgerOf(contest, holder, async (session, seen, self) => {
    const epoch = await joinRow(session, { mirror, self })
    refuseOther(await holder(session), seen)
    await session.query(`delete from ${STATE}.leases where mirror = $1`, [mirror])
    return { epoch, checkpoint: null }
  })
  return takeOver(contest, ledger, signal)
}

function ledgerOf(
  { link, mirror }: Contest & { readonly link: Link },
  holder: (session: Session) => Promise<StoredLease | null>,
  take: (session: Session, seen: string | null, self: Holder) => Promise<Taken>,
): Ledger {
  const own = { synchronous_commit: 'on', lock_timeout: `${LEASE_MS}ms` }
  return {
    ensure: () => Promise.resolve(),
    lease: () => holder(link.session),
    evict: (epoch) => evict(link, mirror, epoch),
    take: (seen, self) => transaction(link, own, (session) => take(session, seen, self)),
    isBusy: (error) => sqlstateOf(error) === '55P03',
  }
}

/** Ends what a process that stopped left open, as far as that is allowed: it only holds locks. */
export async function evict(link: Link, mirror: string, epoch: string): Promise<void> {
  if (link.direct) await endSessionsOf(link.session, mirror, epoch)
}

/** Creates the state where there is none. Throws HF-X106 when a later version made it. */
async function ensureState(link: Link): Promise<void> {
  if ((await stateIdentity(link.session)) !== null) return
  await transaction(link, {}, (session) => session.query(createState))
}

async function takeOverRow(
  session: Session,
  contest: {
    readonly mirror: string
    readonly seen: string | null
    readonly self: Holder
    readonly request: ClaimRequest
    readonly holder: (session: Session) => Promise<StoredLease | null>
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
  refuseOther(await contest.holder(session), contest.seen)
  await forgetMembers(session, mirror)
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

/** Throws Outrun where the lease is not the one that was seen. */
function refuseOther(now: StoredLease | null, seen: string | null): void {
  if ((now?.epoch ?? null) !== seen) throw new Outrun('another process was first')
}

async function leaseOf(session: Session, mirror: string): Promise<StoredLease | null> {
  const [row] = await session.query(
    `select host, space, pid, started, epoch,
       pg_catalog.clock_timestamp() - renewed_at > interval '${LEASE_MS} ms' as stale
     from ${STATE}.leases where mirror = $1`,
    [mirror],
  )
  if (row === undefined) return null
  return storedLease(row, row['stale'] === 't')
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
