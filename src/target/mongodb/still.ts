import { randomUUID } from 'node:crypto'
import { every, monotonic, sleep, type Ticker } from '../../async/clock.ts'
import type { Connection } from '../../dialect/mongodb/connect.ts'
import { faultOf } from '../../dialect/mongodb/errors.ts'
import { Fault } from '../../model/fault.ts'
import { STILL_AGAIN_MS, STILL_LOOK_MS, STILL_MS } from './config.ts'
import { isLive, leaseId, leases, type StoredLease, serverTime } from './lease.ts'

/** How long a mirror may take to come to the end of a batch. */
const PATIENCE_MS = 60_000

/**
 * Has a mirror apply nothing for a while: what is read then is of one moment, without a view that
 * the server would have to keep. The wish is a field of the mirror's lease; it runs out by itself
 * when whoever has it is gone.
 */
export class Still implements AsyncDisposable {
  readonly #on: Connection
  readonly #mirror: string
  readonly #token = randomUUID()
  #ticker: Ticker | null = null
  #renewed = monotonic()
  #broken = false

  private constructor(on: Connection, mirror: string) {
    this.#on = on
    this.#mirror = mirror
  }

  /** Returns when the mirror stands still. Throws HF-T201 when it does not within a minute. */
  static async begin(on: Connection, mirror: string): Promise<Still> {
    const still = new Still(on, mirror)
    try {
      await still.#begin()
      return still
    } catch (error) {
      await still[Symbol.asyncDispose]()
      throw faultOf(error, { doing: 'comparing', label: on.label })
    }
  }

  /** Nothing was applied since it began. */
  get unbroken(): boolean {
    return !this.#broken && monotonic() - this.#renewed < STILL_MS
  }

  async #begin(): Promise<void> {
    const until = monotonic() + PATIENCE_MS
    for (; ; await sleep(STILL_LOOK_MS)) {
      if (monotonic() > until) throw this.#late()
      const lease = await this.#wish()
      if (lease === null) continue
      this.#keep()
      if (!isLive(lease, await serverTime(this.#on), this.#on)) return
      if (await this.#stands(until)) return
    }
  }

  /** The wish lasts, also while a long batch comes to its end. */
  #keep(): void {
    this.#renewed = monotonic()
    this.#ticker ??= every(
      STILL_AGAIN_MS,
      () => this.#again(),
      () => {
        this.#broken = true
      },
    )
  }

  /** Null while somebody else has the mirror stand still. */
  async #wish(): Promise<StoredLease | null> {
    const now = await serverTime(this.#on)
    const _id = leaseId(this.#mirror)
    const free = [{ still: null }, { 'still.token': this.#token }]
    const passed = { 'still.until': { $lt: new Date(now) } }
    return await leases(this.#on).findOneAndUpdate(
      { _id, $or: [...free, passed] },
      { $set: { still: { token: this.#token, until: new Date(now + STILL_MS) } } },
      { returnDocument: 'after' },
    )
  }

  /** False when nobody holds the mirror any more, or somebody else does. */
  async #stands(until: number): Promise<boolean> {
    for (; monotonic() < until; await sleep(STILL_LOOK_MS)) {
      const lease = await leases(this.#on).findOne({ _id: leaseId(this.#mirror) })
      if (lease?.standing === this.#token) return true
      if (lease === null || !isLive(lease, await serverTime(this.#on), this.#on)) return false
    }
    throw this.#late()
  }

  #late(): Fault {
    return new Fault('HF-T201', {
      what: `the mirror ${this.#mirror} has not come to a standstill within ${PATIENCE_MS / 1000} s`,
      side: 'target',
    })
  }

  async #again(): Promise<void> {
    const sent = monotonic()
    const until = new Date((await serverTime(this.#on)) + STILL_MS)
    const { matchedCount } = await leases(this.#on).updateOne(
      { _id: leaseId(this.#mirror), 'still.token': this.#token },
      { $set: { 'still.until': until } },
    )
    if (matchedCount === 0) this.#broken = true
    else if (!this.#broken) this.#renewed = sent
  }

  /** The mirror goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ticker?.stop()
    const own = { _id: leaseId(this.#mirror), 'still.token': this.#token }
    await leases(this.#on)
      .updateOne(own, { $set: { still: null } })
      .catch(() => undefined)
  }
}
