import { monotonic, sleep } from '../../../async/clock.ts'
import type { Session } from '../../../dialect/postgres/connect.ts'
import { textArray } from '../../../dialect/postgres/layout.ts'

/** Which transactions a snapshot sees (pg_snapshot: xmin:xmax:xip,…). */
export interface Seen {
  /** The first transaction id that was not handed out yet. */
  readonly xmax: bigint
  /** Those that were running. */
  readonly running: ReadonlySet<bigint>
}

export function parseSnapshot(text: string): Seen {
  const [, xmax = '0', xip = ''] = text.split(':')
  const running = xip === '' ? [] : xip.split(',').map(BigInt)
  return { xmax: BigInt(xmax), running: new Set(running) }
}

const HALF = 1n << 31n
const WHOLE = 1n << 32n

/** Whether a transaction that committed is in the snapshot; the log names it by 32 bits. */
export function isVisible(seen: Seen, xid: number): boolean {
  let distance = (seen.xmax - BigInt(xid)) % WHOLE
  if (distance < 0n) distance += WHOLE
  if (distance === 0n || distance >= HALF) return false
  return !seen.running.has(seen.xmax - distance)
}

const PATIENCE_MS = 1000
const STEP_MS = 10

/**
 * A transaction is in the log a moment before its server shows it to others, or long before when
 * it waits for a synchronous standby. Waits up to 1 s for those of `suspects` that may be in that
 * state, and returns those that still are, as the log names them.
 */
export async function settle(
  session: Session,
  suspects: ReadonlySet<bigint>,
  signal: AbortSignal,
): Promise<ReadonlySet<number>> {
  let left = [...suspects]
  const until = monotonic() + PATIENCE_MS
  while (left.length > 0) {
    left = await stillRunning(session, left)
    const states = await statesOf(session, left)
    left = left.filter((xid) => states.get(short(xid)) !== 'open')
    if (left.length === 0) break
    if (monotonic() > until) return await waiting(session, left, states)
    await sleep(STEP_MS, signal)
  }
  return new Set()
}

async function stillRunning(session: Session, xids: readonly bigint[]): Promise<bigint[]> {
  const [row] = await session.query('SELECT pg_current_snapshot() AS snapshot')
  const { running } = parseSnapshot(row?.['snapshot'] ?? '')
  return xids.filter((xid) => running.has(xid))
}

/** open: has not been asked to commit. waits: for a standby. busy: anything else. */
type State = 'open' | 'waits' | 'busy'

async function statesOf(
  session: Session,
  xids: readonly bigint[],
): Promise<ReadonlyMap<string, State>> {
  if (xids.length === 0) return new Map()
  const rows = await session.query(
    `SELECT backend_xid AS xid, CASE WHEN state LIKE 'idle in transaction%' THEN 'open'
       WHEN wait_event = 'SyncRep' THEN 'waits' ELSE 'busy' END AS state
     FROM pg_stat_activity WHERE backend_xid::text = ANY ($1::text[])
     UNION ALL
     SELECT transaction, 'open' FROM pg_prepared_xacts WHERE transaction::text = ANY ($1::text[])`,
    [textArray(xids.map(short))],
  )
  return new Map(rows.map((row) => [row['xid'] ?? '', (row['state'] ?? 'busy') as State]))
}

/** A role without the right to see others' activity sees no row: any of them may be waiting. */
async function waiting(
  session: Session,
  xids: readonly bigint[],
  states: ReadonlyMap<string, State>,
): Promise<ReadonlySet<number>> {
  const [row] = await session.query(
    `SELECT current_setting('synchronous_standby_names') AS standbys`,
  )
  if ((row?.['standbys'] ?? '') === '') return new Set()
  const left = xids.filter((xid) => (states.get(short(xid)) ?? 'waits') === 'waits')
  return new Set(left.map((xid) => Number(short(xid))))
}

function short(xid: bigint): string {
  return String(xid % WHOLE)
}
