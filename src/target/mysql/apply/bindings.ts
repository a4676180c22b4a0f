import type { Session } from '../../../dialect/mysql/connect.ts'
import { Fault } from '../../../model/fault.ts'
import { type Table, tableName } from '../../../model/table.ts'
import { type Binding, bind, findTables } from './columns.ts'

export interface Place {
  readonly schema: string
  readonly name: string
}

/** The mirrored tables as they stand at the target, looked up once for each version. */
export class Bindings {
  readonly #places = new Map<string, Place>()
  readonly #bound = new WeakMap<Table, Binding>()
  readonly #collation: string

  constructor(collation: string) {
    this.#collation = collation
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
    const wanted = this.unknown(tables)
    const names = wanted.map((table) => this.placeOf(table).name)
    const found = await findTables(session, names)
    for (const table of wanted) {
      const { name } = this.placeOf(table)
      this.#bound.set(table, bind(table, found.get(name), this.#collation))
    }
  }
  forget(table: Table): void {
    this.#bound.delete(table)
  }
}
