import { sleep } from '../../../async/clock.ts'
import type { Session } from '../../../dialect/mysql/connect.ts'
import type { Positions } from '../../../model/position.ts'
import { Durable, flushesCommits, logPlace } from './durable.ts'

/** How often the log is looked at while somebody waits for the disk. */
const LOOK_MS = 20

/** What the server has on disk, asked over a connection that no batch keeps busy. */
export class Disk {
  readonly #session: Session
  readonly #durable: Durable
  /** The server waits for its disk at each commit. */
  #strict = false
  /** The account may have the redo log flushed. */
  #mayFlush = true

  constructor(session: Session, positions: Positions) {
    this.#session = session
    this.#durable = new Durable(positions)
  }

  get positions(): Positions {
    return this.#durable.positions
  }
  /** A commit that returned. */
  committed(positions: Positions): void {
    this.#durable.committed(positions, this.#strict)
  }
  /** Lanes were added. */
  added(lanes: Positions): void {
    this.#durable.added(lanes)
  }
  /** On disk, whatever else waits. */
  settle(positions: Positions): void {
    this.#durable.settle(positions)
  }

  /** Asks what the server does at commits, and how far it is. */
  async look(): Promise<void> {
    this.#strict = await flushesCommits(this.#session)
    if (!this.#durable.settled) await this.#look()
  }

  /** Returns when all that has committed is on disk; the server flushes at least each second. */
  async flushed(lost: AbortSignal): Promise<void> {
    while (!this.#durable.settled) {
      lost.throwIfAborted()
      if (this.#mayFlush) {
        const flushing = this.#session.query('FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS')
        await flushing.catch(() => {
          this.#mayFlush = false
        })
      }
      await this.#look()
      if (!this.#durable.settled) await sleep(LOOK_MS, lost)
    }
  }

  async #look(): Promise<void> {
    const { commits } = this.#durable
    const place = await logPlace(this.#session)
    if (place !== null) this.#durable.looked(place, commits)
  }
}
