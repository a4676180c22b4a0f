import type { TableState } from '../model/checkpoint.ts'
import { Fault } from '../model/fault.ts'
import { type Table, tableName } from '../model/table.ts'
import type { TargetPlan } from './target.ts'

/** How far the copy of a table is, as the state has it. */
export interface CopyMark {
  readonly state: TableState['state']
  /** Chunks that are copied. */
  readonly chunks: number
  /** The table held rows before the mirror's first copy into it. */
  readonly heldRows: boolean
}

export interface Emptying {
  readonly onExisting: TargetPlan['onExisting']
  /** By the ids of tables. */
  readonly marks: ReadonlyMap<string, CopyMark>
  /** Whether there is a row in the table now; remembers the answer. */
  readonly holdsRows: (table: Table) => Promise<boolean>
}

/**
 * The tables whose rows an earlier copy of ours left, which are taken away; rows that were there
 * before are kept. Throws HF-T220 where the two cannot be told apart.
 */
export async function toEmpty(tables: readonly Table[], from: Emptying): Promise<Table[]> {
  const ours: Table[] = []
  for (const table of tables) {
    const mark = from.marks.get(table.id)
    const fresh = mark === undefined || mark.state === 'pending'
    if (from.onExisting === 'merge') {
      if (fresh ? await from.holdsRows(table) : heldBefore(table, mark)) continue
    }
    if (!fresh || from.onExisting === 'replace') ours.push(table)
  }
  return ours
}

function heldBefore(table: Table, { heldRows, chunks }: CopyMark): boolean {
  if (heldRows && table.identity.by !== 'key' && chunks > 0) throw mingled(table)
  return heldRows
}

function mingled(table: Table): Fault {
  return new Fault('HF-T220', {
    what: `${tableName(table)} has no key and held rows before the mirror; a copy of it was broken off and its rows cannot be told apart`,
    side: 'target',
    table: tableName(table),
  })
}
