import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { collapse } from '../../../src/apply/collapse.ts'
import { Marker } from '../../../src/apply/marker.ts'
import { inOrder } from '../../../src/apply/ordered.ts'
import { Route } from '../../../src/apply/route.ts'
import type { Change } from '../../../src/model/change.ts'
import { OneLane } from '../../../src/model/position.ts'
import { Run } from '../../../src/model/run.ts'
import { textsOf, tupleOf } from '../../../src/model/tuple.ts'
import { textTable } from '../../../testkit/memory/tables.ts'
import { packedChanges } from '../../../testkit/packed.ts'
import { compare, place } from '../places.ts'

const table = textTable({ id: '1', columns: ['id', 'v'], identity: { by: 'key', columns: [0] } })

const marker = new Marker(({ capturedAt, place: at, op }) =>
  tupleOf([capturedAt === null ? null : String(capturedAt), at, op, 'now']),
)

const born: Change = { kind: 'insert', table, row: tupleOf(['1', 'a']), old: null }
const changed: Change = {
  ...{ kind: 'update', table },
  ...{ row: tupleOf(['1', undefined]), old: tupleOf(['1', 'a']) },
}
const gone: Change = { kind: 'delete', table, row: null, old: tupleOf(['2', null]) }

suite('what is known of a change beside its row', () => {
  test('stands behind the cells of rows, and not of what finds them', () => {
    const truncate = { kind: 'truncate', tables: [table], restartSequences: false } as const
    const all = packedChanges([born, truncate, changed, gone])
    const made = marker.at(place(7), 99n)(all)
    assert.deepEqual(
      [...made].map((change) =>
        change.kind === 'truncate' || change.kind === 'schema'
          ? change.kind
          : [change.kind, change.row && textsOf(change.row), change.old && textsOf(change.old)],
      ),
      [
        ['insert', ['1', 'a', '99', '7', 'c', 'now'], null],
        'truncate',
        ['update', ['1', undefined, '99', '7', 'u', 'now'], ['1', 'a']],
        ['delete', null, ['2', null]],
      ],
    )
  })

  test('is of the last change where changes of a row become one, and of each transaction', () => {
    const runs = [7, 8].map((order) => {
      const committedAt = BigInt(order)
      return Run.of({
        changes: order === 7 ? [born] : [changed],
        positions: place(order),
        committedAt,
      })
    })
    const route = new Route(compare, [], marker)
    const lists = runs.map((run) => route.of(run).changes)
    const steps = collapse(lists, () => 'exact')
    const [step] = steps
    assert.ok(step?.kind === 'insert' && steps.length === 1)
    assert.deepEqual([...step.rows].map(textsOf), [['1', 'a', '8', '8', 'u', 'now']])
  })

  test('a row that is put as a whole is one whose cells are all there', () => {
    const whole: Change = { kind: 'update', table, row: tupleOf(['1', 'b']), old: null }
    const lists = [marker.at(place(7), null)(packedChanges([whole]))]
    for (const steps of [collapse(lists, () => 'put'), inOrder(lists, () => 'put')]) {
      assert.deepEqual(
        steps.map((step) => [step.kind, step.kind === 'insert' && step.existing]),
        [['insert', 'overwrite']],
      )
    }
  })

  test('the place is the one that people read, where the log has such words', () => {
    const position = { log: 'l', order: 1n, token: 'long', shown: 'short' }
    const made = marker.at(new OneLane('lane', position), null)(packedChanges([born]))
    assert.deepEqual(
      [...made].map((change) => 'row' in change && change.row && textsOf(change.row)[3]),
      ['short'],
    )
  })
})
