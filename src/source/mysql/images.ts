import type { Change } from '../../model/change.ts'
import { Fault } from '../../model/fault.ts'
import { type Table, tableName } from '../../model/table.ts'
import { locate, NULL, type Tuple, UNCHANGED } from '../../model/tuple.ts'
import type { Row } from './rows/rows.ts'
import type { Followed } from './schema/force.ts'

/** A value of this many bytes that an update leaves alone is not sent once more. */
const LONG = 1024

/** What rows of an event are made into; kept by the caller, since this runs for each row. */
export class Images {
  readonly #before: number[] = []
  readonly #after: number[] = []
  readonly #mariadb: boolean
  readonly #keeps: boolean

  /** `before`: updates bring the row before, also where the key stays. */
  constructor(options: { readonly mariadb: boolean; readonly before: boolean }) {
    this.#mariadb = options.mariadb
    this.#keeps = options.before
  }

  /** Appends the changes of one event. Throws Fault HF-L116 where the log leaves out too much. */
  take(followed: Followed, rows: readonly Row[], into: Change[]): void {
    const { table } = followed
    for (const { before, after } of rows) {
      if (before === null && after !== null) {
        into.push({ kind: 'insert', table, row: this.#whole(followed, after), old: null })
      } else if (before !== null && after === null) {
        this.#requireIdentity(table, before)
        into.push({ kind: 'delete', table, row: null, old: before })
      } else if (before !== null && after !== null) {
        into.push(this.#update(followed, before, after))
      }
    }
  }

  /** A column that an insert does not mention holds its default; null is the only one that is known. */
  #whole({ table, mark }: Followed, row: Tuple): Tuple {
    const at = this.#after
    const count = locate(row, at)
    let absent = false
    for (let i = 0; i < count; i++) {
      if (row[at[i] ?? 0] !== UNCHANGED) continue
      absent = true
      const name = table.columns[i]?.name ?? ''
      if (!mark.nulls.includes(name)) throw leftOut(table, `${name} of a row that was inserted`)
    }
    if (!absent) return row
    const filled = Buffer.from(row)
    for (let i = 0; i < count; i++) {
      if (row[at[i] ?? 0] === UNCHANGED) filled[at[i] ?? 0] = NULL
    }
    return filled
  }

  #requireIdentity(table: Table, before: Tuple): void {
    const at = this.#before
    const count = locate(before, at)
    const { identity } = table
    const needed =
      identity.by === 'key' ? identity.columns : Array.from({ length: count }, (_, i) => i)
    for (const i of needed) {
      if (before[at[i] ?? 0] !== UNCHANGED) continue
      throw leftOut(table, `${table.columns[i]?.name ?? ''}, by which its rows are found`)
    }
  }

  #update(followed: Followed, before: Tuple, after: Tuple): Change {
    const { table } = followed
    this.#requireIdentity(table, before)
    const [from, to] = [this.#before, this.#after]
    const count = locate(after, to)
    const { identity } = table
    const whole = identity.by !== 'key'
    let moved = whole
    for (const i of whole ? [] : identity.columns) {
      if (after[to[i] ?? 0] === UNCHANGED || alike({ before, after, from, to }, i)) continue
      moved = true
    }
    const fill: number[] = []
    const drop: number[] = []
    for (let i = 0; i < count; i++) {
      const kind = after[to[i] ?? 0]
      const isKey = whole || (identity.by === 'key' && identity.columns.includes(i))
      if (kind === UNCHANGED) {
        this.#requireDerived(followed, i)
        if (isKey) fill.push(i)
      } else if (!isKey && size(to, i) >= LONG && alike({ before, after, from, to }, i)) {
        drop.push(i)
      }
    }
    const change = { before, after, count, fill, drop }
    const row = fill.length + drop.length === 0 ? after : this.#rebuilt(change)
    return { kind: 'update', table, row, old: moved || this.#keeps ? before : null }
  }

  /** MariaDB leaves out what it works out by itself although it changed. */
  #requireDerived({ table, mark }: Followed, column: number): void {
    if (!this.#mariadb || mark.generated.length === 0) return
    const name = table.columns[column]?.name ?? ''
    if (mark.generated.includes(name)) throw leftOut(table, `${name}, which is generated`)
  }

  /** `after` with some cells from before the change, and others marked as unchanged. */
  #rebuilt({ before, after, count, fill, drop }: Rebuild): Tuple {
    const [from, to] = [this.#before, this.#after]
    const pieces: Buffer[] = [after.subarray(0, 2)]
    for (let i = 0; i < count; i++) {
      if (fill.includes(i)) pieces.push(before.subarray(from[i], from[i + 1]))
      else if (drop.includes(i)) pieces.push(LEFT_ALONE)
      else pieces.push(after.subarray(to[i], to[i + 1]))
    }
    return Buffer.concat(pieces)
  }
}

const LEFT_ALONE = Buffer.from([UNCHANGED])

interface Rebuild {
  readonly before: Tuple
  readonly after: Tuple
  readonly count: number
  readonly fill: readonly number[]
  readonly drop: readonly number[]
}

interface Both {
  readonly before: Tuple
  readonly after: Tuple
  /** Where cells begin. */
  readonly from: readonly number[]
  readonly to: readonly number[]
}

function size(at: readonly number[], i: number): number {
  return (at[i + 1] ?? 0) - (at[i] ?? 0)
}

function alike({ before, after, from, to }: Both, i: number): boolean {
  const [a, b] = [from[i] ?? 0, to[i] ?? 0]
  const [aEnd, bEnd] = [from[i + 1] ?? 0, to[i + 1] ?? 0]
  return aEnd - a === bEnd - b && before.compare(after, b, bEnd, a, aEnd) === 0
}

function leftOut(table: Table, what: string): Fault {
  const name = tableName(table)
  return new Fault('HF-L116', {
    what: `the log leaves out a value of ${name}: ${what}`,
    side: 'source',
    table: name,
  })
}
