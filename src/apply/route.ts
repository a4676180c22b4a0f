import type { Change } from '../model/change.ts'
import { Changes } from '../model/changes.ts'
import type { TableMode, TableState } from '../model/checkpoint.ts'
import { type Compare, covers, type Positions } from '../model/position.ts'
import type { Run } from '../model/run.ts'
import type { Table } from '../model/table.ts'
import type { Marker } from './marker.ts'

/** Leaves out of changes what is not for the target. */
export type Sieve = (changes: Changes) => Changes

/**
 * Decides which changes are for the target. A copied table holds everything up to its start, so
 * changes of transactions at or before it are dropped.
 */
export class Route {
  readonly #compare: Compare
  readonly #states: ReadonlyMap<string, TableState>
  /** Past this place no table's start needs to be looked at any more. */
  #behind: readonly Start[]
  /** Ids of the tables of `#behind`; a new set whenever those become fewer. */
  #held: ReadonlySet<string>
  readonly #marker: Marker | null

  /** With a marker each row says what is known of its change. */
  constructor(compare: Compare, states: readonly TableState[], marker: Marker | null = null) {
    this.#compare = compare
    this.#marker = marker
    this.#states = new Map(states.map((state) => [state.table.id, state]))
    this.#behind = startsOf(states)
    this.#held = idsOf(this.#behind)
  }

  readonly modeOf = (table: Table): TableMode => this.#states.get(table.id)?.mode ?? 'exact'

  /**
   * What the target is to see of a transaction that committed at `positions`. Asked in the order of
   * commits; what it returns holds for that transaction whatever is asked after it.
   */
  at(positions: Positions, committedAt: bigint | null = null): Sieve {
    const passed = this.#passed(positions)
    const marker = this.#marker
    if (marker === null) return passed
    const mark = marker.at(positions, committedAt)
    return (changes) => mark(passed(changes))
  }

  #passed(positions: Positions): Sieve {
    if (this.#behind.length === 0) return everything
    const behind = this.#behind.filter(({ at }) => covers(this.#compare, at, positions))
    if (behind.length < this.#behind.length) this.#held = idsOf(behind)
    this.#behind = behind
    const held = this.#held
    if (held.size === 0) return everything
    return (changes) => Changes.of([...changes].flatMap((change) => withoutHeld(change, held)))
  }

  /** True when everything that committed past this place is for the target. */
  passed(positions: Positions): boolean {
    return this.#behind.every(({ at }) => !covers(this.#compare, at, positions))
  }

  /** What the target is to see of transactions; asked in their order, too. */
  of(run: Run): Run {
    const { places } = run
    const routed =
      this.#behind.length === 0
        ? run
        : run.map((changes, i) => this.#passed(places.positions(i))(changes))
    const marker = this.#marker
    if (marker === null) return routed
    return routed.map((changes, i) =>
      marker.at(places.positions(i), places.committedAt(i))(changes),
    )
  }
}

/** Tables whose copies stand at one place: those of one snapshot, so that there are few of these. */
interface Start {
  readonly at: Positions
  readonly ids: string[]
}

function startsOf(states: readonly TableState[]): readonly Start[] {
  const starts = new Map<string, Start>()
  for (const { table, start } of states) {
    if (start === null) continue
    const place = JSON.stringify([...start].map(([lane, { log, token }]) => [lane, log, token]))
    const known = starts.get(place) ?? { at: start, ids: [] }
    known.ids.push(table.id)
    starts.set(place, known)
  }
  return [...starts.values()]
}

function idsOf(starts: readonly Start[]): ReadonlySet<string> {
  return new Set(starts.flatMap(({ ids }) => ids))
}

const everything: Sieve = (changes) => changes

function withoutHeld(change: Change, held: ReadonlySet<string>): readonly Change[] {
  if (change.kind === 'truncate') {
    const tables = change.tables.filter((table) => !held.has(table.id))
    return tables.length === 0 ? [] : [{ ...change, tables }]
  }
  const { id } = change.kind === 'schema' ? change.to : change.table
  return held.has(id) ? [] : [change]
}
