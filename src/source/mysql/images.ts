import { type Changes, DELETE, INSERT, UPDATE } from '../../model/changes.ts'
import { Fault } from '../../model/fault.ts'
import { type Table, tableName } from '../../model/table.ts'
import { locate, NULL, type Tuple, UNCHANGED } from '../../model/tuple.ts'
import type { RowReader } from './rows/rows.ts'
import type { Followed } from './schema/force.ts'
import type { Follower } from './schema/shape.ts'

/** A value of this many bytes that an update leaves alone is not sent once more. */
const LONG = 1024

/** What rows of an event are made into; kept by the caller, since this runs for each row. */
export class Images {
  readonly #before: number[] = []
  readonly #after: number[] = []
  readonly #mariadb: boolean
  readonly #keeps: boolean
  #identity: { readonly table: Table; readonly columns: readonly number[] } | null = null

  /** `before`: updates bring the row before, also where the key stays. */
  constructor(options: { readonly mariadb: boolean; readonly before: boolean }) {
    this.#mariadb = options.mariadb
    this.#keeps = options.before
  }

  /**
   * Appends the changes of the event that the reader has begun. Throws Fault HF-L116 where the log
   * leaves out too much, and HF-D413 where it lacks what a foreign key did.
   */
  take(followed: Followed, rows: RowReader, into: Changes): void {
    const { table } = followed
    while (rows.next()) {
      if (rows.oldFrom < 0) this.#insert(followed, rows, into)
      else if (rows.from < 0) {
        if (!rows.wholeBefore) this.#requireIdentity(table, rows)
        into.add(DELETE, table, rows)
      } else this.#update(followed, rows, into)
    }
  }

  #insert(followed: Followed, rows: RowReader, into: Changes): void {
    const { table } = followed
    if (rows.wholeAfter) into.add(INSERT, table, rows)
    else into.push({ kind: 'insert', table, row: this.#filled(followed, rows), old: null })
  }

  /** A column that an insert does not mention holds its default; null is the only one that is known. */
  #filled({ table, mark }: Followed, { buffer, from, to }: RowReader): Tuple {
    const filled = Buffer.from(buffer.subarray(from, to))
    const at = this.#after
    const count = locate(filled, at)
    for (let i = 0; i < count; i++) {
      if (filled[at[i] ?? 0] !== UNCHANGED) continue
      const name = table.columns[i]?.name ?? ''
      if (!mark.nulls.includes(name)) throw leftOut(table, `${name} of a row that was inserted`)
      filled[at[i] ?? 0] = NULL
    }
    return filled
  }

  /** The columns by which rows are found: those of the key, or all. */
  #identityOf(table: Table): readonly number[] {
    if (this.#identity?.table === table) return this.#identity.columns
    const { identity } = table
    const columns = identity.by === 'key' ? identity.columns : table.columns.map((_, i) => i)
    this.#identity = { table, columns }
    return columns
  }

