import type { Step } from '../model/batch.ts'
import type { Change, RowChange } from '../model/change.ts'
import type { TableMode } from '../model/checkpoint.ts'
import type { Table } from '../model/table.ts'
import { KeyedWork } from './keyed.ts'
import { inOrder } from './ordered.ts'

/**
 * The steps that have the same effect as the changes, as few and as large as possible: changes to
 * one key become the last one. Rows of different tables may pass one another (foreign keys are
 * deferred or off at the target); rows of one table never pass a truncate, a schema change or a
 * change of key.
 */
export function collapse(
  changes: readonly Change[],
  modeOf: (table: Table) => TableMode,
): readonly Step[] {
  const steps: Step[] = []
  const works = new Map<string, TableWork>()
  for (const change of changes) {
    if (change.kind === 'truncate' || change.kind === 'schema') {
      for (const work of works.values()) work.flush()
      works.clear()
      steps.push(...inOrder([change], modeOf))
    } else {
      workOf(change.table, works, { steps, modeOf }).add(change)
    }
  }
  for (const work of works.values()) work.flush()
  return steps
}

/** Gathers the changes of one table until they must become steps. */
export interface TableWork {
  readonly table: Table
  add(change: RowChange): void
  flush(): void
}

function workOf(
  table: Table,
  works: Map<string, TableWork>,
  out: { readonly steps: Step[]; readonly modeOf: (table: Table) => TableMode },
): TableWork {
  const known = works.get(table.id)
  if (known !== undefined && known.table === table) return known
  known?.flush()
  const mode = out.modeOf(table)
  const made =
    table.identity.by === 'key'
      ? new KeyedWork({ table, key: table.identity.columns, mode, steps: out.steps })
      : keylessWork(table, out.steps, out.modeOf)
  works.set(table.id, made)
  return made
}

/** Without a key nothing can be collapsed: rows go in source order. */
function keylessWork(table: Table, steps: Step[], modeOf: (table: Table) => TableMode): TableWork {
  let waiting: RowChange[] = []
  return {
    table,
    add: (change) => waiting.push(change),
    flush: () => {
      steps.push(...inOrder(waiting, modeOf))
      waiting = []
    },
  }
}
