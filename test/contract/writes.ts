import fc from 'fast-check'
import { textsOf } from '../../src/model/tuple.ts'
import { MemoryDatabase } from '../../testkit/memory/database.ts'
import type { Row } from '../../testkit/memory/tables.ts'
import type { MemoryTransaction } from '../../testkit/memory/transaction.ts'
import { changesOf, type Workload, workload } from '../../testkit/memory/workload.ts'

/**
 * What an application does to its tables, said without any database's words. The tables of every
 * fixture: `plain` (id, a) with the key id; `wide` (a, id, big) with the key id, its cells in
 * `big` large enough to travel as unchanged; `loose` (a, b) without a key, found by whole rows;
 * `aside` (id), which is not selected.
 */
export type Write =
  | { readonly kind: 'insert'; readonly table: string; readonly row: Row }
  | {
      readonly kind: 'update'
      readonly table: string
      readonly find: Named
      readonly set: Named
    }
  | { readonly kind: 'delete'; readonly table: string; readonly find: Named }
  | { readonly kind: 'truncate'; readonly tables: readonly string[] }
  | { readonly kind: 'column'; readonly table: string; readonly name: string }
  | { readonly kind: 'savepoint' | 'release' | 'undo' }

/** Cells by column. One row that has them is meant. */
export type Named = Readonly<Record<string, string | null>>

/** A transaction that is open. */
export interface Writer {
  write(...writes: readonly Write[]): Promise<void>
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** What every table of a database holds: its rows as JSON arrays of text, sorted, by its name. */
export type Contents = ReadonlyMap<string, readonly string[]>

export const insert = (table: string, ...row: Row): Write => ({ kind: 'insert', table, row })
export const update = (table: string, find: Named, set: Named): Write => ({
  kind: 'update',
  table,
  find,
  set,
})
export const remove = (table: string, find: Named): Write => ({ kind: 'delete', table, find })
export const truncate = (...tables: readonly string[]): Write => ({ kind: 'truncate', tables })

/** A text that no database keeps within its row. */
export function large(seed: string): string {
  return Array.from({ length: 1000 }, (_, i) => `${seed}${i}`).join('-')
}

/** The rows that each test begins with. */
export const firstRows: readonly Write[] = [
  ...['a', 'b', 'c'].flatMap((id) => [
    insert('plain', id, null),
    insert('wide', 'x', id, large(id)),
    insert('loose', 'same', 'same'),
  ]),
  insert('loose', 'single', null),
]

export const names = ['plain', 'wide', 'loose'] as const

/** The tables in memory. */
export function memoryTables(database: MemoryDatabase): ReadonlyMap<string, string> {
  const key = (column: number) => ({ by: 'key', columns: [column] }) as const
  const made = [
    database.table('plain', ['id', 'a'], key(0)),
    database.table('wide', ['a', 'id', 'big'], key(1)),
    database.table('loose', ['a', 'b'], { by: 'row' }),
    database.table('aside', ['id'], key(0)),
  ]
  return new Map(made.map(({ name, id }) => [name, id]))
}

export function writeInMemory(
  transaction: MemoryTransaction,
  ids: ReadonlyMap<string, string>,
  writes: readonly Write[],
): void {
  const id = (table: string): string => ids.get(table) ?? table
  for (const write of writes) {
    if (write.kind === 'insert') transaction.insert(id(write.table), write.row)
    else if (write.kind === 'update') transaction.update(id(write.table), write.find, write.set)
    else if (write.kind === 'delete') transaction.delete(id(write.table), write.find)
    else if (write.kind === 'truncate') transaction.truncate(write.tables.map(id))
    else if (write.kind === 'column') transaction.addColumn(id(write.table), write.name)
    else if (write.kind === 'savepoint') transaction.savepoint()
    else if (write.kind === 'release') transaction.release()
    else transaction.rollbackTo()
  }
}

/** A random workload's committed transactions as writes, to be carried out on any database. */
function writesOf(work: Workload): readonly (readonly Write[])[] {
  const database = new MemoryDatabase()
  memoryTables(database)
  database.write((transaction) => writeInMemory(transaction, idsIn(database), firstRows))
  return work.transactions.map((transact) => {
    const before = database.log.length
    transact(database)
    const log = database.log.slice(before)
    return changesOf({ log }).flatMap((change): readonly Write[] => {
      if (change.kind === 'truncate')
        return [{ kind: 'truncate', tables: change.tables.map(({ name }) => name) }]
      if (change.kind === 'schema') return []
      const { table } = change
      const cells = (tuple: Buffer | null): readonly (string | null | undefined)[] =>
        tuple === null ? [] : textsOf(tuple)
      return [writeOf(table.name, change.kind, { row: cells(change.row), old: cells(change.old) })]
    })
  })
}

type Cells = readonly (string | null | undefined)[]

const columns: Readonly<Record<string, readonly string[]>> = {
  plain: ['id', 'a'],
  wide: ['a', 'id', 'big'],
  loose: ['a', 'b'],
}

function writeOf(
  table: string,
  kind: 'insert' | 'update' | 'delete',
  { row, old }: { readonly row: Cells; readonly old: Cells },
): Write {
  if (kind === 'insert') return { kind, table, row: row.map((cell) => cell ?? null) }
  const all = named(table, old.length > 0 ? old : row)
  const find = table === 'loose' ? all : { id: all['id'] ?? null }
  if (kind === 'delete') return { kind, table, find }
  return { kind, table, find, set: named(table, row) }
}

/** Unchanged cells have no name here. */
function named(table: string, cells: Cells): Named {
  const pairs = (columns[table] ?? []).map((name, i) => [name, cells[i]] as const)
  return Object.fromEntries(
    pairs.flatMap(([name, cell]) => (cell === undefined ? [] : [[name, cell]])),
  )
}

function idsIn(database: MemoryDatabase): ReadonlyMap<string, string> {
  const stored = [...database.committed().values()]
  return new Map(stored.map(({ table }) => [table.name, table.id]))
}

/** Some thirty transactions of every kind; the same in each run. */
export const sample: readonly (readonly Write[])[] = fc
  .sample(workload({ transactions: 40, least: 40 }), { numRuns: 1, seed: 7 })
  .flatMap((work) => writesOf(work).filter((writes) => writes.length > 0))
