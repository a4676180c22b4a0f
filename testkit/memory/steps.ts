import { keyOf, merge } from '../../src/apply/cells.ts'
import type { Step } from '../../src/model/batch.ts'
import { Fault } from '../../src/model/fault.ts'
import { type Table, tableName } from '../../src/model/table.ts'
import { type Tuple, textsOf } from '../../src/model/tuple.ts'
import type { StoreTransaction } from './store.ts'
import { placeOf } from './tables.ts'

/** Carries out a step, row by row, as strictly as a target must. Columns meet by name. */
export function carryOut(step: Step, transaction: StoreTransaction): void {
  const { rows } = transaction
  switch (step.kind) {
    case 'insert':
      for (const row of step.rows) insert(transaction, step.table, row, step.existing)
      return
    case 'update':
      for (const [i, row] of [...step.rows].entries()) update(transaction, step, { row, i })
      return
    case 'delete':
      for (const old of step.old) {
        const [there] = rows.at(step.table.id, placeOf(step.table, old))
        if (there === undefined && step.absent === 'pass') continue
        rows.take(step.table.id, found(transaction, step.table, old))
      }
      return
    case 'truncate':
      for (const { id } of step.tables) rows.empty(id)
      return
    case 'schema':
      rows.reshape(step.to.id, step.to)
  }
}

function insert(
  transaction: StoreTransaction,
  table: Table,
  ...[row, existing]: readonly [Tuple, 'refuse' | 'overwrite']
): void {
  const { rows } = transaction
  if (textsOf(row).includes(undefined)) throw new Error('an insert with an unchanged cell')
  checkWidth(transaction, table, row)
  if (existing === 'overwrite') {
    const [there] = rows.at(table.id, placeOf(table, row))
    if (there !== undefined) rows.take(table.id, there)
  }
  put(transaction, table, row)
}

function update(
  transaction: StoreTransaction,
  step: Extract<Step, { kind: 'update' }>,
  { row, i }: { readonly row: Tuple; readonly i: number },
): void {
  const { table } = step
  checkWidth(transaction, table, row)
  const before = found(transaction, table, step.old === null ? row : step.old.at(i))
  const cells = textsOf(row)
  const set = new Set(step.set)
  for (const [index, cell] of cells.entries())
    if ((cell === undefined) === set.has(index))
      throw new Error('the columns to set are not those that the row has')
  transaction.rows.take(table.id, before)
  put(transaction, table, merge(before, row))
}

/** The one row that the tuple finds; without it the target has diverged. */
function found(transaction: StoreTransaction, table: Table, by: Tuple): Tuple {
  const [row] = transaction.rows.at(table.id, placeOf(table, by))
  if (row !== undefined) return row
  throw new Fault('HF-D201', { what: `a row of ${tableName(table)} is missing` })
}

function put(transaction: StoreTransaction, table: Table, row: Tuple): void {
  const { rows, unique } = transaction
  const columns = unique.get(table.id)
  const taken =
    columns !== undefined &&
    rows.all(table.id).some((other) => keyOf(other, columns) === keyOf(row, columns))
  if (taken || !rows.tryPut(table.id, row))
    throw new Fault('HF-T205', { what: `a row of ${tableName(table)} is there already` })
}

function checkWidth(transaction: StoreTransaction, table: Table, row: Tuple): void {
  const { columns } = transaction.rows.table(table.id)
  const names = (of: Table['columns']): string => of.map(({ name }) => name).join()
  if (names(columns) !== names(table.columns) || textsOf(row).length !== columns.length)
    throw new Fault('HF-T218', { what: `${tableName(table)} has other columns than the row` })
}
