import fc from 'fast-check'
import type { Change } from '../../../src/model/change.ts'
import { tupleOf } from '../../../src/model/tuple.ts'
import { textTable } from '../../../testkit/memory/tables.ts'

const tables = ['1', '2', '3'].map((id) =>
  textTable({ id, columns: ['id', 'a'], identity: { by: 'key', columns: [0] } }),
)
export const anyTable = fc.constantFrom(...tables)

const value = fc.oneof(fc.constantFrom(null, undefined), fc.string({ maxLength: 5 }))
export const tuple = fc.array(value, { maxLength: 4 }).map((cells) => tupleOf(cells))
const maybe = fc.option(tuple, { nil: null })

/** Row changes mostly, with any tuples, since a list of them does not look inside. */
export const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record(
      {
        kind: fc.constantFrom('insert', 'update', 'delete'),
        table: anyTable,
        row: maybe,
        old: maybe,
      },
      { noNullPrototype: true },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record(
      {
        kind: fc.constant('truncate'),
        tables: fc.subarray(tables),
        restartSequences: fc.boolean(),
      },
      { noNullPrototype: true },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record(
      { kind: fc.constant('schema'), from: anyTable, to: anyTable },
      { noNullPrototype: true },
    ),
  },
)
export const changes = fc.array(change, { maxLength: 25 })
