import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Route } from '../../../src/apply/route.ts'
import type { Change } from '../../../src/model/change.ts'
import type { TableMode, TableState } from '../../../src/model/checkpoint.ts'
import type { Table } from '../../../src/model/table.ts'
import { tupleOf } from '../../../src/model/tuple.ts'
import { textTable } from '../../../testkit/memory/tables.ts'
import { packedChanges } from '../../../testkit/packed.ts'
import { compare, place } from '../places.ts'

const [early, late] = ['1', '2'].map((id) =>
  textTable({ id, columns: ['id'], identity: { by: 'key', columns: [0] } }),
) as [Table, Table]

const stateOf = (table: Table, start: number | null, mode: TableMode = 'exact'): TableState => ({
  table,
  target: table,
  mode,
  state: 'copied',
  start: start === null ? null : place(start),
  rowsCopied: 0,
})

const insert = (table: Table): Change => ({
  kind: 'insert',
  table,
  row: tupleOf(['x']),
  old: null,
})

suite('the route of changes', () => {
  test('drops what a copy holds already, and nothing else', () => {
    const route = new Route(compare, [stateOf(early, 10), stateOf(late, 20)])
    const both = packedChanges([insert(early), insert(late)])
    assert.deepEqual([...route.at(place(10))(both)], [])
    assert.deepEqual([...route.at(place(11))(both)], [insert(early)])
    assert.deepEqual([...route.at(place(20))(both)], [insert(early)])
    assert.deepEqual([...route.at(place(21))(both)], [...both])
    assert.equal(route.at(place(22))(both), both)
  })

  test('takes the tables out of a truncate that hold it, and the schema changes of those', () => {
    const route = (): Route => new Route(compare, [stateOf(early, 10), stateOf(late, 20)])
    const tables = [early, late]
    const truncate = { kind: 'truncate', tables, restartSequences: true } as const
    const schema = (table: Table): Change => ({ kind: 'schema', from: table, to: table })
    const all = packedChanges([truncate, schema(early), schema(late)])
    assert.deepEqual(
      [...route().at(place(15))(all)],
      [{ ...truncate, tables: [early] }, schema(early)],
    )
    assert.deepEqual([...route().at(place(5))(packedChanges([truncate]))], [])
  })

  test('says of a transaction the same when later ones were asked for', () => {
    const route = new Route(compare, [stateOf(early, 10)])
    const held = route.at(place(5))
    const free = route.at(place(15))
    assert.deepEqual([...held(packedChanges([insert(early)]))], [])
    assert.deepEqual([...free(packedChanges([insert(early)]))], [insert(early)])
  })

  test('looks at each place where copies stand, not at each table', () => {
    const states = Array.from({ length: 1000 }, (_, i) => {
      const table = textTable({
        id: `${i}`,
        columns: ['id'],
        identity: { by: 'key', columns: [0] },
      })
      return stateOf(table, i < 600 ? 500 : 1000)
    })
    let compared = 0
    const counting: typeof compare = (a, b) => {
      compared++
      return compare(a, b)
    }
    const route = new Route(counting, states)
    for (let order = 1; order <= 1000; order++) route.at(place(order))
    assert.equal(compared, 2 * 501 + 499)
    const [first, last] = [states[0]?.table ?? assert.fail(), states[999]?.table ?? assert.fail()]
    const both = packedChanges([insert(first), insert(last)])
    assert.deepEqual([...route.at(place(1000))(both)], [insert(first)])
  })

  test('a table without a start takes everything', () => {
    const route = new Route(compare, [stateOf(early, null)])
    assert.deepEqual([...route.at(place(1))(packedChanges([insert(early)]))], [insert(early)])
  })

  test('knows the mode of a table, whatever its version', () => {
    const route = new Route(compare, [stateOf(early, 1, 'merge')])
    assert.equal(route.modeOf({ ...early, version: 'another' }), 'merge')
    assert.equal(route.modeOf(late), 'exact')
  })
})
