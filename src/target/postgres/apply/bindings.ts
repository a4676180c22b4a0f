import type { Session } from '../../../dialect/postgres/connect.ts'
import { Fault } from '../../../model/fault.ts'
import { type Table, tableName } from '../../../model/table.ts'
import { VALUES } from '../config.ts'
import { type Binding, bind, type Place } from './columns.ts'
import type { Recode } from './rows.ts'
import { valuesRecode } from './values.ts'

/** The mirrored tables as they stand at the target, looked up once for each version. */
export class Bindings {
  readonly #places = new Map<string, Place>()
  readonly #bound = new WeakMap<Table, Binding>()
  readonly #values = new WeakMap<Table, { readonly recode: Recode | null }>()

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
    for (const binding of await bind(session, wanted)) this.#bound.set(binding.table, binding)
  }
  forget(table: Table): void {
    this.#bound.delete(table)
  }

  /** What cells of the table need in this encoding. */
  recode(table: Table, encoding: string): Recode | null {
    if (encoding !== VALUES) return null
    const known = this.#values.get(table) ?? { recode: valuesRecode(table) }
    this.#values.set(table, known)
    return known.recode
  }
}
