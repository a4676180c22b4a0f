import type { RowChange } from '../../../model/change.ts'
import { Fault } from '../../../model/fault.ts'
import { type Table, tableName } from '../../../model/table.ts'
import { locate, type Tuple, UNCHANGED } from '../../../model/tuple.ts'

/**
 * What a view of a table lacks of a later place: the last row of each key that was touched between
 * the two. It does not matter whether the view holds a change already, so that nobody has to know.
 */
export class Overlay {
  readonly #table: Table
  readonly #key: readonly number[]
  readonly #rows = new Map<string, Tuple | null>()
  #emptied = false
  #bytes = 0

  /** Of a table with a key. */
  constructor(table: Table) {
    this.#table = table
    this.#key = table.identity.by === 'key' ? table.identity.columns : []
  }

  get isEmpty(): boolean {
    return this.#rows.size === 0 && !this.#emptied
  }

  /** Of memory, about. */
  get bytes(): number {
    return this.#bytes
  }

  add({ row, old }: RowChange): void {
    if (row === null) {
      if (old !== null) this.#put(old, null)
      return
    }
    const from = old ?? row
    const known = this.#rows.get(keyOf(from, this.#key)) ?? old
    const whole = known === null ? row : merged(known, row)
    const moves = old !== null && keyOf(old, this.#key) !== keyOf(row, this.#key)
    // Which row lends the rest is not known while both keys may be another row's in the view.
    if (moves && hasUnchanged(whole)) throw unclear(this.#table)
    if (moves) this.#put(old, null)
    this.#put(whole, whole)
  }

  truncate(): void {
    this.#rows.clear()
    this.#emptied = true
  }

  #put(key: Tuple, row: Tuple | null): void {
    this.#rows.set(keyOf(key, this.#key), row === null ? null : Buffer.from(row))
    this.#bytes += (row?.length ?? 0) + key.length + 100
  }

  /** A row of the view as it is at the later place; null when it is not one of the view's there. */
  over(tuple: Tuple): Tuple | null {
    if (this.#emptied) return null
    const row = this.#rows.get(keyOf(tuple, this.#key))
    if (row === undefined) return tuple
    return row === null || !hasUnchanged(row) ? null : merged(tuple, row)
  }

  /** The rows that `over` leaves out, as they are at the later place. */
  get rows(): readonly Tuple[] {
    return [...this.#rows.values()].filter(
      (row): row is Tuple => row !== null && !hasUnchanged(row),
    )
  }
}

function unclear(table: Table): Fault {
  const what = `a key of ${tableName(table)} changed while the view was opened, and the log leaves out its row`
  return new Fault('HF-L109', { what, side: 'source', table: tableName(table) })
}

const offsets: number[] = []
const others: number[] = []

/** The cells of `columns` as a string. */
function keyOf(tuple: Tuple, columns: readonly number[]): string {
  locate(tuple, offsets)
  let key = ''
  for (const i of columns) key += tuple.toString('latin1', offsets[i], offsets[i + 1])
  return key
}

function hasUnchanged(tuple: Tuple): boolean {
  const count = locate(tuple, offsets)
  for (let i = 0; i < count; i++) if (tuple[offsets[i] ?? 0] === UNCHANGED) return true
  return false
}

/** `over` with its unchanged cells taken from `base`. */
function merged(base: Tuple, over: Tuple): Tuple {
  if (!hasUnchanged(over)) return over
  const count = locate(over, offsets)
  if (locate(base, others) !== count) throw new RangeError('tuples of different widths')
  const pieces: Buffer[] = [over.subarray(0, 2)]
  for (let i = 0; i < count; i++) {
    const kept = over[offsets[i] ?? 0] === UNCHANGED
    const from = kept ? others : offsets
    pieces.push((kept ? base : over).subarray(from[i], from[i + 1]))
  }
  return Buffer.concat(pieces)
}
