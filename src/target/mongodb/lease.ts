import { randomUUID } from 'node:crypto'
import type { Collection, Document } from 'mongodb'
import { monotonic, sleep, within } from '../../async/clock.ts'
import type { Turn } from '../../async/turn.ts'
import type { Connection } from '../../dialect/mongodb/connect.ts'
import { faultOf, serverCode } from '../../dialect/mongodb/errors.ts'
import type { Tried } from '../claiming.ts'
import { type Holder, isGone, thisProcess } from '../holder.ts'
import { fenced, LEASE_MS } from '../holding.ts'
import { Lease } from '../lease.ts'
import { DUPLICATE } from './commands.ts'
import { COMMAND_MS, PATIENT_LEASE_MS, STATE, STILL_LOOK_MS } from './config.ts'

/**
 * Who may write, in a document of its own: a transaction that writes rows is not to be in conflict
 * with what renews the lease. `still` is the wish of a comparison that nothing be applied.
 */
export interface StoredLease extends Document {
  readonly _id: string
  /** Drawn by the holder; null when the mirror was given back. */
  readonly token: string | null
  readonly host: string
  readonly space: string | null
  readonly pid: number
  readonly started: string | null
  /** By the server's clock. */
  readonly renewed: Date
  readonly still?: { readonly token: string; readonly until: Date } | null
  /** The wish that is fulfilled at the moment. */
  readonly standing?: string | null
}

export function leases(on: Connection): Collection<StoredLease> {
  return on.db.collection<StoredLease>(STATE)
}

/** Not the name of a mirror. */
export function leaseId(mirror: string): string {
  return `${mirror}/lease`
}

/** Milliseconds since 1970 by the server's clock. */
export async function serverTime(on: Connection): Promise<number> {
  const { localTime } = await on.db.command({ hello: 1 })
  return localTime instanceof Date ? localTime.getTime() : 0
}

/** True while a holder may still be writing. */
export function isLive(lease: StoredLease | null, now: number, on: Connection): boolean {
  if (lease?.token == null) return false
  return now - lease.renewed.getTime() <= (on.transactions ? LEASE_MS : PATIENT_LEASE_MS)
}

/** One try to take the lease of a mirror. */
export async function takeLease(
  on: Connection,
  mirror: string,
): Promise<Tried<{ readonly lease: StoredLease }>> {
  const _id = leaseId(mirror)
  try {
    const [seen, now] = [await leases(on).findOne({ _id }), await serverTime(on)]
    if (seen !== null && isLive(seen, now, on)) {
      const holder = holderOf(seen)
      // The epoch stops a process that is gone inside of its transaction, wherever that got to.
      if (!on.transactions || !(await isGone(holder))) return { heldBy: holder }
    }
    const self = await thisProcess()
    const lease = await leases(on).findOneAndUpdate(
      { _id, ...(seen === null ? {} : { token: seen.token }) },
      { $set: { token: randomUUID(), standing: null, ...self }, $currentDate: { renewed: true } },
      { upsert: seen === null, returnDocument: 'after' },
    )
    return lease === null ? { heldBy: seen === null ? self : holderOf(seen) } : { lease }
  } catch (error) {
    if (serverCode(error) === DUPLICATE) return { heldBy: await thisProcess() }
    throw faultOf(error, { doing: 'claiming the mirror', label: on.label })
  }
}

function holderOf({ host, space, pid, started }: StoredLease): Holder {
  return { host, space, pid, started }
}

/** Keeps a claim alive, and lets a comparison have the target to itself when it asks. */
export class MongoLease implements AsyncDisposable {
  readonly #on: Connection
  readonly #mirror: string
  readonly #token: string
  readonly #turn: Turn
  readonly #kept: Lease
  /** When the newest renewal that was answered was sent. */
  #renewed = monotonic()
  #still: Promise<void> | null = null
  readonly #sent = new Set<Promise<void>>()
  #closed = false

  constructor(on: Connection, mirror: string, options: { lease: StoredLease; turn: Turn }) {
    this.#on = on
    this.#mirror = mirror
    this.#token = options.lease.token ?? ''
    this.#turn = options.turn
    this.#kept = new Lease({
      label: on.label,
      renew: () => this.#renew(),
      give: () => this.#give(),
    })
    this.#heed(options.lease)
  }

  get lost(): AbortSignal {
    return this.#kept.lost
  }

  /**
   * Sends a command that takes COMMAND_MS at most. Without transactions it must have ended before
   * anybody can take the mirror over.
   */
  async send<T>(command: () => Promise<T>): Promise<T> {
    this.#refuseOver()
    const longest = PATIENT_LEASE_MS - COMMAND_MS
    if (!this.#on.transactions && monotonic() - this.#renewed > longest) await this.renew()
    this.#refuseOver()
    const sent = command()
    const settled = sent.then(
      () => undefined,
      () => undefined,
    )
    this.#sent.add(settled)
    try {
      return await sent
    } finally {
      this.#sent.delete(settled)
    }
  }

  #refuseOver(): void {
    this.lost.throwIfAborted()
    if (this.#closed) throw fenced()
  }

  async renew(): Promise<void> {
    await this.#kept.renew()
  }

  async #renew(): Promise<void> {
    const sent = monotonic()
    const { label } = this.#on
    const lease = await leases(this.#on)
      .findOneAndUpdate(this.#own, { $currentDate: { renewed: true } }, { returnDocument: 'after' })
      .catch((error: unknown) => {
        throw faultOf(error, { doing: 'renewing the claim', label })
      })
    if (lease === null) {
      const fault = fenced()
      this.#kept.lose(fault)
      throw fault
    }
    this.#renewed = sent
    this.#heed(lease)
  }

  get #own(): { readonly _id: string; readonly token: string } {
    return { _id: leaseId(this.#mirror), token: this.#token }
  }

  /** Stands still between two batches for as long as somebody compares. */
  #heed({ still, renewed }: StoredLease): void {
    if (this.#still !== null || still == null || still.until <= renewed) return
    this.#still = this.#turn
      .take(() => this.#stand(still.token))
      .catch((error: unknown) => {
        const doing = 'standing still for a comparison'
        this.#kept.lose(faultOf(error, { doing, label: this.#on.label }))
      })
      .finally(() => {
        this.#still = null
      })
  }

  async #stand(token: string): Promise<void> {
    const wish = { ...this.#own, 'still.token': token }
    const { matchedCount } = await leases(this.#on).updateOne(wish, { $set: { standing: token } })
    for (let wished = matchedCount > 0; wished && !this.#over; ) {
      await sleep(STILL_LOOK_MS)
      const lease = await leases(this.#on).findOne(wish)
      const until = lease?.still?.until.getTime() ?? 0
      wished = lease !== null && until > (await serverTime(this.#on))
    }
    if (!this.#over) await leases(this.#on).updateOne(this.#own, { $set: { standing: null } })
  }

  get #over(): boolean {
    return this.#closed || this.lost.aborted
  }

  /** Nobody may have the mirror before all that was sent has ended; else the lease runs out. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#kept.stop()
    await this.#still
    const ended = Promise.all(this.#sent).then(() => true)
    if (await within(COMMAND_MS, ended, () => false)) await this.#kept[Symbol.asyncDispose]()
  }

  async #give(): Promise<void> {
    await leases(this.#on).updateOne(this.#own, { $set: { token: null, standing: null } })
  }
}
