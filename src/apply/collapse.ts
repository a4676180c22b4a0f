import type { Step } from '../model/batch.ts'
import { Changes, OTHER } from '../model/changes.ts'
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
  lists: readonly Changes[],
  modeOf: (table: Table) => TableMode,
): readonly Step[] {
  const steps: Step[] = []
  const works = new Map<string, TableWork>()
  let work: TableWork | null = null
  for (const changes of lists) {
    for (let i = 0; i < changes.length; i++) {
      if (changes.kind(i) === OTHER) {
        for (const one of works.values()) one.flush()
        works.clear()
        work = null
        steps.push(...inOrder([changes.slice(i, i + 1)], modeOf))
        continue
      }
      const table = changes.table(i)
      if (work === null || work.table !== table) work = workOf(table, works, { steps, modeOf })
      work.add(changes, i)
    }
  }
  for (const one of works.values()) one.flush()
  return steps
}

/** Gathers the changes of one table until they must become steps. */
export interface TableWork {
  readonly table: Table
  /** Takes the change number `i`, which is one of a row of this table. */
  add(changes: Changes, i: number): void
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
  let waiting = Changes.empty()
  return {
    table,
    add: (changes, i) => waiting.take(changes, i),
    flush: () => {
      steps.push(...inOrder([waiting], modeOf))
      waiting = Changes.empty()
    },
  }
}
