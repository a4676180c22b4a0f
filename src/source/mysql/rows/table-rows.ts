import type { Charsets } from '../../../dialect/mysql/charset-wide.ts'
import { Fault } from '../../../model/fault.ts'
import { Out } from '../../../model/out.ts'
import { cellPlan, type Declared } from './plan.ts'
import { type RowEvent, RowReader } from './rows.ts'
import type { TableMap } from './table-map.ts'

/** Reads the rows of all tables, each with the columns that it is declared with. */
export class TableRows {
  readonly #out = new Out()
  readonly #readers = new WeakMap<TableMap, RowReader>()
  #last: { readonly map: TableMap; readonly reader: RowReader } | null = null
  readonly #charsets: Charsets

  constructor(charsets: Charsets) {
    this.#charsets = charsets
  }

  /**
   * `declared` is asked once for each description of a table in the log. Throws Fault HF-L114
   * where the two differ: no value is ever read as one of another column.
   */
  read(map: TableMap, rows: RowEvent, declared: () => readonly Declared[]): RowReader {
    if (this.#last?.map !== map) {
      const reader = this.#readers.get(map) ?? this.#readerOf(map, declared())
      this.#readers.set(map, reader)
      this.#last = { map, reader }
    }
    const { reader } = this.#last
    reader.begin(rows)
    return reader
  }

  #readerOf(map: TableMap, declared: readonly Declared[]): RowReader {
    const table = `${map.schema}.${map.name}`
    if (declared.length !== map.columns.length) {
      const what = `the log holds ${map.columns.length} columns of ${table}, which has ${declared.length}`
      throw new Fault('HF-L114', { what, side: 'source', table })
    }
    const plans = map.columns.map((column, index) => {
      const { name = '', native = '', type = null } = declared[index] ?? {}
      const { notes } = column
      if (notes.name !== undefined && notes.name !== name) {
        const what = `the log holds the column ${notes.name} of ${table} where ${name} was expected`
        throw new Fault('HF-L114', { what, side: 'source', table })
      }
      return cellPlan(column, { name, native, type }, { table, charsets: this.#charsets })
    })
    return new RowReader(plans, table, this.#out)
  }
}