  #requireIdentity(table: Table, { buffer, oldFrom }: RowReader): void {
    const at = this.#before
    locate(buffer, at, oldFrom)
    for (const i of this.#identityOf(table)) {
      if (buffer[at[i] ?? 0] !== UNCHANGED) continue
      throw leftOut(table, `${table.columns[i]?.name ?? ''}, by which its rows are found`)
    }
  }

  #update(followed: Followed, rows: RowReader, into: Changes): void {
    const { table } = followed
    const { buffer, from, to, oldFrom, oldTo } = rows
    const whole = rows.wholeBefore && rows.wholeAfter
    if (!rows.wholeBefore) this.#requireIdentity(table, rows)
    locate(buffer, this.#before, oldFrom)
    locate(buffer, this.#after, from)
    if (followed.led.length > 0) this.#requireStill(followed, buffer)
    const keeps = this.#keeps || table.identity.by !== 'key' || this.#moves(table, buffer)
    const row = whole && to - from < LONG ? null : this.#rebuilt(followed, buffer)
    if (row === null) {
      if (!keeps) rows.forgetBefore()
      into.add(UPDATE, table, rows)
      return
    }
    const old = keeps ? buffer.subarray(oldFrom, oldTo) : null
    into.push({ kind: 'update', table, row, old })
  }

  /** Rows of other tables would change with this one, beside the log. */
  #requireStill({ table, led }: Followed, buffer: Buffer): void {
    for (const { column, follower } of led) {
      const [before, after] = [buffer[this.#before[column] ?? 0], buffer[this.#after[column] ?? 0]]
      // What is left out after a change is as it was.
      if (after === UNCHANGED || (before !== UNCHANGED && this.#alike(buffer, column))) continue
      throw carriedOn(table, table.columns[column]?.name ?? '', follower)
    }
  }

  /** True when the row has another key than before. */
  #moves(table: Table, buffer: Buffer): boolean {
    for (const i of this.#identityOf(table)) {
      if (buffer[this.#after[i] ?? 0] !== UNCHANGED && !this.#alike(buffer, i)) return true
    }
    return false
  }

  /**
   * The row after the change: with the cells of its identity that the log leaves out as they were
   * before, and long values that stay marked as unchanged; null where it is that already.
   */
  #rebuilt(followed: Followed, buffer: Buffer): Tuple | null {
    const [from, to] = [this.#before, this.#after]
    const identity = this.#identityOf(followed.table)
    const start = (to[0] ?? 0) - 2
    const pieces: Buffer[] = [buffer.subarray(start, start + 2)]
    const count = followed.table.columns.length
    let differs = false
    for (let i = 0; i < count; i++) {
      if (buffer[to[i] ?? 0] === UNCHANGED) {
        this.#requireDerived(followed, i)
        const filled = identity.includes(i)
        const at = filled ? from : to
        pieces.push(buffer.subarray(at[i], at[i + 1]))
        differs ||= filled
      } else if (!identity.includes(i) && size(to, i) >= LONG && this.#alike(buffer, i)) {
        pieces.push(LEFT_ALONE)
        differs = true
      } else pieces.push(buffer.subarray(to[i], to[i + 1]))
    }
    return differs ? Buffer.concat(pieces) : null
  }

  /** MariaDB leaves out what it works out by itself although it changed. */
  #requireDerived({ table, mark }: Followed, column: number): void {
    if (!this.#mariadb || mark.generated.length === 0) return
    const name = table.columns[column]?.name ?? ''
    if (mark.generated.includes(name)) throw leftOut(table, `${name}, which is generated`)
  }

  /** True when the cell is the same before and after the change. */
  #alike(buffer: Buffer, i: number): boolean {
    const [a, b] = [this.#before[i] ?? 0, this.#after[i] ?? 0]
    const length = size(this.#before, i)
    if (length !== size(this.#after, i)) return false
    if (length > LONG) return buffer.compare(buffer, b, b + length, a, a + length) === 0
    for (let n = 0; n < length; n++) if (buffer[a + n] !== buffer[b + n]) return false
    return true
  }
}

const LEFT_ALONE = Buffer.from([UNCHANGED])

function size(at: readonly number[], i: number): number {
  return (at[i + 1] ?? 0) - (at[i] ?? 0)
}

function carriedOn(table: Table, column: string, { name, ...child }: Follower): Fault {
  const label = tableName({ schema: child.schema, name: child.table })
  const what = `${column} of a row of ${tableName(table)} changed, and with it rows of ${label} by its foreign key ${name}, which are not in the log`
  return new Fault('HF-D413', { what, side: 'source', table: label })
}

function leftOut(table: Table, what: string): Fault {
  const name = tableName(table)
  return new Fault('HF-L116', {
    what: `the log leaves out a value of ${name}: ${what}`,
    side: 'source',
    table: name,
  })
}
