import type { Step } from '../model/batch.ts'
import type { Change, RowChange } from '../model/change.ts'
import type { TableMode } from '../model/checkpoint.ts'
import type { Table } from '../model/table.ts'
import type { Tuple } from '../model/tuple.ts'
import { keyOf, presentCells } from './cells.ts'

/**
 * The changes as steps in source order, nothing collapsed. Neighbours of one table and kind go
 * together where the order within a step cannot matter: inserts, and deletes.
 */
export function inOrder(
  changes: readonly Change[],
  modeOf: (table: Table) => TableMode,
): readonly Step[] {
  const steps: Step[] = []
  let run: { readonly table: Table; readonly kind: string; readonly tuples: Tuple[] } | null = null
  for (const change of changes) {
    const step = stepOf(change, modeOf)
    if (step === null) continue
    const tuples = tuplesOf(step)
    const fits =
      run !== null && tuples !== null && run.kind === step.kind && run.table === tableOf(step)
    if (fits && run !== null && tuples !== null) {
      run.tuples.push(...tuples)
      continue
    }
    steps.push(step)
    const table = tableOf(step)
    run = tuples === null || table === null ? null : { table, kind: step.kind, tuples }
  }
  return steps
}

/** The tuples that neighbours may be added to; null for steps that stay alone. */
function tuplesOf(step: Step): Tuple[] | null {
  if (step.kind === 'insert' && step.existing === 'refuse') return step.rows as Tuple[]
  return step.kind === 'delete' && step.table.identity.by === 'key' ? (step.old as Tuple[]) : null
}

function tableOf(step: Step): Table | null {
  return step.kind === 'truncate' || step.kind === 'schema' ? null : step.table
}

function stepOf(change: Change, modeOf: (table: Table) => TableMode): Step | null {
  switch (change.kind) {
    case 'schema':
      return change
    case 'truncate': {
      const tables = change.tables.filter((table) => modeOf(table) !== 'merge')
      if (tables.length === 0) return null
      return { kind: 'truncate', tables, restartSequences: change.restartSequences }
    }
    default:
      return rowStep(change, modeOf(change.table) === 'merge')
  }
}

function rowStep(change: RowChange, merging: boolean): Step | null {
  const { kind, table, row, old } = change
  if (kind === 'delete') {
    if (merging) return null
    if (old === null) throw new TypeError('a delete without the tuple that finds its row')
    return { kind, table, old: [old] }
  }
  if (row === null) throw new TypeError(`an ${kind} without a row`)
  if (kind === 'insert') {
    return { kind, table, rows: [row], existing: merging ? 'overwrite' : 'refuse' }
  }
  const set = presentCells(row)
  const moved = old !== null && !sameKey(table, row, old)
  if (merging && !moved && set.length === table.columns.length && table.identity.by === 'key') {
    return { kind: 'insert', table, rows: [row], existing: 'overwrite' }
  }
  return { kind, table, set, rows: [row], old: moved ? [old] : null }
}

/** True when `row` itself finds the row that `old` describes. */
function sameKey(table: Table, row: Tuple, old: Tuple): boolean {
  if (table.identity.by !== 'key') return false
  return keyOf(row, table.identity.columns) === keyOf(old, table.identity.columns)
}
