import type { Table } from '../model/table.ts'
import type { Later } from './source.ts'

/** Milliseconds after which tables that may be taken, or that were refused, are looked at again. */
const TAKEN_MS = 20_000
const REFUSED_MS = 60_000

/** How long a look holds as long as the same tables are there, in milliseconds. */
export function lasting({ blueprint, refused }: Later): number {
  if (blueprint.tables.length > 0) return TAKEN_MS
  return refused.length > 0 ? REFUSED_MS : Number.POSITIVE_INFINITY
}

/** Those of the first copy. */
export function firstOf(tables: readonly Table[]): readonly Table[] {
  return tables.filter(({ since }) => since === undefined)
}
