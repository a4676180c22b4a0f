import fc from 'fast-check'
import type { Change } from '../../src/model/change.ts'
import { textsOf } from '../../src/model/tuple.ts'
import type { MemoryDatabase } from './database.ts'
import type { State } from './rows.ts'
import type { MemoryTransaction } from './transaction.ts'

/** What a transaction does next; the numbers choose among what is there. */
interface Action {
  readonly kind:
    | 'insert'
    | 'update'
    | 'move'
    | 'delete'
    | 'truncate'
    | 'column'
    | 'savepoint'
    | 'release'
    | 'undo'
  readonly table: number
  readonly pick: number
  readonly value: string | null
}

interface Doing {
  readonly actions: readonly Action[]
  readonly rolledBack: boolean
  /** Changes after which the transaction is logged in parts. */
  readonly parts: number
}

export interface Workload {
  /** Makes the tables and their first rows. */
  begin(database: MemoryDatabase): State
  /** All transactions, one after another. */
  run(database: MemoryDatabase): void
  /** The transactions one by one, for who does something between them. */
  readonly transactions: readonly ((database: MemoryDatabase) => void)[]
}

const kinds: Readonly<Record<Action['kind'], number>> = {
  insert: 6,
  update: 6,
  move: 2,
  delete: 3,
  truncate: 1,
  column: 1,
  savepoint: 2,
  release: 1,
  undo: 1,
}

/**
 * Random work of a database with three tables: one with a key, one whose key is its second
 * column and that has a large one, one without a key that is found by its rows.
 */
export function workload(options: {
  readonly transactions: number
  /** Not fewer than this; 1 unless given. */
  readonly least?: number
  readonly schema?: boolean
}): fc.Arbitrary<Workload> {
  const wanted = Object.entries(kinds).filter(
    ([kind]) => kind !== 'column' || options.schema === true,
  )
  const kind = fc.oneof(
    ...wanted.map(([name, weight]) => ({
      weight,
      arbitrary: fc.constant(name as Action['kind']),
    })),
  )
  const action = fc.record({
    kind,
    table: fc.nat(2),
    pick: fc.nat(1000),
    value: fc.option(fc.string({ maxLength: 5 }), { nil: null, freq: 6 }),
  })
  const doing = fc.record({
    actions: fc.array(action, { minLength: 1, maxLength: 8 }),
    rolledBack: fc.boolean(),
    parts: fc.constantFrom(1, 2, 3, 100, 100, 100),
  })
  return fc
    .array(doing, { minLength: options.least ?? 1, maxLength: options.transactions })
    .map((all) => workloadOf(all))
}

function workloadOf(all: readonly Doing[]): Workload {
  let next = 0
  const transactions = all.map((doing, i) => (database: MemoryDatabase) => {
    const transaction = database.begin({ parts: doing.parts })
    for (const action of doing.actions) act(transaction, action, String(next++))
    if (doing.rolledBack && i % 3 === 0) transaction.rollback()
    else transaction.commit()
  })
  return {
    transactions,
    begin: (database) => {
      database.table('plain', ['id', 'a'], { by: 'key', columns: [0] })
      database.table('wide', ['a', 'id', 'big'], { by: 'key', columns: [1] })
      database.table('loose', ['a', 'b'], { by: 'row' })
      database.write((transaction) => {
        for (const id of ['a', 'b', 'c']) {
          transaction.insert('101', [id, null])
          transaction.insert('102', ['x', id, `large ${id}`])
          transaction.insert('103', ['same', 'same'])
        }
      })
      database.log.length = 0
      return database.committed()
    },
    run: (database) => {
      for (const transaction of transactions) transaction(database)
    },
  }
}

function act(transaction: MemoryTransaction, action: Action, fresh: string): void {
  const id = String(101 + action.table)
  const rows = transaction.rows(id)
  const chosen = rows[action.pick % Math.max(1, rows.length)]
  const row = chosen === undefined ? null : textsOf(chosen).map((cell) => cell ?? null)
  const { value } = action
  const work: Readonly<Record<Action['kind'], () => void>> = {
    insert: () => transaction.insert(id, newRow(transaction, id, { value, fresh })),
    update: () => row !== null && transaction.update(id, row, { a: value }),
    move: () => row !== null && id !== '103' && transaction.update(id, row, { id: `m${fresh}` }),
    delete: () => row !== null && transaction.delete(id, row),
    truncate: () => transaction.truncate(action.pick % 2 === 0 ? [id] : ['101', '102', '103']),
    column: () => transaction.addColumn(id, `added${fresh}`),
    savepoint: () => transaction.savepoint(),
    release: () => transaction.release(),
    undo: () => transaction.rollbackTo(),
  }
  work[action.kind]()
}

/** A whole row of as many cells as the table has; keys are few so that they come again. */
function newRow(
  transaction: MemoryTransaction,
  id: string,
  { value, fresh }: { readonly value: string | null; readonly fresh: string },
): (string | null)[] {
  const width = transaction.table(id).columns.length
  const row: (string | null)[] = Array.from({ length: width }, () => value)
  const keyAt = { '101': 0, '102': 1 }[id]
  if (keyAt === undefined) return row
  const used = new Set(transaction.rows(id).map((tuple) => textsOf(tuple)[keyAt]))
  row[keyAt] = ['a', 'b', 'c', 'd'].find((key) => !used.has(key)) ?? `n${fresh}`
  return row
}

/** All changes that were committed, in commit order, those that were undone left out. */
export function changesOf(database: Pick<MemoryDatabase, 'log'>): readonly Change[] {
  const open = new Map<string, { readonly sub: string | null; readonly change: Change }[]>()
  const committed: Change[] = []
  for (const record of database.log) {
    const { transaction } = record
    const before = open.get(transaction) ?? []
    if (record.kind === 'discard') {
      const kept = record.sub === null ? [] : before.filter(({ sub }) => sub !== record.sub)
      open.set(transaction, kept)
    } else if (record.kind === 'part') {
      const more = record.changes.map((change) => ({ sub: record.sub, change }))
      open.set(transaction, [...before, ...more])
    } else {
      committed.push(...before.map(({ change }) => change), ...record.changes)
    }
  }
  return committed
}
