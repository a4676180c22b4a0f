import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { Change, StreamItem } from '../../../src/model/change.ts'
import { tupleOf } from '../../../src/model/tuple.ts'
import { type Assembled, Assembler } from '../../../src/stream/assemble.ts'
import { runOf } from '../../../testkit/memory/runs.ts'
import { textTable } from '../../../testkit/memory/tables.ts'
import { place } from '../places.ts'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-assemble-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

type Commit = Extract<StreamItem, { kind: 'commit' }>

const table = textTable({ id: '1', columns: ['id'], identity: { by: 'key', columns: [0] } })
const insert = (id: string): Change => ({ kind: 'insert', table, row: tupleOf([id]), old: null })
const part = (transaction: string, sub: string | null, ...ids: string[]): StreamItem => ({
  kind: 'part',
  transaction,
  sub,
  changes: ids.map(insert),
})
const commit = (transaction: string, order: number, ...ids: string[]): Commit => ({
  kind: 'commit',
  transaction,
  changes: ids.map(insert),
  positions: place(Math.trunc(order * 10)),
  committedAt: null,
})
const run = (...commits: readonly Commit[]): StreamItem => ({ kind: 'run', run: runOf(commits) })
const discard = (transaction: string, sub: string | null): StreamItem => ({
  kind: 'discard',
  transaction,
  sub,
})

/** The ids of the rows of each transaction; a spill is read twice and removed. */
async function idsOf(assembled: Assembled): Promise<readonly (readonly string[])[]> {
  const ids = (changes: Iterable<Change>): string[] =>
    [...changes].map((one) => (one.kind === 'insert' ? String(one.row?.subarray(7)) : one.kind))
  if (assembled.spill === null) {
    const { run } = assembled
    return Array.from({ length: run.length }, (_, i) => ids(run.changesOf(i)))
  }
  assert.deepEqual([assembled.run.length, assembled.run.changes.length], [1, 0])
  const read: string[][] = []
  for (let time = 0; time < 2; time++) {
    const found: string[] = []
    for await (const run of assembled.spill.read(50)) found.push(...ids(run))
    read.push(found)
  }
  await assembled.spill[Symbol.asyncDispose]()
  assert.deepEqual(read[0], read[1])
  return [read[0] ?? []]
}

async function assemble(
  items: readonly StreamItem[],
  options: { readonly memory: number; readonly directory: string },
): Promise<{ readonly transactions: (readonly string[])[]; readonly spilled: number }> {
  await using assembler = new Assembler(options)
  const transactions: (readonly string[])[] = []
  let spilled = 0
  for (const item of items) {
    const taken = await assembler.take(item)
    if (taken === null) continue
    if (taken.spill !== null) spilled++
    transactions.push(...(await idsOf(taken)))
  }
  return { transactions, spilled }
}

/** Any order of parts, discards and commits, and what it must come to. */
const story = fc
  .array(
    fc.record({
      kind: fc.constantFrom('part', 'part', 'part', 'discard', 'drop', 'commit', 'run'),
      transaction: fc.constantFrom('x', 'y', 'z'),
      sub: fc.constantFrom(null, 'a', 'b'),
      size: fc.nat(4),
    }),
    { maxLength: 30 },
  )
  .map((steps) => {
    const items: StreamItem[] = []
    const wanted: string[][] = []
    const open = new Map<string, { readonly sub: string | null; readonly id: string }[]>()
    for (const [i, { kind, transaction, sub, size }] of steps.entries()) {
      const ids = Array.from({ length: size }, (_, n) => `${i}.${n}`)
      const before = open.get(transaction) ?? []
      if (kind === 'part') {
        items.push(part(transaction, sub, ...ids))
        open.set(transaction, [...before, ...ids.map((id) => ({ sub, id }))])
      } else if (kind === 'discard' && sub !== null) {
        items.push(discard(transaction, sub))
        open.set(
          transaction,
          before.filter((one) => one.sub !== sub),
        )
      } else if (kind === 'drop') {
        items.push(discard(transaction, null))
        open.delete(transaction)
      } else if (kind === 'run') {
        const alone = ids.map((id, n) => commit(id, i + n / 10, id, `${id}+`))
        items.push(run(...alone, commit(`${i}`, i + 0.9)))
        wanted.push(...ids.map((id) => [id, `${id}+`]), [])
      } else if (kind === 'commit') {
        items.push(commit(transaction, i, ...ids))
        wanted.push([...before.map(({ id }) => id), ...ids])
        open.delete(transaction)
      }
    }
    return { items, wanted }
  })

