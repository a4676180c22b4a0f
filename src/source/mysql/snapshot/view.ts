import type { Charsets } from '../../../dialect/mysql/charset-wide.ts'
import { qualified } from '../../../dialect/mysql/quote.ts'
import { asFault, Fault } from '../../../model/fault.ts'
import type { Positions } from '../../../model/position.ts'
import { type Table, tableName } from '../../../model/table.ts'
import { frame, type Tuple } from '../../../model/tuple.ts'
import type { FilePlace } from '../place.ts'
import type { Overlay } from './overlay.ts'
import type { RawSession } from './raw.ts'
import { TextRows } from './text-rows.ts'

/** A session with its snapshot, and the place that it stands at where that is known. */
export interface Seat {
  readonly raw: RawSession
  readonly place: FilePlace | null
}

export interface Seen {
  /** The newest first. */
  readonly seats: readonly Seat[]
  readonly overlays: ReadonlyMap<string, Overlay>
  readonly positions: Positions
  readonly charsets: Charsets
  readonly label: string
}

/** Which rows of a table. */
export interface Wanted {
  /** What stands behind WHERE; null for all rows. */
  readonly where: string | null
  /** With those that the log holds between the snapshots and `positions`, wherever they belong. */
  readonly later: boolean
  /** Called where the view shows none, before the reading ends. */
  readonly none?: () => Promise<void>
}

/** Tables at one place of the log, seen through sessions that stand a little before it. */
export class View implements AsyncDisposable {
  readonly positions: Positions
  readonly #seen: Seen
  readonly #resources: AsyncDisposableStack
  readonly #idle: Seat[]
  readonly #waiting: { readonly newest: boolean; readonly turn: PromiseWithResolvers<Seat> }[] = []

  constructor(resources: AsyncDisposableStack, seen: Seen) {
    this.#resources = resources
    this.#seen = seen
    this.#idle = [...seen.seats]
    this.positions = seen.positions
  }

  /** Framed tuples, whole ones in a piece. Throws Fault; HF-L109 when the view is gone. */
  async *read(table: Table, wanted: Wanted, signal: AbortSignal): AsyncGenerator<Buffer, void> {
    const rows = new TextRows(table, this.#seen.charsets)
    const where = wanted.where === null ? '' : ` WHERE ${wanted.where}`
    const sql = `SELECT ${rows.columns} FROM ${qualified(table)}${where}`
    const overlay = this.#seen.overlays.get(table.id)
    let none = true
    for await (const packets of this.query(table, sql, signal)) {
      none &&= packets.length === 0
      for (const piece of rows.take(packets)) {
        yield overlay === undefined || overlay.isEmpty ? piece : overlaid(piece, overlay)
      }
    }
    if (none) await wanted.none?.()
    if (wanted.later && overlay !== undefined) yield frame(overlay.rows)
  }

  /** The packets of a query of the table on the view's own snapshot. Throws as `read`. */
  async *query(
    table: Table,
    sql: string,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Buffer[], void> {
    const seat = await this.#take(table.identity.by !== 'key')
    try {
      // What a transaction has read nobody may alter until it ends, or goes back to before that.
      await seat.raw.run('SAVEPOINT holdfast')
      yield* seat.raw.rows(sql, signal)
      await seat.raw.run('ROLLBACK TO SAVEPOINT holdfast')
    } catch (error) {
      signal.throwIfAborted()
      throw this.#named(error, table)
    } finally {
      this.#give(seat)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
    for (const { turn } of this.#waiting.splice(0)) turn.reject(this.#gone('it was closed'))
  }

  /** `newest`: the one whose snapshot is. */
  #take(newest: boolean): Promise<Seat> {
    const first = this.#seen.seats[0]
    const of = newest && first !== undefined
    const at = of ? this.#idle.indexOf(first) : this.#idle.length - 1
    const seat = this.#idle[at]
    if (seat !== undefined) {
      this.#idle.splice(at, 1)
      return Promise.resolve(seat)
    }
    const usable = this.#seen.seats.some(({ raw }) => !raw.session.lost.aborted)
    if (!usable) return Promise.reject(this.#gone('its sessions ended'))
    const turn = Promise.withResolvers<Seat>()
    this.#waiting.push({ newest, turn })
    return turn.promise
  }

  #give(seat: Seat): void {
    if (!seat.raw.usable) {
      if (this.#seen.seats.some(({ raw }) => raw.usable || !raw.session.lost.aborted)) return
      for (const { turn } of this.#waiting.splice(0)) turn.reject(this.#gone('its sessions ended'))
      return
    }
    const isNewest = seat === this.#seen.seats[0]
    const next = this.#waiting.findIndex(({ newest }) => isNewest || !newest)
    const [waiting] = next < 0 ? [] : this.#waiting.splice(next, 1)
    if (waiting === undefined) this.#idle.push(seat)
    else waiting.turn.resolve(seat)
  }

  #gone(why: string): Fault {
    return new Fault('HF-L109', {
      what: `the view of ${this.#seen.label} is gone: ${why}`,
      side: 'source',
    })
  }

  /** A table that was altered or emptied is not shown any more, and a lost session has no view. */
  #named(error: unknown, table: Table): Fault {
    const fault = asFault(error)
    const errno = fault.detail.evidence?.['errno'] ?? ''
    if (!CHANGED.has(errno) && !['HF-S101', 'HF-S108'].includes(fault.code)) return fault
    const name = tableName(table)
    const why = CHANGED.has(errno) ? 'it was altered, emptied or dropped' : fault.message
    return unseen(name, why, error)
  }
}

/** A table that a view does not show as it was. */
export function unseen(table: string, why: string, cause?: unknown): Fault {
  const what = `${table} cannot be read in the view any more: ${why}`
  return new Fault('HF-L109', { what, side: 'source', table, ...(cause ? { cause } : {}) })
}

/** ER_TABLE_DEF_CHANGED, ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR */
const CHANGED: ReadonlySet<string> = new Set(['1412', '1146', '1054'])

function overlaid(framed: Buffer, overlay: Overlay): Buffer {
  const kept: Tuple[] = []
  for (let at = 0; at < framed.length; ) {
    const end = at + 4 + framed.readInt32BE(at)
    const tuple = overlay.over(framed.subarray(at + 4, end))
    if (tuple !== null) kept.push(tuple)
    at = end
  }
  return frame(kept)
}
