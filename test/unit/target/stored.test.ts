import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Fault } from '../../../src/model/fault.ts'
import { checkpointOf, planOf } from '../../../src/target/stored.ts'
import { textTable } from '../../../testkit/memory/tables.ts'

const place = {
  log: '7',
  order: '18446744073709551615',
  token: 'FFFFFFFF/FFFFFFFF',
  landmark: null,
}
const table = textTable({ id: '1', columns: ['a', 'b'], identity: { by: 'key', columns: [1] } })
const stored = {
  table,
  target: { schema: 'public', name: 't1' },
  mode: 'exact',
  state: 'copied',
  start: { wal: place },
  rowsCopied: 3,
}
const row = {
  settings: '{"copyWorkers":2}',
  source: '{"system":{"value":"7","changed":"HF-L106"}}',
  finished: 't',
  positions: JSON.stringify({ wal: { ...place, landmark: '0/1 5' } }),
  tables: JSON.stringify([stored, { ...stored, start: null, state: 'pending' }]),
}
const plan = {
  blueprint: { dialect: 'postgres', tables: [table], native: { anything: 1 } },
  tables: [{ table, target: stored.target, mode: 'exact' }],
  onExisting: 'merge',
}

function refused(work: () => unknown, column: RegExp): void {
  assert.throws(work, (error) => {
    assert.ok(error instanceof Fault, String(error))
    assert.equal(error.code, 'HF-X108')
    assert.match(error.message, column)
    return true
  })
}

test('a checkpoint is read as it was written', () => {
  const { positions, tables, settings, finished, source } = checkpointOf('m', row)
  assert.deepEqual(positions.get('wal'), {
    ...place,
    order: 18446744073709551615n,
    landmark: '0/1 5',
  })
  const { landmark: _none, ...plain } = { ...place, order: 18446744073709551615n }
  assert.deepEqual(tables[0]?.start?.get('wal'), plain)
  assert.deepEqual(tables[0]?.table, table)
  assert.deepEqual([tables[1]?.start, tables[1]?.state], [null, 'pending'])
  assert.deepEqual(settings, { copyWorkers: 2 })
  assert.deepEqual(source, { system: { value: '7', changed: 'HF-L106' } })
  assert.equal(finished, true)
})

test('a plan is read as it was written', () => {
  assert.deepEqual(planOf('m', { plan: JSON.stringify(plan) }), plan)
})

test('a checkpoint that lacks or bends anything is refused by name', () => {
  const lane = (changed: object) => ({
    positions: JSON.stringify({ wal: { ...place, ...changed } }),
  })
  const one = (changed: object) => ({ tables: JSON.stringify([{ ...stored, ...changed }]) })
  for (const [changed, column] of [
    [{ positions: null }, /positions/],
    [{ positions: '{"wal":' }, /positions/],
    [lane({ order: '1.5' }), /positions.*wal\.order/],
    [lane({ order: '-1' }), /positions/],
    [lane({ order: 5 }), /positions/],
    [lane({ token: undefined }), /positions/],
    [{ source: '[]' }, /source/],
    [{ tables: '{}' }, /tables/],
    [one({ state: 'half' }), /tables.*0\.state/],
    [one({ mode: 'x' }), /tables/],
    [one({ rowsCopied: -1 }), /tables/],
    [one({ start: { wal: {} } }), /tables/],
    [one({ table: { ...table, columns: [] } }), /tables/],
    [one({ table: { ...table, identity: { by: 'key', columns: [2] } } }), /tables/],
    [one({ table: { ...table, identity: { by: 'luck' } } }), /tables/],
  ] as const) {
    refused(() => checkpointOf('m', { ...row, ...changed }), column)
  }
  refused(() => planOf('m', { plan: '{"tables":[]}' }), /plan/)
})

test('whatever stands in the state, it is read or refused', () => {
  const columns = fc.constantFrom('settings', 'source', 'positions', 'tables')
  const flips = fc.array(fc.tuple(fc.nat(), fc.constantFrom('', '0', '"', '{', ']', 'null', 'é')))
  fc.assert(
    fc.property(columns, fc.oneof(flips, fc.json()), (column, change) => {
      let text: string = row[column as keyof typeof row]
      if (typeof change === 'string') text = change
      else for (const [at, to] of change) text = put(text, at, to)
      try {
        checkpointOf('m', { ...row, [column]: text })
      } catch (error) {
        assert.ok(error instanceof Fault && error.code === 'HF-X108', String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})

function put(text: string, at: number, to: string): string {
  const place = at % Math.max(1, text.length)
  return text.slice(0, place) + to + text.slice(place + 1)
}