suite('the assembler', () => {
  test('makes whole transactions of any story, the same whatever fits in memory', async (t) => {
    const directory = await folder(t)
    let spilled = 0
    await fc.assert(
      fc.asyncProperty(story, async ({ items, wanted }) => {
        for (const memory of [0, 400, 1 << 30]) {
          const got = await assemble(items, { memory, directory })
          assert.deepEqual(got.transactions, wanted)
          if (memory === 1 << 30) assert.equal(got.spilled, 0)
          spilled += got.spilled
        }
        assert.deepEqual(await readdir(directory), [])
      }),
      { numRuns: 200 },
    )
    assert.ok(spilled > 20, `${spilled} transactions were spilled`)
  })

  test('a sub-transaction taken back after the spill leaves nothing behind', async (t) => {
    const items = [
      part('x', null, '1'),
      part('x', 'a', '2'),
      part('y', 'a', 'other'),
      discard('x', 'a'),
      part('x', null, '3'),
      commit('x', 1, '4'),
      commit('y', 2),
    ]
    const got = await assemble(items, { memory: 0, directory: await folder(t) })
    assert.deepEqual(got, { transactions: [['1', '3', '4'], ['other']], spilled: 2 })
  })

  test('spills the largest first and keeps the small ones in memory', async (t) => {
    const items = [
      part('small', null, '1'),
      part('large', null, '2', '3', '4', '5'),
      commit('small', 1),
      commit('large', 2),
    ]
    const got = await assemble(items, { memory: 450, directory: await folder(t) })
    assert.deepEqual(got, { transactions: [['1'], ['2', '3', '4', '5']], spilled: 1 })
  })

  test('a small whole transaction is not waited for', () => {
    const assembler = new Assembler({ memory: 0, directory: '/nowhere' })
    const taken = assembler.take(commit('x', 7, '1', '2'))
    assert.ok(taken !== null && !(taken instanceof Promise))
    const { count, spill, run: whole } = taken
    assert.deepEqual([count, whole.length, whole.last, spill], [2, 1, place(70), null])
    assert.equal(assembler.take({ kind: 'progress', positions: place(8) }), null)
  })

  test('a run is passed on as it is, whatever is open', async (t) => {
    await using assembler = new Assembler({ memory: 1 << 20, directory: await folder(t) })
    await assembler.take(part('x', null, '1'))
    const item = run(commit('a', 1, '2', '3'), commit('b', 2), commit('c', 3, '4'))
    assert.ok(item.kind === 'run')
    const taken = assembler.take(item)
    assert.ok(taken !== null && !(taken instanceof Promise))
    const { count, bytes } = taken
    assert.equal(taken.run, item.run)
    assert.deepEqual([count, bytes, taken.spill], [3, item.run.bytes, null])
    const open = await assembler.take(commit('x', 4, '5'))
    assert.deepEqual(open === null ? null : await idsOf(open), [['1', '5']])
  })

  test('frees the memory of what it gave away or dropped', async (t) => {
    const memory = 1000
    await using assembler = new Assembler({ memory, directory: await folder(t) })
    for (let i = 0; i < 50; i++) {
      const x = `x${i}`
      await assembler.take(part(x, null, '1', '2'))
      await assembler.take(part(x, 'a', '3'))
      if (i % 3 === 0) await assembler.take(discard(x, null))
      else {
        await assembler.take(discard(x, 'a'))
        const taken = await assembler.take(commit(x, i))
        assert.equal(taken?.spill, null)
      }
    }
  })
})
