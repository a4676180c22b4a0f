import type { Step } from '../model/batch.ts'
import type { Change, RowChange } from '../model/change.ts'
import { type Changes, DELETE, INSERT } from '../model/changes.ts'
import type { TableMode } from '../model/checkpoint.ts'
import type { Table } from '../model/table.ts'
import type { Tuple } from '../model/tuple.ts'
import { Tuples } from '../model/tuples.ts'
import { isWhole, presentCells } from './cells.ts'
import { sameCells } from './keyindex.ts'

/**
 * The changes as steps in source order, nothing collapsed. Neighbours of one table and kind go
 * together where the order within a step cannot matter: inserts, and deletes.
 */
export function inOrder(
  lists: readonly Changes[],
  modeOf: (table: Table) => TableMode,
): readonly Step[] {
  const steps: Step[] = []
  let run: Growing | null = null
  for (const changes of lists) {
    for (let i = 0; i < changes.length; i++) {
      const kind = changes.kind(i)
      if (run !== null && kind === run.kind && changes.table(i) === run.table) {
        if (kind === INSERT) changes.rowInto(run.tuples, i)
        else changes.oldInto(run.tuples, i)
        continue
      }
      const step = stepOf(changes.at(i), modeOf)
      if (step === null) continue
      steps.push(step)
      run = growing(step)
    }
  }
  return steps
}

/** A step that neighbours of its kind may be added to. */
interface Growing {
  readonly kind: number
  readonly table: Table
  readonly tuples: Tuples
}

function growing(step: Step): Growing | null {
  if (step.kind === 'insert' && step.existing === 'refuse') {
    return { kind: INSERT, table: step.table, tuples: step.rows }
  }
  if (step.kind === 'delete' && step.table.identity.by === 'key') {
    return { kind: DELETE, table: step.table, tuples: step.old }
  }
  return null
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
      return rowStep(change, modeOf(change.table))
  }
}

function rowStep(change: RowChange, mode: TableMode): Step | null {
  const { kind, table, row, old } = change
  if (kind === 'delete') {
    if (mode === 'merge') return null
    if (old === null) throw new TypeError('a delete without the tuple that finds its row')
    const step = { kind, table, old: Tuples.of([old]) }
    return mode === 'put' ? { ...step, absent: 'pass' } : step
  }
  if (row === null) throw new TypeError(`an ${kind} without a row`)
  const puts = mode === 'merge' || mode === 'put'
  if (kind === 'insert') {
    return { kind, table, rows: Tuples.of([row]), existing: puts ? 'overwrite' : 'refuse' }
  }
  const set = presentCells(row)
  const moved = old !== null && !sameKey(table, row, old)
  if (puts && !moved && isWhole(row, 0) && table.identity.by === 'key') {
    return { kind: 'insert', table, rows: Tuples.of([row]), existing: 'overwrite' }
  }
  return { kind, table, set, rows: Tuples.of([row]), old: moved ? Tuples.of([old]) : null }
}

/** True when `row` itself finds the row that `old` describes. */
function sameKey(table: Table, row: Tuple, old: Tuple): boolean {
  if (table.identity.by !== 'key') return false
  const { columns } = table.identity
  return sameCells(columns, { buffer: row, from: 0 }, { buffer: old, from: 0 })
}
