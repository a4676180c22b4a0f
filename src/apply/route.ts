import type { Change } from '../model/change.ts'
import type { TableMode, TableState } from '../model/checkpoint.ts'
import { type Compare, covers, type Positions } from '../model/position.ts'
import type { Table } from '../model/table.ts'

/** Leaves out of changes what is not for the target. */
export type Sieve = (changes: readonly Change[]) => readonly Change[]

/**
 * Decides which changes are for the target. A copied table holds everything up to its start, so
 * changes of transactions at or before it are dropped.
 */
export class Route {
  readonly #compare: Compare
  readonly #states: ReadonlyMap<string, TableState>
  /** Past this place no table's start needs to be looked at any more. */
  #behind: readonly TableState[]

  constructor(compare: Compare, states: readonly TableState[]) {
    this.#compare = compare
    this.#states = new Map(states.map((state) => [state.table.id, state]))
    this.#behind = states
  }

  readonly modeOf = (table: Table): TableMode => this.#states.get(table.id)?.mode ?? 'exact'

  /**
   * What the target is to see of a transaction that committed at `positions`. Asked in the order of
   * commits; what it returns holds for that transaction whatever is asked after it.
   */
  at(positions: Positions): Sieve {
    if (this.#behind.length > 0)
      this.#behind = this.#behind.filter((s) => this.#holds(s, positions))
    const behind = this.#behind
    if (behind.length === 0) return (changes) => changes
    const held = new Set(behind.map((state) => state.table.id))
    return (changes) => changes.flatMap((change) => withoutHeld(change, held))
  }

  /** True when the copy of this table holds the transaction already. */
  #holds(state: TableState, positions: Positions): boolean {
    return state.start !== null && covers(this.#compare, state.start, positions)
  }
}

function withoutHeld(change: Change, held: ReadonlySet<string>): readonly Change[] {
  if (change.kind === 'truncate') {
    const tables = change.tables.filter((table) => !held.has(table.id))
    return tables.length === 0 ? [] : [{ ...change, tables }]
  }
  const { id } = change.kind === 'schema' ? change.to : change.table
  return held.has(id) ? [] : [change]
}
