import { Fault } from '../model/fault.ts'
import { type Table, tableName } from '../model/table.ts'

export interface Place {
  readonly schema: string
  readonly name: string
}

/** A table of the source, and where it stands. */
export interface Placed {
  readonly table: Table
  readonly place: Place
}

/** The mirrored tables as they stand at the target, looked up once for each version. */
export class BoundTables<Session, Binding extends { readonly table: Table }> {
  readonly #places = new Map<string, Place>()
  readonly #bound = new WeakMap<Table, Binding>()
  readonly #look: (session: Session, wanted: readonly Placed[]) => Promise<readonly Binding[]>

  constructor(look: (session: Session, wanted: readonly Placed[]) => Promise<readonly Binding[]>) {
    this.#look = look
  }

  /** Where tables of the source stand at the target, by their ids. */
  place(tables: Iterable<{ readonly table: Table; readonly target: Place }>): void {
    for (const { table, target } of tables) this.#places.set(table.id, target)
  }
  placeOf(table: Table): Place {
    const place = this.#places.get(table.id)
    if (place !== undefined) return place
    throw new Fault('HF-X001', { what: `${tableName(table)} is not a table of this mirror` })
  }

  /** The binding of a table that `load` has looked up. */
  of(table: Table): Binding {
    const binding = this.#bound.get(table)
    if (binding === undefined) throw new TypeError(`${tableName(table)} has not been looked up`)
    return binding
  }
  /** Those that are not looked up yet. */
  unknown(tables: Iterable<Table>): Table[] {
    return [...new Set(tables)].filter((table) => !this.#bound.has(table))
  }
  async load(session: Session, tables: readonly Table[]): Promise<void> {
    const wanted = this.unknown(tables).map((table) => ({ table, place: this.placeOf(table) }))
    for (const binding of await this.#look(session, wanted)) this.#bound.set(binding.table, binding)
  }
  forget(table: Table): void {
    this.#bound.delete(table)
  }
}
