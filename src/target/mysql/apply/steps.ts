import type { Step } from '../../../model/batch.ts'
import type { Identity, Table } from '../../../model/table.ts'
import type { Tuples } from '../../../model/tuples.ts'
import type { Binding } from './columns.ts'
import { assignments, cellsOf, columnList, row, sameKey, sameRow } from './rows.ts'
import type { Expectation, Writer } from './writer.ts'

/** Keys of one DELETE: the server plans each of them as a range. */
const MOST_KEYS = 500
const MOST_ROWS = 10_000

export function keyOf(identity: Identity): readonly number[] {
  return identity.by === 'key' ? identity.columns : []
}

/** A table and where its statements go. */
export interface Work {
  readonly writer: Writer
  readonly binding: Binding
}

function one(table: Table, what: string): Expectation {
  return { rows: 1, table, what }
}

/** Adds rows; with `existing: 'overwrite'` in the place of those that have their keys. */
export async function insert(
  { writer, binding }: Work,
  rows: Tuples,
  existing: 'refuse' | 'overwrite',
): Promise<void> {
  const { table } = binding
  const key = keyOf(table.identity)
  const merges = existing === 'overwrite' && key.length > 0
  // A row that another unique index catches is not the one that is meant.
  const clears = merges && binding.others
  if (clears) await clear({ writer, binding }, rows)
  await writer.list(rows, {
    head: `INSERT INTO ${binding.name} (${columnList(binding)}) VALUES `,
    separator: ',',
    tail: merges && !clears ? onDuplicate(binding, key) : '',
    most: MOST_ROWS,
    expected: { table, what: 'insert', counted: !merges || clears },
    item: (sql, tuple) => row(sql, binding, tuple),
  })
}

function onDuplicate(binding: Binding, key: readonly number[]): string {
  const rest = binding.columns.filter((_, i) => !key.includes(i))
  const set = rest.length === 0 ? binding.columns.slice(0, 1) : rest
  const sets = set.map(({ name }) => `${name} = VALUES(${name})`)
  return ` ON DUPLICATE KEY UPDATE ${sets.join(', ')}`
}

async function clear(work: Work, rows: Tuples): Promise<void> {
  await remove(work, rows, { counted: false, what: 'overwrite' })
}

/** Takes rows away by their keys. */
async function remove(
  { writer, binding }: Work,
  rows: Tuples,
  how: { readonly counted: boolean; readonly what: string },
): Promise<void> {
  const { table } = binding
  const key = keyOf(table.identity)
  const single = key.length === 1
  // The plan is pinned to the key: statistics of a table that was just filled know nothing.
  const from = `DELETE t FROM ${binding.name} AS t FORCE INDEX (${binding.index}) WHERE `
  await writer.list(rows, {
    head: single ? `${from}t.${columnList(binding, key)} IN (` : from,
    separator: single ? ',' : ' OR ',
    tail: single ? ')' : '',
    most: MOST_KEYS,
    expected: { table, ...how },
    item: (sql, tuple) => {
      if (single) return cellsOf(sql, binding, { tuple, columns: key })
      sql.raw('(')
      sameKey(sql, binding, { tuple, key })
      sql.raw(')')
    },
  })
}

export async function update(
  { writer, binding }: Work,
  step: Extract<Step, { readonly kind: 'update' }>,
): Promise<void> {
  const { table } = binding
  const key = keyOf(table.identity)
  const rest = step.set.filter((i) => !key.includes(i))
  for (let at = 0; at < step.rows.length; at++) {
    const tuple = step.rows.at(at)
    const old = step.old?.at(at) ?? null
    const columns = old === null ? rest : step.set
    await writer.statement(one(table, 'update'), (sql) => {
      sql.raw(`UPDATE ${binding.name} SET `)
      // Nothing to set but a row to find.
      if (columns.length === 0) sql.raw(selfAssigned(binding))
      else assignments(sql, binding, { tuple, columns })
      sql.raw(' WHERE ')
      if (key.length > 0) return sameKey(sql, binding, { tuple: old ?? tuple, key })
      sameRow(sql, binding, old ?? tuple)
      sql.raw(' LIMIT 1')
    })
  }
}

function selfAssigned({ columns }: Binding): string {
  const name = columns[0]?.name ?? ''
  return `${name} = ${name}`
}

export async function deleteRows(work: Work, old: Tuples): Promise<void> {
  const { writer, binding } = work
  const { table } = binding
  if (keyOf(table.identity).length > 0) {
    await remove(work, old, { counted: true, what: 'delete' })
    return
  }
  for (const tuple of old) {
    await writer.statement(one(table, 'delete'), (sql) => {
      sql.raw(`DELETE FROM ${binding.name} WHERE `)
      sameRow(sql, binding, tuple)
      sql.raw(' LIMIT 1')
    })
  }
}

/** TRUNCATE would commit what stands before it. */
export async function empty({ writer, binding }: Work): Promise<void> {
  const { table } = binding
  await writer.statement({ rows: null, table, what: 'truncate' }, (sql) =>
    sql.raw(`DELETE FROM ${binding.name}`),
  )
}
