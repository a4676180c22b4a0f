import type { Session, TextRow } from '../../../dialect/postgres/connect.ts'
import type { MemberLease } from '../../../model/member.ts'
import type { Lane } from '../../../model/position.ts'
import { type StoredLease, storedLease } from '../../claiming.ts'
import type { Holder } from '../../holder.ts'
import { fenced, LEASE_MS } from '../../holding.ts'
import { type HeldLane, type Member, type Shares, sharesOf } from '../../sharing.ts'
import type { Held } from '../../target.ts'
import { readCheckpoint } from './checkpoint.ts'
import { createMembers, STATE } from './state.ts'

const STALE = `pg_catalog.clock_timestamp() - renewed_at > interval '${LEASE_MS} ms'`

/**
 * The lease of the process that shares the mirror and renewed it last; null while nobody does. Its
 * process is not looked for: others of them may live where it cannot be seen.
 */
export async function sharedLease(session: Session, mirror: string): Promise<StoredLease | null> {
  if (!(await isShared(session))) return null
  const [row] = await session.query(
    `select host, null as space, pid, null as started, epoch from ${STATE}.members
     where mirror = $1 and not ${STALE} order by renewed_at desc limit 1`,
    [mirror],
  )
  return row === undefined ? null : storedLease(row, false)
}

/** All processes that share the mirror and what each has, the eldest first. */
export async function memberLeases(
  session: Session,
  mirror: string,
): Promise<readonly MemberLease[]> {
  if (!(await isShared(session))) return []
  const rows = await session.query(
    `select host, pid, ${STALE} as stale,
       extract(epoch from pg_catalog.clock_timestamp() - renewed_at) * 1000 as silence,
       (select coalesce(pg_catalog.json_agg(l.lane order by l.lane), '[]')
        from ${STATE}.lanes l where l.mirror = m.mirror and l.epoch = m.epoch) as lanes
     from ${STATE}.members m where mirror = $1 order by epoch`,
    [mirror],
  )
  return rows.map((row) => {
    const lanes: unknown = JSON.parse(row['lanes'] ?? '[]')
    return {
      host: row['host'] ?? '',
      pid: Number(row['pid']),
      lanes: Array.isArray(lanes) ? lanes.map(String) : [],
      silence: Number(row['silence']),
      alive: row['stale'] !== 't',
    }
  })
}

/** Forgets processes that shared the mirror and are gone. */
export async function forgetMembers(session: Session, mirror: string): Promise<void> {
  if (!(await isShared(session))) return
  await session.query(`delete from ${STATE}.members where mirror = $1`, [mirror])
}

async function isShared(session: Session): Promise<boolean> {
  const sql = `select pg_catalog.to_regclass('${STATE}.members') is not null as there`
  const [row] = await session.query(sql)
  return row?.['there'] === 't'
}

/** A new epoch for one more process. The mirror's row, which is locked by it, orders them. */
export async function joinRow(
  session: Session,
  { mirror, self }: { readonly mirror: string; readonly self: Holder },
): Promise<bigint> {
  if (!(await isShared(session))) await session.query(createMembers)
  const [row] = await session.query(
    `update ${STATE}.mirrors set epoch = epoch + 1 where name = $1 returning epoch`,
    [mirror],
  )
  const epoch = row?.['epoch'] ?? '0'
  await session.query(
    `insert into ${STATE}.members (mirror, epoch, host, space, pid, started, renewed_at)
     values ($1, $2::bigint, $3, $4, $5::int, $6, pg_catalog.clock_timestamp())`,
    [mirror, epoch, self.host, self.space, String(self.pid), self.started],
  )
  return BigInt(epoch)
}

interface Sharing {
  readonly mirror: string
  readonly epoch: bigint
}

interface Spread {
  readonly shares: Shares
  readonly lanes: readonly HeldLane[]
  readonly members: number
  /** Epochs of processes that did not renew their lease in time. */
  readonly stale: readonly string[]
}

/** Who is there and who has what. Throws HF-X102 for a process that others took for gone. */
export async function spread(session: Session, { mirror, epoch }: Sharing): Promise<Spread> {
  const [members, lanes] = [
    await session.query(
      `select epoch, wanted, ${STALE} as stale from ${STATE}.members where mirror = $1`,
      [mirror],
    ),
    await session.query(`select lane, epoch from ${STATE}.lanes where mirror = $1 order by lane`, [
      mirror,
    ]),
  ]
  const self = epoch.toString()
  if (!members.some((row) => row['epoch'] === self)) throw fenced()
  const isStale = (row: TextRow): boolean => row['stale'] === 't' && row['epoch'] !== self
  const alive = members.filter((row) => !isStale(row)).map(memberOf)
  const held = lanes.map((row) => ({ lane: row['lane'] ?? '', epoch: row['epoch'] ?? '' }))
  return {
    shares: sharesOf(self, { members: alive, lanes: held }),
    lanes: held,
    members: alive.length,
    stale: members.filter(isStale).map((row) => row['epoch'] ?? ''),
  }
}

function memberOf(row: TextRow): Member {
  const wanted: unknown = JSON.parse(row['wanted'] ?? '[]')
  return { epoch: row['epoch'] ?? '', wanted: Array.isArray(wanted) ? wanted.map(String) : [] }
}

/** Gives up and takes lanes; inside a transaction, which the mirror's row orders. */
export async function settleLanes(
  session: Session,
  sharing: Sharing,
  wanted: readonly Lane[],
): Promise<Held> {
  const { mirror } = sharing
  const self = sharing.epoch.toString()
  await session.query(`select 1 from ${STATE}.mirrors where name = $1 for update`, [mirror])
  await session.query(
    `update ${STATE}.members set wanted = $3::json, renewed_at = pg_catalog.clock_timestamp()
     where mirror = $1 and epoch = $2::bigint`,
    [mirror, self, JSON.stringify(wanted)],
  )
  const { shares, lanes, members, stale } = await spread(session, sharing)
  // Whoever comes back finds that it is not one of them any more.
  for (const epoch of stale) {
    const sql = `delete from ${STATE}.members where mirror = $1 and epoch = $2::bigint`
    await session.query(sql, [mirror, epoch])
  }
  await moveLanes(session, { mirror, to: '0', lanes: shares.give })
  await moveLanes(session, { mirror, to: self, lanes: shares.take })
  if (wanted.length > 0 && shares.wanted.length === 0) {
    const sql = `update ${STATE}.members set wanted = '[]' where mirror = $1 and epoch = $2::bigint`
    await session.query(sql, [mirror, self])
  }
  const checkpoint = await readCheckpoint(session, mirror)
  if (checkpoint === null) throw fenced()
  const own = lanes.filter(({ epoch }) => epoch === self).map(({ lane }) => lane)
  const given = new Set(shares.give)
  const kept = [...own.filter((lane) => !given.has(lane)), ...shares.take]
  return { checkpoint, lanes: new Set(kept), wanted: shares.wanted, members }
}

async function moveLanes(
  session: Session,
  move: { readonly mirror: string; readonly to: string; readonly lanes: readonly Lane[] },
): Promise<void> {
  if (move.lanes.length === 0) return
  await session.query(
    `update ${STATE}.lanes set epoch = $2::bigint
     where mirror = $1 and lane in (select json_array_elements_text($3::json))`,
    [move.mirror, move.to, JSON.stringify(move.lanes)],
  )
}
