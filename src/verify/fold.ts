import { keyOf, merge } from '../apply/cells.ts'
import type { RowChange } from '../model/change.ts'
import type { TableMode } from '../model/checkpoint.ts'
import type { Table } from '../model/table.ts'
import { cell, cells, locate, type Tuple, UNCHANGED } from '../model/tuple.ts'

/** What is to come on top of the rows of one end before both ends can be compared. */
export type Pending = KeyedPending | RowsPending

export function pendingOf(table: Table, options: PendingOptions): Pending {
  return table.identity.by === 'key'
    ? new KeyedPending(table.identity.columns, options)
    : new RowsPending(options)
}

export interface PendingOptions {
  readonly mode: TableMode
  /** The changes were not carried out at this end by the mirror yet, or by the source itself. */
  readonly end: 'source' | 'target'
}

/** What becomes of one key. */
export interface Outcome {
  /** The identifying cells. */
  readonly key: Tuple
  /** The row in the end; null when it is gone. */
  readonly row: Tuple | null
  /** The key whose row supplies the unchanged cells of `row`; null when it has none. */
  readonly base: string | null
  /** What the end must hold before; null when either is right. */
  readonly expects: 'present' | 'absent' | null
}

/** The changes of a table with a key, one outcome for each key that they touch. */
export class KeyedPending {
  readonly outcomes = new Map<string, Outcome>()
  /** Nothing of the rows that the end holds remains. */
  truncated = false
  readonly #key: readonly number[]
  readonly #strict: boolean
  readonly #keeps: boolean

  constructor(key: readonly number[], { mode, end }: PendingOptions) {
    this.#key = key
    this.#strict = end === 'target' && mode !== 'merge' && mode !== 'put'
    this.#keeps = end === 'target' && mode === 'merge'
  }

  get size(): number {
    return this.outcomes.size
  }

  add({ kind, row, old }: RowChange): void {
    if (kind === 'insert' && row !== null) this.#put(row, null, 'absent')
    else if (kind === 'update' && row !== null) this.#update(row, old ?? row)
    else if (kind === 'delete' && old !== null && !this.#keeps) this.#remove(old)
  }

  truncate(): void {
    if (this.#keeps) return
    this.outcomes.clear()
    this.truncated = true
  }

  #update(changed: Tuple, old: Tuple): void {
    const row = withKeyOf(changed, old, this.#key)
    const from = keyOf(old, this.#key)
    const before = this.outcomes.get(from)
    const whole = before?.row == null ? row : merge(before.row, row)
    const base = before?.row == null ? from : before.base
    const to = keyOf(row, this.#key)
    if (to === from) this.#put(whole, base, 'present')
    else {
      this.#remove(old)
      this.#put(whole, base, 'absent')
    }
  }

  /** `expects`: what the end holds of the key when this is the first that is heard of it. */
  #put(row: Tuple, base: string | null, expects: 'present' | 'absent'): void {
    const key = keyOf(row, this.#key)
    const known = this.outcomes.get(key)
    this.outcomes.set(key, {
      key: known?.key ?? project(row, this.#key),
      row,
      base: base !== null && hasUnchanged(row) ? base : null,
      expects: known === undefined ? this.#expected(expects) : known.expects,
    })
  }

  #remove(old: Tuple): void {
    const key = keyOf(old, this.#key)
    const known = this.outcomes.get(key)
    this.outcomes.set(key, {
      key: known?.key ?? project(old, this.#key),
      row: null,
      base: null,
      expects: known === undefined ? this.#expected('present') : known.expects,
    })
  }

  #expected(expects: 'present' | 'absent'): 'present' | 'absent' | null {
    return this.#strict && !this.truncated ? expects : null
  }
}

/**
 * The row in the end, given the row of `outcome.base`. `undefined` when the end lacks the row that
 * unchanged cells would come from.
 */
export function resolve(outcome: Outcome, base: Tuple | undefined): Tuple | null | undefined {
  if (outcome.row === null || outcome.base === null) return outcome.row
  return base === undefined ? undefined : merge(base, outcome.row)
}

/** The changes of a table without a key: how many more or fewer there will be of each row. */
export class RowsPending {
  readonly #rows = new Map<string, { readonly row: Tuple; delta: number }>()
  readonly #keeps: boolean
  truncated = false

  constructor({ mode, end }: PendingOptions) {
    this.#keeps = end === 'target' && mode === 'merge'
  }

  get size(): number {
    return this.#rows.size
  }

  /** Rows with the number by which they change; never 0. */
  get deltas(): readonly { readonly row: Tuple; readonly delta: number }[] {
    return [...this.#rows.values()].filter(({ delta }) => delta !== 0)
  }

  add({ kind, row, old }: RowChange): void {
    if (kind !== 'insert' && old !== null && !(kind === 'delete' && this.#keeps)) {
      this.#count(old, -1)
    }
    if (kind !== 'delete' && row !== null) this.#count(old === null ? row : merge(old, row), 1)
  }

  truncate(): void {
    if (this.#keeps) return
    this.#rows.clear()
    this.truncated = true
  }

  #count(row: Tuple, by: number): void {
    const bytes = row.toString('latin1')
    const known = this.#rows.get(bytes)
    if (known === undefined) this.#rows.set(bytes, { row, delta: by })
    else known.delta += by
  }
}

/** A tuple of these cells alone. */
function project(tuple: Tuple, columns: readonly number[]): Tuple {
  const offsets: number[] = []
  locate(tuple, offsets)
  return assemble(columns.map((i) => tuple.subarray(offsets[i], offsets[i + 1])))
}

/** A key that is stored apart from its row comes unchanged in the row, and whole in `old`. */
function withKeyOf(row: Tuple, old: Tuple, key: readonly number[]): Tuple {
  if (!key.some((i) => cell(row, i).kind === UNCHANGED)) return row
  const [ours, theirs]: [number[], number[]] = [[], []]
  locate(row, ours)
  locate(old, theirs)
  const pieces = ours.slice(0, -1).map((from, i) => {
    const taken = row[from] === UNCHANGED && key.includes(i)
    return taken ? old.subarray(theirs[i], theirs[i + 1]) : row.subarray(from, ours[i + 1])
  })
  return assemble(pieces)
}

function assemble(pieces: readonly Buffer[]): Tuple {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(pieces.length, 0)
  return Buffer.concat([head, ...pieces])
}

function hasUnchanged(tuple: Tuple): boolean {
  for (let i = 0; i < cells(tuple); i++) if (cell(tuple, i).kind === UNCHANGED) return true
  return false
}
