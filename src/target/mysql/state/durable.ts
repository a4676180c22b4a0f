import type { Session } from '../../../dialect/mysql/connect.ts'
import type { Positions } from '../../../model/position.ts'

/** Places of the server's redo log. */
export interface LogPlace {
  readonly current: bigint
  /** Up to here it is on disk. */
  readonly flushed: bigint
}

/**
 * True when a commit that returned is on disk. With a binary log a transaction whose commit is not
 * in the redo log yet lives or dies with the binary log, so that this has to be on disk, too.
 */
export async function flushesCommits(session: Session): Promise<boolean> {
  const [row] = await session.query(
    `SELECT @@global.innodb_flush_log_at_trx_commit AS redo, @@global.log_bin AS log,
       @@global.sync_binlog AS sync`,
  )
  return row?.['redo'] === '1' && (row['log'] === '0' || row['sync'] === '1')
}

/** MariaDB's names and those of MySQL from 8.0.30 on. */
const CURRENT = ['innodb_lsn_current', 'innodb_redo_log_current_lsn']
const FLUSHED = ['innodb_lsn_flushed', 'innodb_redo_log_flushed_to_disk_lsn']

/** Null where the server does not tell. */
export async function logPlace(session: Session): Promise<LogPlace | null> {
  const names = [...CURRENT, ...FLUSHED].map((name) => `'${name}'`).join(', ')
  const rows = await session.query(`SHOW GLOBAL STATUS WHERE Variable_name IN (${names})`)
  const values = new Map(
    rows.map((row) => [row['Variable_name']?.toLowerCase() ?? '', row['Value'] ?? '']),
  )
  const find = (wanted: readonly string[]): string | undefined =>
    wanted.map((name) => values.get(name)).find((value) => value !== undefined)
  const [current, flushed] = [find(CURRENT), find(FLUSHED)]
  if (current === undefined || flushed === undefined) return null
  return { current: BigInt(current), flushed: BigInt(flushed) }
}

/**
 * What a crash of the target can no longer take back (promise 1). Commits of a server that does not
 * wait for its disk are durable once the redo log is on disk up to where it stood after them.
 */
export class Durable {
  #positions: Positions
  /** Oldest first; `end` is null until the log was looked at after the commit. */
  #waiting: { readonly positions: Positions; end: bigint | null }[] = []

  constructor(positions: Positions) {
    this.#positions = positions
  }

  get positions(): Positions {
    return this.#positions
  }
  get settled(): boolean {
    return this.#waiting.length === 0
  }

  /** A commit that returned. */
  committed(positions: Positions, flushed: boolean): void {
    if (flushed) this.settle(positions)
    else this.#waiting.push({ positions, end: null })
  }

  /** On disk, whatever else waits. */
  settle(positions: Positions): void {
    this.#positions = positions
    this.#waiting = []
  }

  /** Lanes were added, which is on disk. */
  added(lanes: Positions): void {
    const more = (positions: Positions): Positions => new Map([...positions, ...lanes])
    this.#positions = more(this.#positions)
    this.#waiting = this.#waiting.map(({ positions, end }) => ({ positions: more(positions), end }))
  }

  /** Number of commits that were there when a look at the log was begun. */
  get commits(): number {
    return this.#waiting.length
  }
  /** What a look showed that was begun after the first `commits` ones. */
  looked(place: LogPlace, commits: number): void {
    for (const waiting of this.#waiting.slice(0, commits)) waiting.end ??= place.current
    let done = 0
    for (const { end, positions } of this.#waiting) {
      if (end === null || end > place.flushed) break
      this.#positions = positions
      done++
    }
    this.#waiting.splice(0, done)
  }
}
