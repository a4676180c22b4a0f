import type { Session } from '../../../dialect/postgres/connect.ts'
import type { Table } from '../../../model/table.ts'
import { BoundTables } from '../../bindings.ts'
import { VALUES } from '../config.ts'
import { type Binding, bind } from './columns.ts'
import type { Recode } from './rows.ts'
import { valuesRecode } from './values.ts'

/** The mirrored tables as they stand at the target, looked up once for each version. */
export class Bindings extends BoundTables<Session, Binding> {
  readonly #values = new WeakMap<Table, { readonly recode: Recode | null }>()

  constructor() {
    super(bind)
  }

  /** What cells of the table need in this encoding. */
  recode(table: Table, encoding: string): Recode | null {
    if (encoding !== VALUES) return null
    const known = this.#values.get(table) ?? { recode: valuesRecode(table) }
    this.#values.set(table, known)
    return known.recode
  }
}
