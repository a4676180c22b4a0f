import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { collapse } from '../../../src/apply/collapse.ts'
import { inOrder } from '../../../src/apply/ordered.ts'
import type { Step } from '../../../src/model/batch.ts'
import type { Change } from '../../../src/model/change.ts'
import { Changes } from '../../../src/model/changes.ts'
import type { TableMode } from '../../../src/model/checkpoint.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { Table } from '../../../src/model/table.ts'
import { textsOf, tupleOf } from '../../../src/model/tuple.ts'
import { contentsOf, MemoryDatabase } from '../../../testkit/memory/database.ts'
import type { State } from '../../../testkit/memory/rows.ts'
import { carryOut } from '../../../testkit/memory/steps.ts'
import { type MemoryStore, StoreTransaction } from '../../../testkit/memory/store.ts'
import { textTable } from '../../../testkit/memory/tables.ts'
import { changesOf, workload } from '../../../testkit/memory/workload.ts'
import { packedChanges } from '../../../testkit/packed.ts'

const exact = (): TableMode => 'exact'
const merging = (): TableMode => 'merge'
const putting = (): TableMode => 'put'
const none: MemoryStore['unique'] = new Map()

/** What strict steps make of rows; null when one of them is refused. */
function outcome(from: State, steps: readonly Step[]): State | null {
  const transaction = new StoreTransaction({ mirrors: new Map(), tables: from }, none)
  try {
    for (const step of steps) carryOut(step, transaction)
  } catch (error) {
    if (error instanceof Fault) return null
    throw error
  }
  return transaction.image.tables
}

const table = textTable({
  id: '1',
  name: 't',
  columns: ['id', 'a', 'big'],
  identity: { by: 'key', columns: [0] },
})

type Cells = readonly (string | null | undefined)[]

function stateOf(rows: ReadonlyMap<string, Cells>): State {
  const stored = [...rows.values()].map((cells) => tupleOf(cells))
  const entries = stored.map((tuple) => [keyText(tuple), [tuple]] as const)
  return new Map([[table.id, { table, rows: new Map(entries) }]])
}

function keyText(tuple: Buffer): string {
  const { length } = tupleOf([textsOf(tuple)[0] ?? null])
  return tuple.toString('latin1', 2, length)
}

/** The changes one by one, by other means than those under test; null when one cannot be. */
function oneByOne(
  from: ReadonlyMap<string, Cells>,
  changes: readonly Change[],
): ReadonlyMap<string, Cells> | null {
  const rows = new Map(from)
  for (const change of changes) {
    if (change.kind === 'truncate') rows.clear()
    if (change.kind === 'truncate' || change.kind === 'schema') continue
    const row = change.row === null ? null : textsOf(change.row)
    const old = String(textsOf(change.old ?? change.row ?? tupleOf([]))[0])
    if (change.kind === 'insert') {
      if (rows.has(old) || row === null) return null
      rows.set(old, row)
      continue
    }
    const before = rows.get(old)
    if (before === undefined) return null
    rows.delete(old)
    if (change.kind === 'delete' || row === null) continue
    const after = row.map((cell, i) => (cell === undefined ? before[i] : cell))
    if (rows.has(String(after[0]))) return null
    rows.set(String(after[0]), after)
  }
  return rows
}

/** What puts and deletes make of rows, however often they are told; null when a value is missing. */
function putOneByOne(
  from: ReadonlyMap<string, Cells>,
  changes: readonly Change[],
): ReadonlyMap<string, Cells> | null {
  const rows = new Map(from)
  for (const change of changes) {
    if (change.kind === 'truncate') rows.clear()
    if (change.kind === 'truncate' || change.kind === 'schema') continue
    const row = change.row === null ? null : textsOf(change.row)
    const id = String(textsOf(change.row ?? change.old ?? tupleOf([]))[0])
    const before = rows.get(id)
    if (row === null) rows.delete(id)
    else if (!row.includes(undefined)) rows.set(id, row)
    else if (before === undefined) return null
    else
      rows.set(
        id,
        row.map((cell, i) => (cell === undefined ? before[i] : cell)),
      )
  }
  return rows
}

