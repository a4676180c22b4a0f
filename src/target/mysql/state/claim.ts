import type { Session } from '../../../dialect/mysql/connect.ts'
import { literal } from '../../../dialect/mysql/quote.ts'
import { Fault } from '../../../model/fault.ts'
import {
  type Contest,
  type Ledger,
  Outrun,
  type StoredLease,
  storedLease,
  type Taken,
  takeOver,
} from '../../claiming.ts'
import type { Holder } from '../../holder.ts'
import { LEASE_MS } from '../../holding.ts'
import type { ClaimRequest } from '../../target.ts'
import { type Link, transaction } from '../sessions.ts'
import { checkpointWithin, stateIdentity } from './checkpoint.ts'
import { createState, STATE } from './state.ts'

/**
 * Takes the mirror. Whoever claims meanwhile, or its last batch, is waited for no longer than a
 * lease lasts.
 */
export async function take(
  contest: Contest & { readonly link: Link },
  signal: AbortSignal,
): Promise<Taken> {
  const { link, mirror, request } = contest
  const { session } = link
  const ledger: Ledger = {
    ensure: async () => {
      await ensureState(link)
      await session.query(`SET SESSION innodb_lock_wait_timeout = ${LEASE_MS / 1000}`)
    },
    lease: () => leaseOf(session, mirror),
    evict: (epoch) => endSessionsOf(session, mirror, epoch),
    take: (seen, self) =>
      transaction(link, () => takeOverRow(session, { mirror, seen, self, request })),
    // A lock that was not had in time, or a deadlock.
    isBusy: (error) => error instanceof Fault && error.code === 'HF-T217',
  }
  const taken = await takeOver(contest, ledger, signal)
  await session.query('SET SESSION innodb_lock_wait_timeout = 50')
  return taken
}

/** Creates the state where there is none. Throws HF-X106 when a later version made it. */
async function ensureState({ session, collation }: Link): Promise<void> {
  if ((await stateIdentity(session)) !== null) return
  for (const statement of createState(collation)) await session.query(statement)
}

async function takeOverRow(
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
  if ((now?.epoch ?? null) !== contest.seen) throw new Outrun('another process was first')
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

async function leaseOf(session: Session, mirror: string): Promise<StoredLease | null> {
  const [row] = await session.query(
    `SELECT host, space, pid, started, epoch,
       timestampdiff(MICROSECOND, renewed_at, utc_timestamp(6)) > ${LEASE_MS * 1000} AS stale
     FROM ${STATE.leases} WHERE mirror = ${literal(mirror)}`,
  )
  if (row === undefined) return null
  return storedLease(row, row['stale'] === '1')
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
