import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Route } from '../../../src/apply/route.ts'
import type { Stretch } from '../../../src/model/batch.ts'
import type { Change } from '../../../src/model/change.ts'
import type { TableState } from '../../../src/model/checkpoint.ts'
import { describePositions } from '../../../src/model/position.ts'
import type { Table } from '../../../src/model/table.ts'
import { textsOf, tupleOf } from '../../../src/model/tuple.ts'
import { Assembler } from '../../../src/stream/assemble.ts'
import { Draft, type SealedBatch } from '../../../src/stream/draft.ts'
import { textTable } from '../../../testkit/memory/tables.ts'
import { compare, place } from '../places.ts'

const [table, held] = ['1', '2'].map((id) =>
  textTable({ id, columns: ['id'], identity: { by: 'key', columns: [0] } }),
) as [Table, Table]

const insert = (id: string, into = table): Change => ({
  kind: 'insert',
  table: into,
  row: tupleOf([id]),
  old: null,
})

const state = (of: Table, start: number): TableState => ({
  table: of,
  target: of,
  mode: 'exact',
  state: 'copied',
  start: place(start),
  rowsCopied: 0,
})

async function said(batch: SealedBatch): Promise<unknown[]> {
  const all: Stretch[] = []
  for await (const stretch of batch.stretches) all.push(stretch)
  return all.map(({ positions, committedAt, first, changes }) => [
    describePositions(positions),
    committedAt,
    first,
    [...changes].map((one) => ('row' in one && one.row !== null ? textsOf(one.row)[0] : one.kind)),
  ])
}

const commit = (order: number, changes: readonly Change[]) =>
  ({
    kind: 'commit',
    transaction: `x${order}`,
    changes,
    positions: place(order),
    committedAt: BigInt(order * 10),
  }) as const

test('each transaction with its place, what is not for the target left out', async () => {
  const draft = new Draft(new Route(compare, [state(table, 0), state(held, 5)]), place(0))
  await using assembler = new Assembler({ memory: 1 << 20, directory: '/nowhere' })
  const rows = [insert('a'), insert('x', held), insert('a')]
  for (const item of [commit(3, rows), commit(6, [insert('b'), insert('y', held)])]) {
    const whole = await assembler.take(item)
    assert.ok(whole !== null && draft.fits(whole))
    draft.add(whole)
  }
  const batch = draft.seal(false)
  const wanted = [
    ['3', 30n, 0, ['a', 'a']],
    ['6', 60n, 0, ['b', 'y']],
  ]
  assert.deepEqual(await said(batch), wanted)
  assert.deepEqual(await said(batch.inOrder() as SealedBatch), wanted)
  const [first, second] = batch.halves() ?? assert.fail()
  assert.deepEqual(await said(first as SealedBatch), wanted.slice(0, 1))
  assert.deepEqual(await said(second as SealedBatch), wanted.slice(1))
})

test('a transaction on disk comes in stretches that are numbered on', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-stretches-'))
  t.after(() => rm(directory, { recursive: true }))
  const large = Array.from({ length: 40 }, (_, i) => insert(`${i}`.padEnd(400_000, '.')))
  await using assembler = new Assembler({ memory: 1 << 20, directory })
  const part = { kind: 'part', transaction: 'x7', sub: null, changes: large } as const
  assert.equal(await assembler.take(part), null)
  const whole = await assembler.take(commit(7, [insert('last')]))
  assert.ok(whole?.spill != null)
  const draft = new Draft(new Route(compare, [state(table, 0)]), place(0))
  draft.add(whole)
  await using batch = draft.seal(false)
  for (let again = 0; again < 2; again++) {
    let next = 0
    let stretches = 0
    for await (const { positions, first, changes } of batch.stretches) {
      assert.equal(describePositions(positions), '7')
      assert.equal(first, next)
      next += changes.length
      stretches++
    }
    assert.equal(next, 41)
    assert.ok(stretches > 1)
  }
})