const key = fc.constantFrom('1', '2', '3', '4')
const cell = fc.option(fc.constantFrom('x', 'y', ''), { nil: null })
const keep = fc.option(cell, { nil: undefined })
const whole = fc.tuple(key, cell, cell)
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 4,
    arbitrary: whole.map(
      (row): Change => ({ kind: 'insert', table, row: tupleOf(row), old: null }),
    ),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(key, keep, keep)
      .map((row): Change => ({ kind: 'update', table, row: tupleOf(row), old: null })),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(key, fc.tuple(key, keep, keep)).map(
      ([from, row]): Change => ({
        kind: 'update',
        table,
        row: tupleOf(row),
        old: tupleOf([from, null, null]),
      }),
    ),
  },
  {
    weight: 4,
    arbitrary: key.map(
      (id): Change => ({
        kind: 'delete',
        table,
        row: null,
        old: tupleOf([id, null, null]),
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Change>({ kind: 'truncate', tables: [table], restartSequences: false }),
  },
)
const beginning = fc
  .uniqueArray(whole, { selector: ([id]) => id, maxLength: 4 })
  .map((rows) => new Map<string, Cells>(rows.map((row) => [row[0], row])))

/** Changes as they come: in one list after another, of which some stand in one buffer. */
function listsOf(changes: readonly Change[], cuts: readonly number[] = []): readonly Changes[] {
  const at = [0, ...cuts.map((cut) => Math.min(cut, changes.length)), changes.length]
  at.sort((a, b) => a - b)
  return at.slice(1).map((end, i) => {
    const some = changes.slice(at[i], end)
    return i % 3 === 2 ? Changes.of(some) : packedChanges(some)
  })
}

const cuts = fc.array(fc.nat(12), { maxLength: 4 })

const text = (state: State | null): string =>
  state === null ? 'refused' : JSON.stringify([...contentsOf(state)])

suite('collapse', () => {
  test('steps of any history end where its changes end one by one, or are refused', () => {
    let kept = 0
    fc.assert(
      fc.property(beginning, fc.array(change, { maxLength: 12 }), cuts, (rows, changes, at) => {
        const wanted = oneByOne(rows, changes)
        const from = stateOf(rows)
        const lists = listsOf(changes, at)
        const ordered = outcome(from, inOrder(lists, exact))
        assert.equal(text(ordered), wanted === null ? 'refused' : text(stateOf(wanted)))
        const collapsed = outcome(from, collapse(lists, exact))
        if (wanted !== null) {
          kept++
          assert.equal(text(collapsed), text(stateOf(wanted)))
        } else if (!bornInVain(rows, changes)) assert.equal(text(collapsed), 'refused')
      }),
      { numRuns: 3000 },
    )
    assert.ok(kept > 300, `only ${kept} histories were possible ones`)
  })

  test('steps of what a database did give its rows', () => {
    fc.assert(
      fc.property(workload({ transactions: 8, schema: true }), (actions) => {
        const database = new MemoryDatabase()
        const from = actions.begin(database)
        actions.run(database)
        const changes = listsOf(changesOf(database))
        const wanted = text(database.committed())
        assert.equal(text(outcome(from, collapse(changes, exact))), wanted)
        assert.equal(text(outcome(from, inOrder(changes, exact))), wanted)
      }),
      { numRuns: 300 },
    )
  })

  test('a merge adds and updates, and never removes', () => {
    fc.assert(
      fc.property(beginning, fc.array(change, { maxLength: 10 }), cuts, (rows, all, at) => {
        const changes = listsOf(all, at)
        const steps = [...collapse(changes, merging), ...inOrder(changes, merging)]
        for (const step of steps) {
          assert.ok(step.kind === 'insert' || step.kind === 'update')
          if (step.kind === 'insert') assert.equal(step.existing, 'overwrite')
        }
        const collapsed = outcome(stateOf(rows), collapse(changes, merging))
        const ordered = outcome(stateOf(rows), inOrder(changes, merging))
        if (ordered !== null) assert.equal(text(collapsed), text(ordered))
      }),
      { numRuns: 1000 },
    )
  })

  test('what is told again is put and taken away as if it were told once', () => {
    let kept = 0
    const moves = (one: Change): boolean => one.kind === 'update' && one.old !== null
    fc.assert(
      fc.property(beginning, fc.array(change, { maxLength: 12 }), cuts, (rows, all, at) => {
        const changes = all.filter((one) => !moves(one))
        const wanted = putOneByOne(rows, changes)
        const lists = listsOf(changes, at)
        const ordered = outcome(stateOf(rows), inOrder(lists, putting))
        assert.equal(text(ordered), wanted === null ? 'refused' : text(stateOf(wanted)))
        if (wanted === null) return
        kept++
        assert.equal(text(outcome(stateOf(rows), collapse(lists, putting))), text(stateOf(wanted)))
      }),
      { numRuns: 2000 },
    )
    assert.ok(kept > 300, `only ${kept} histories were possible ones`)
  })

  test('many changes of one row are one row of one step', () => {
    const row = (id: string, a: string | null | undefined): Buffer => tupleOf([id, a, 'b'])
    const changes: Change[] = [
      { kind: 'insert', table, row: row('1', 'x'), old: null },
      { kind: 'update', table, row: tupleOf(['1', 'y', undefined]), old: null },
      { kind: 'update', table, row: row('2', 'z'), old: null },
      { kind: 'update', table, row: row('3', 'z'), old: null },
      { kind: 'update', table, row: row('2', 'w'), old: null },
      { kind: 'delete', table, row: null, old: tupleOf(['4', null, null]) },
    ]
    const steps = collapse(listsOf(changes), exact)
    assert.deepEqual(
      steps.map((step) => step.kind),
      ['delete', 'update', 'insert'],
    )
    const [, update, insert] = steps
    assert.ok(update?.kind === 'update' && insert?.kind === 'insert')
    assert.deepEqual([...update.rows].map(textsOf), [
      ['2', 'w', 'b'],
      ['3', 'z', 'b'],
    ])
    assert.deepEqual([...insert.rows].map(textsOf), [['1', 'y', 'b']])
  })

  test('updates with the same columns go together, others apart', () => {
    const update = (cells: Cells): Change => ({
      kind: 'update',
      table,
      row: tupleOf(cells),
      old: null,
    })
    const steps = collapse(
      listsOf([
        update(['1', 'x', undefined]),
        update(['2', undefined, 'y']),
        update(['3', 'z', undefined]),
      ]),
      exact,
    )
    assert.deepEqual(
      steps.map((step) => (step.kind === 'update' ? [step.set, step.rows.length] : step.kind)),
      [
        [[0, 1], 2],
        [[0, 2], 1],
      ],
    )
  })

  test('rows of a table described anew come after those that were read before', () => {
    const again: Table = { ...table }
    const steps = collapse(
      listsOf([
        { kind: 'insert', table, row: tupleOf(['1', 'x', 'y']), old: null },
        { kind: 'update', table: again, row: tupleOf(['1', 'z', undefined]), old: null },
      ]),
      exact,
    )
    assert.deepEqual(
      steps.map(({ kind }) => kind),
      ['insert', 'update'],
    )
  })

  const divergent: Readonly<Record<string, readonly Change['kind'][]>> = {
    'a second insert': ['insert', 'insert'],
    'an update of a deleted row': ['insert', 'delete', 'update'],
    'a second delete': ['insert', 'delete', 'delete'],
    'an update of a row that was never there': ['update'],
    'a delete of a row that was never there': ['delete'],
  }
  for (const [name, kinds] of Object.entries(divergent)) {
    test(`${name} reaches the target, which refuses it`, () => {
      const changes = listsOf(kinds.map((kind) => simple(kind, table)))
      assert.equal(outcome(stateOf(new Map()), collapse(changes, exact)), null)
      assert.equal(outcome(stateOf(new Map()), inOrder(changes, exact)), null)
    })
  }
})

function simple(kind: Change['kind'], of: Table): Change {
  const row = tupleOf(['1', 'x', 'y'])
  if (kind === 'delete') return { kind, table: of, row: null, old: row }
  if (kind === 'insert' || kind === 'update') return { kind, table: of, row, old: null }
  throw new Error(kind)
}

/**
 * True when the only thing wrong is a row that was added although it was there, and deleted again:
 * nothing of it is left to send, so that nobody can refuse it.
 */
function bornInVain(rows: ReadonlyMap<string, Cells>, changes: readonly Change[]): boolean {
  const double = changes.findIndex((_, i) => isDouble(rows, changes, i))
  return double >= 0 && changes.slice(double).some(({ kind }) => kind === 'delete')
}

function isDouble(
  rows: ReadonlyMap<string, Cells>,
  changes: readonly Change[],
  index: number,
): boolean {
  const before = oneByOne(rows, changes.slice(0, index))
  const one = changes[index]
  if (before === null || one?.kind !== 'insert' || one.row === null) return false
  return before.has(String(textsOf(one.row)[0]))
}
