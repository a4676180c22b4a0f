import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isAtEnd, legOf, within } from '../../../src/mirror/leg.ts'
import type { ChangeList, StreamItem } from '../../../src/model/change.ts'
import { Changes } from '../../../src/model/changes.ts'
import type { Checkpoint, TableState } from '../../../src/model/checkpoint.ts'
import { describePositions, type Positions } from '../../../src/model/position.ts'
import { Run } from '../../../src/model/run.ts'
import { textTable } from '../../../testkit/memory/tables.ts'
import { compare, place } from '../places.ts'

const log = {
  compare,
  traits: { dialect: 'memory', wholeTransactions: true },
} as const

/** A table with its start; one that came later unless it is of the first copy. */
function state(id: string, start: number | null, first = false): TableState {
  const table = textTable({ id, columns: ['id'], identity: { by: 'key', columns: [0] } })
  return {
    table: first ? table : { ...table, since: 'later' },
    target: table,
    mode: 'exact',
    state: start === null ? 'pending' : 'copied',
    start: start === null ? null : place(start),
    rowsCopied: 0,
  }
}

const standing = (at: number, ...tables: TableState[]): Checkpoint => ({
  mirror: 'm',
  source: {},
  positions: place(at),
  tables,
  settings: {},
  finished: true,
})

const ids = (tables: readonly TableState[]): string => tables.map(({ table }) => table.id).join()

const none: ChangeList = []

function commit(at: number, landmark?: string): StreamItem {
  const positions = landmark === undefined ? place(at) : marked(place(at), landmark)
  return { kind: 'commit', transaction: `${at}`, changes: none, positions, committedAt: null }
}

function marked(positions: Positions, landmark: string): Positions {
  return new Map([...positions].map(([lane, one]) => [lane, { ...one, landmark }]))
}

function run(...places: readonly number[]): StreamItem {
  const at = {
    length: places.length,
    positions: (i: number) => place(places[i] ?? 0),
    committedAt: () => null,
  }
  return {
    kind: 'run',
    run: new Run(
      Changes.empty(),
      places.map(() => 0),
      at,
    ),
  }
}

/** What comes through of a log up to a place, in words. */
async function through(until: number, ...bursts: readonly (readonly StreamItem[])[]) {
  async function* all(): AsyncIterable<readonly StreamItem[]> {
    yield* bursts
    throw new Error('more was asked for')
  }
  const leg = { source: log, checkpoint: standing(1), until: place(until) }
  const found: StreamItem[] = []
  for await (const burst of within(all(), leg)) found.push(...burst)
  return found
}

function words(items: readonly StreamItem[]): string {
  const said = items.map((item) => {
    if (item.kind === 'run') return `run ${item.run.length}`
    return 'positions' in item ? `${item.kind} ${describePositions(item.positions)}` : item.kind
  })
  return said.join(', ')
}

suite('a leg', () => {
  test('follows those whose rows are not ahead, up to the first of the others', () => {
    const tables = [state('a', 5, true), state('b', 30), state('c', 20), state('d', null)]
    const first = legOf(log, standing(10, ...tables))
    assert.equal(ids(first.tables), 'a')
    assert.deepEqual(first.until, place(20))
    assert.equal(isAtEnd(log, first, place(19)), false)
    assert.equal(isAtEnd(log, first, place(20)), true)
    const second = legOf(log, standing(20, ...tables))
    assert.equal(ids(second.tables), 'a,c')
    assert.deepEqual(second.until, place(30))
    const last = legOf(log, standing(30, ...tables))
    assert.deepEqual([ids(last.tables), last.until], ['a,b,c', null])
  })

  test('leaves a table of the first copy to the stream, wherever its rows are', () => {
    const leg = legOf(log, standing(10, state('a', 50, true)))
    assert.deepEqual([ids(leg.tables), leg.until], ['a', null])
  })

  test('ends between two transactions of a run, behind one at its end, and where nothing comes', async () => {
    assert.equal(words(await through(20, [run(5, 19, 20, 21)])), `run 3, progress ${text(20)}`)
    assert.equal(words(await through(20, [run(21, 22)])), `progress ${text(20)}`)
    assert.equal(
      words(await through(20, [commit(5)], [commit(20)])),
      `commit ${text(5)}, commit ${text(20)}, progress ${text(20)}`,
    )
    assert.equal(
      words(await through(20, [commit(19), commit(25)])),
      `commit ${text(19)}, progress ${text(20)}`,
    )
    const idle: StreamItem = { kind: 'progress', positions: place(90) }
    assert.equal(words(await through(20, [idle])), `progress ${text(20)}`)
  })

  test('knows its end again by what came last before it', async () => {
    const found = await through(20, [commit(19, 'nineteen'), commit(25, 'no')])
    const last = found.at(-1)
    assert.ok(last?.kind === 'progress')
    assert.deepEqual(
      [...last.positions.values()].map(({ landmark }) => landmark),
      ['nineteen'],
    )
  })
})

function text(at: number): string {
  return describePositions(place(at))
}
