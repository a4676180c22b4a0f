import { monotonic, sleep } from '../async/clock.ts'
import type { Checkpoint } from '../model/checkpoint.ts'
import { type Holder, isGone, thisProcess } from './holder.ts'
import { held, LOOK_AGAIN_MS } from './holding.ts'
import type { ClaimRequest } from './target.ts'

export interface Contest {
  readonly mirror: string
  /** The target, for people. */
  readonly label: string
  readonly request: ClaimRequest
}

/** The outcome of one try: what was taken, or who holds the mirror. */
export type Tried<T> = T | { readonly heldBy: Holder }

/** Tries until the mirror is taken; waits no longer than the request is patient. Throws HF-X101. */
export async function contend<T extends object>(
  contest: Contest,
  attempt: () => Promise<Tried<T>>,
  signal: AbortSignal,
): Promise<T> {
  const until = monotonic() + contest.request.patience
  for (;;) {
    signal.throwIfAborted()
    const tried = await attempt()
    if (!('heldBy' in tried)) return tried
    const left = until - monotonic()
    if (left <= 0) throw held(contest, tried.heldBy)
    await sleep(Math.min(LOOK_AGAIN_MS, left), signal)
  }
}

export interface Taken {
  readonly epoch: bigint
  readonly checkpoint: Checkpoint | null
}

/** A lease as it is stored in a row. */
export interface StoredLease {
  readonly holder: Holder
  readonly epoch: string
  /** It was not renewed in time, by the target's clock. */
  readonly stale: boolean
}

/** The lease in a row with the columns host, space, pid, started and epoch. */
export function storedLease(
  row: Readonly<Record<string, string | null>>,
  stale: boolean,
): StoredLease {
  const holder = {
    host: row['host'] ?? '',
    space: row['space'] ?? null,
    pid: Number(row['pid']),
    started: row['started'] ?? null,
  }
  return { holder, epoch: row['epoch'] ?? '', stale }
}

/** Another process was first: the lease is not the one that was seen. */
export class Outrun extends Error {
  override readonly name = 'Outrun'
}

/** What taking over consists of where a lease is a row; each is a statement or a few. */
export interface Ledger {
  /** Creates the state where there is none. Throws HF-X106 when a later version made it. */
  ensure(): Promise<void>
  lease(): Promise<StoredLease | null>
  /** Ends what the one that stopped left open, as far as that is allowed: it only holds locks. */
  evict(epoch: string): Promise<void>
  /**
   * In one transaction: a new epoch, and the lease for it. Waits for the mirror's row no longer
   * than a lease lasts. Throws Outrun when the lease has another epoch than `seen` by then.
   */
  take(seen: string | null, self: Holder): Promise<Taken>
  /** The row was not had in time. */
  isBusy(error: unknown): boolean
}

/**
 * Takes the mirror: a new epoch and the lease. A lease that was not renewed in time, or whose
 * process is known to be gone, is taken over at once; a live one is waited for.
 */
export async function takeOver(
  contest: Contest,
  ledger: Ledger,
  signal: AbortSignal,
): Promise<Taken> {
  const self = await thisProcess()
  await ledger.ensure()
  return await contend(contest, () => attempt(ledger, self), signal)
}

async function attempt(ledger: Ledger, self: Holder): Promise<Tried<Taken>> {
  const lease = await ledger.lease()
  if (lease !== null) {
    if (!lease.stale && !(await isGone(lease.holder))) return { heldBy: lease.holder }
    await ledger.evict(lease.epoch)
  }
  try {
    return await ledger.take(lease?.epoch ?? null, self)
  } catch (error) {
    // Somebody else was first, or its last batch still holds the row: look again.
    const again = error instanceof Outrun || ledger.isBusy(error)
    if (again) return { heldBy: lease?.holder ?? self }
    throw error
  }
}

/** What a session of a claim is for, as the server's list of connections shows it. */
export function purposeOf(work: 'apply' | 'copy' | 'lease', epoch: bigint | string): string {
  return `${work}:${epoch}`
}
