import type { Document } from 'mongodb'
import { faultOf } from '../../dialect/mongodb/errors.ts'
import { Fault } from '../../model/fault.ts'
import { tableName } from '../../model/table.ts'
import { refusal, type Writing, write } from './commands.ts'
import { MARK } from './config.ts'
import type { Tally } from './pending.ts'
import { documentOf } from './send.ts'

/**
 * Rows without a key are counted: one document for each row that looks different, with how many
 * there are. What the document's mark says has been counted already is left out, so that counting
 * again changes nothing.
 */
export async function settleTallies(
  on: Writing,
  collection: string,
  tallies: readonly Tally[],
): Promise<void> {
  if (tallies.length === 0) return
  const counted = await countsOf(on, collection, tallies)
  const updates: Document[] = []
  const deletes: Document[] = []
  for (const tally of tallies) {
    const known = counted.get(tally.id) ?? null
    const next = after(on, tally, known)
    if (next === null) continue
    const q = { _id: tally.id, ...(known === null ? {} : { [`${MARK}.at`]: known.at }) }
    if (next.count === 0) {
      if (known !== null) deletes.push({ q, limit: 1 })
      continue
    }
    const { id, layout, row } = tally
    const fields = layout.nested(layout.fields(row))
    const u = documentOf(id, { at: next.at, count: next.count }, fields)
    updates.push({ q, u, upsert: known === null })
  }
  for (const [kind, what] of [
    ['delete', deletes],
    ['update', updates],
  ] as const) {
    const count = what.length
    if (count === 0) continue
    const { errors, matched } = await write(on, collection, { kind, what })
    const table = tableOf(tallies)
    const [error] = errors
    if (error !== undefined) throw refusal(error, { label: on.label, table })
    if (matched !== count) throw diverged(on, table)
  }
}

interface Counted {
  readonly at: string
  readonly count: number
}

async function countsOf(
  on: Writing,
  collection: string,
  tallies: readonly Tally[],
): Promise<ReadonlyMap<string, Counted>> {
  const ids = tallies.map(({ id }) => id)
  const options = on.session === null ? {} : { session: on.session }
  try {
    const found = await on.db
      .collection<{ _id: string }>(collection)
      .find({ _id: { $in: ids } }, { ...options, projection: { [MARK]: 1 } })
      .toArray()
    return new Map(found.map((one) => [String(one._id), markOf(one)]))
  } catch (error) {
    throw faultOf(error, { doing: 'reading', label: on.label, table: tableOf(tallies) })
  }
}

function markOf(document: Document): Counted {
  const mark: Document = document[MARK] ?? {}
  return { at: String(mark['at'] ?? ''), count: Number(mark['count'] ?? 1) }
}

/**
 * The count after what is new; null when nothing is. Without transactions a row that is to be taken
 * away may have been taken already, together with what the document said of it.
 */
function after(on: Writing, tally: Tally, known: Counted | null): Counted | null {
  const fresh = tally.steps.filter(({ stamp }) => known === null || stamp > known.at)
  let count = known?.count ?? 0
  for (const { add } of fresh) {
    count += add
    if (count >= 0) continue
    if (on.session !== null) throw diverged(on, tableName(tally.layout.table))
    count = 0
  }
  const last = fresh.at(-1)
  return last === undefined ? null : { at: last.stamp, count }
}

function diverged(on: Writing, table: string): Fault {
  return new Fault('HF-D201', {
    what: `${table} at ${on.label} does not hold the rows that the source changed`,
    side: 'target',
    table,
  })
}

function tableOf([tally]: readonly Tally[]): string {
  return tally === undefined ? '' : tableName(tally.layout.table)
}
