import { Fault, type FaultCode } from '../../../model/fault.ts'
import { type Table, tableName } from '../../../model/table.ts'
import type { Mark, Shape, ShapeColumn } from './shape.ts'

/** A column as somebody describes it: a Relation message or the catalogue. */
export interface Seen {
  readonly name: string
  readonly typeOid: number
  readonly typmod: number
}

/** A table that can no longer be followed. */
export function drifted(code: FaultCode, table: Table, what: string): Fault {
  return new Fault(code, {
    what: `${tableName(table)}: ${what}`,
    side: 'source',
    table: tableName(table),
  })
}

/**
 * Compares the columns that rows come with now with those of the table; returns those that are
 * new, which can only stand at the end. Throws HF-D402 and HF-D404.
 */
export function addedColumns<C extends Seen>(table: Table, mark: Mark, seen: readonly C[]): C[] {
  table.columns.forEach(({ name }, at) => {
    const column = seen[at]
    const known = mark.columns[at]
    if (column?.name !== name) {
      const elsewhere = seen.some((other) => other.name === name)
      const words = elsewhere ? 'is in another place' : 'is gone or has another name'
      throw drifted('HF-D402', table, `its column ${name} ${words}`)
    }
    if (column.typeOid !== known?.typeOid || column.typmod !== known.typmod) {
      throw drifted('HF-D404', table, `its column ${name} has another type`)
    }
  })
  return seen.slice(table.columns.length)
}

/** The catalogue's view of the same. Throws HF-D402, HF-D403, HF-D404 and HF-D406. */
export function compareShape(table: Table, mark: Mark, shape: Shape | undefined): ShapeColumn[] {
  if (shape === undefined) throw drifted('HF-D406', table, 'it was dropped')
  if (shape.schema !== table.schema || shape.name !== table.name) {
    throw drifted('HF-D406', table, `its name is ${shape.schema}.${shape.name} now`)
  }
  const travelling = shape.columns.filter((column) => !column.generated)
  mark.columns.forEach(({ number }, at) => {
    const column = table.columns[at]?.name ?? ''
    const now = shape.columns.find((other) => other.number === number)
    if (now === undefined) throw drifted('HF-D402', table, `its column ${column} was dropped`)
    if (now.name !== column) {
      throw drifted('HF-D402', table, `its column ${column} is called ${now.name} now`)
    }
  })
  const added = addedColumns(table, mark, travelling)
  compareKey(table, { replicaIdentity: shape.replicaIdentity, key: namesOf(shape, shape.key) })
  return added
}

/**
 * What a Relation message marks as key, without the columns that the index only INCLUDEs, which
 * the catalogue alone tells apart.
 */
export function keyOf(marked: readonly string[], shape: Shape | undefined): readonly string[] {
  if (shape === undefined || shape.marked.length === shape.key.length) return marked
  const same = namesOf(shape, shape.marked).toSorted().join('\0') === marked.toSorted().join('\0')
  return same ? namesOf(shape, shape.key) : marked
}

function namesOf(shape: Shape, numbers: readonly number[]): string[] {
  return shape.columns.filter(({ number }) => numbers.includes(number)).map(({ name }) => name)
}

/** How a source identifies rows: relreplident and the names of the key's columns. */
export interface KeySeen {
  readonly replicaIdentity: string
  readonly key: readonly string[]
}

/**
 * The rows' identity in the log must go on to find them. A table without one may get any: only
 * its inserts are mirrored. Throws HF-D403.
 */
export function compareKey(table: Table, seen: KeySeen): void {
  const { identity } = table
  if (identity.by === 'none') return
  const full = seen.replicaIdentity === 'f'
  if (identity.by === 'row' || full) {
    if (full) return
    throw drifted('HF-D403', table, 'its replica identity is no longer FULL')
  }
  const wanted = identity.columns.map((at) => table.columns[at]?.name ?? '')
  const same = wanted.length === seen.key.length && wanted.every((name) => seen.key.includes(name))
  if (same && seen.replicaIdentity !== 'n') return
  const now = seen.key.length === 0 ? 'nothing' : seen.key.join(', ')
  throw drifted('HF-D403', table, `its rows were identified by ${wanted.join(', ')}, now by ${now}`)
}

/** Throws HF-D401 unless the catalogue says that old rows hold null in the column. */
export function refuseFilled(
  { table, mark }: { readonly table: Table; readonly mark: Mark },
  column: ShapeColumn,
  node: string,
): void {
  const newest = Math.max(0, ...mark.columns.map(({ number }) => number))
  if (column.number <= newest) {
    throw drifted('HF-D402', table, `its column ${column.name} was there before and travels now`)
  }
  if (!column.bare) {
    throw drifted(
      'HF-D401',
      table,
      `its new column ${column.name} has or had a default, or is NOT NULL`,
    )
  }
  if (node !== mark.node) {
    throw drifted(
      'HF-D401',
      table,
      `its rows were written anew about when its column ${column.name} came`,
    )
  }
}
