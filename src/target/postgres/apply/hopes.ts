import { ExchangeError } from '../../../dialect/postgres/exchange.ts'
import type { Table } from '../../../model/table.ts'
import type { Binding } from './columns.ts'
import { Doubt } from './doubt.ts'

const UNIQUE_VIOLATION = '23505'

/**
 * Rows that the source says to be new are copied straight into their table, which takes half of
 * what merging takes. The table's own index refuses a row that is there all the same; then the
 * batch is applied once more and merges, and so do those after it for a while.
 */
export class Hopes {
  readonly #doubts = new Map<number, Doubt>()
  /** Tables that the batch hopes for, and those that it has given up. */
  readonly #hoped = new Map<Table, number>()
  readonly #given = new Set<number>()

  begun(): void {
    this.#hoped.clear()
    this.#given.clear()
  }

  /** True when new rows of the table are to be copied straight into it. */
  of({ oid }: Binding, table: Table): boolean {
    if (this.#given.has(oid)) return false
    if (this.#doubts.get(oid)?.stands() === true) {
      this.#given.add(oid)
      return false
    }
    this.#hoped.set(table, oid)
    return true
  }

  /** True when the batch failed because it hoped, which it does not do again. */
  failed(error: unknown): boolean {
    if (!(error instanceof ExchangeError) || codeOf(error.cause) !== UNIQUE_VIOLATION) return false
    const [hoped] = [...this.#hoped].filter(([table]) => table === error.label)
    if (hoped === undefined) return false
    const [table, oid] = hoped
    this.#hoped.delete(table)
    const doubt = this.#doubts.get(oid) ?? new Doubt()
    this.#doubts.set(oid, doubt)
    doubt.raise()
    return true
  }
}

function codeOf(cause: unknown): string {
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return ''
  return String(cause.code)
}
