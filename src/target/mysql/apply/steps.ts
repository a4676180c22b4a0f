import type { Step } from '../../../model/batch.ts'
import type { Identity, Table } from '../../../model/table.ts'
import type { Tuple } from '../../../model/tuple.ts'
import type { Tuples } from '../../../model/tuples.ts'
import type { Binding } from './columns.ts'
import { assignments, cellsOf, columnList, row, sameKey, sameRow } from './rows.ts'
import type { Expectation, List, Writer } from './writer.ts'

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
  const rest = [...binding.columns.keys()].filter((i) => !key.includes(i))
  // A row that another unique index catches is not the one that is meant.
  const clears = merges && binding.others
  if (clears) await clear({ writer, binding }, rows)
  await writer.list(rows, {
    head: `INSERT INTO ${binding.name} (${columnList(binding)}) VALUES `,
    separator: ',',
    tail: merges && !clears ? onDuplicate(binding, rest) : '',
    most: MOST_ROWS,
    expected: { table, what: 'insert', counted: !merges || clears },
    item: (sql, tuple) => row(sql, binding, tuple),
  })
}

/** `columns` take the values of the new row; without any, the row stays as it is. */
function onDuplicate(binding: Binding, columns: readonly number[]): string {
  const set = columns.length === 0 ? [0] : columns
  const sets = set.map((i) => {
    const name = columnList(binding, [i])
    return `${name} = VALUES(${name})`
  })
  sets.push(...keptTimes(binding, set))
  return ` ON DUPLICATE KEY UPDATE ${sets.join(', ')}`
}

/** Assigns what the server would give the time of the update, had nobody mentioned it. */
function keptTimes(binding: Binding, set: readonly number[]): string[] {
  const mentioned = new Set(set.map((i) => columnList(binding, [i])))
  const left = binding.stamped.filter((name) => !mentioned.has(name))
  return left.map((name) => `${name} = ${name}`)
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
  if (key.length === 0) return
  // The plan is pinned to the key: statistics of a table that was just filled know nothing.
  const head = `DELETE t FROM ${binding.name} AS t FORCE INDEX (${binding.index}) WHERE `
  await writer.list(rows, { ...byKeys(binding, head), expected: { table, ...how } })
}

/** What makes a list of rows that are found by their keys; the table is `t`. */
function byKeys(
  binding: Binding,
  head: string,
): Pick<List<Tuple>, 'head' | 'separator' | 'tail' | 'most' | 'item'> {
  const key = keyOf(binding.table.identity)
  if (key.length === 1) {
    const item: List<Tuple>['item'] = (sql, tuple) => cellsOf(sql, binding, { tuple, columns: key })
    const found = `${head}t.${columnList(binding, key)} IN (`
    return { head: found, separator: ',', tail: ')', most: MOST_KEYS, item }
  }
  const item: List<Tuple>['item'] = (sql, tuple) => {
    sql.raw('(')
    sameKey(sql, binding, { tuple, key })
    sql.raw(')')
  }
  return { head, separator: ' OR ', tail: '', most: MOST_KEYS, item }
}

/** Rows of one update from which on they go together. */
const TOGETHER = 8

type Update = Extract<Step, { readonly kind: 'update' }>

export async function update(work: Work, step: Update): Promise<void> {
  if (goTogether(work.binding, step)) await updateTogether(work, step)
  else await updateEach(work, step)
}

/** Every row is found by its key, and no other index could catch the row written in its place. */
function goTogether({ table, columns, others }: Binding, { set, rows, old }: Update): boolean {
  const key = keyOf(table.identity)
  if (old !== null || others || key.length === 0 || rows.length < TOGETHER) return false
  if (set.every((i) => key.includes(i))) return false
  return columns.every(({ optional }, i) => optional || set.includes(i))
}

/**
 * First a statement that changes nothing finds and locks the rows: one that is not there is noticed.
 * Then rows are written over those that have their keys, so that none can be added.
 */
async function updateTogether({ writer, binding }: Work, step: Update): Promise<void> {
  const { table } = binding
  const key = keyOf(table.identity)
  const columns = [...new Set([...key, ...step.set])].sort((a, b) => a - b)
  const rest = columns.filter((i) => !key.includes(i))
  const same = columnList(binding, rest.slice(0, 1))
  await writer.list(step.rows, {
    ...byKeys(
      binding,
      `UPDATE ${binding.name} AS t FORCE INDEX (${binding.index}) SET ${same} = ${same} WHERE `,
    ),
    expected: { table, what: 'update', counted: true },
  })
  await writer.list(step.rows, {
    head: `INSERT INTO ${binding.name} (${columnList(binding, columns)}) VALUES `,
    separator: ',',
    tail: onDuplicate(binding, rest),
    most: MOST_ROWS,
    expected: { table, what: 'update', counted: false },
    item: (sql, tuple) => {
      sql.raw('(')
      cellsOf(sql, binding, { tuple, columns })
      sql.raw(')')
    },
  })
}

async function updateEach({ writer, binding }: Work, step: Update): Promise<void> {
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
      for (const kept of keptTimes(binding, columns)) sql.raw(`, ${kept}`)
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

export async function deleteRows(
  work: Work,
  { old, absent }: Extract<Step, { readonly kind: 'delete' }>,
): Promise<void> {
  const { writer, binding } = work
  const { table } = binding
  if (keyOf(table.identity).length > 0) {
    await remove(work, old, { counted: absent !== 'pass', what: 'delete' })
    return
  }
  for (const tuple of old) {
    const rows = absent === 'pass' ? null : 1
    await writer.statement({ rows, table, what: 'delete' }, (sql) => {
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
