import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { planOf } from '../../../src/mirror/plan.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { Table } from '../../../src/model/table.ts'
import { copyTables } from '../../../src/snapshot/copy.ts'
import { MemoryDatabase } from '../../../testkit/memory/database.ts'
import { Life, type Script } from '../../../testkit/memory/life.ts'
import { mirrorOptions } from '../../../testkit/memory/pair.ts'
import { MemorySource } from '../../../testkit/memory/source.ts'
import { MemoryStore } from '../../../testkit/memory/store.ts'
import { MemoryTarget } from '../../../testkit/memory/target.ts'

const never = new AbortController().signal

interface Copy {
  readonly database: MemoryDatabase
  readonly store: MemoryStore
  /** What was told, in its order. */
  readonly told: string[]
  run(options?: { readonly workers?: number; readonly signal?: AbortSignal }): Promise<void>
}

/** Tables of 0, 7 and 25 rows, ready to be copied in chunks of 3. */
async function copy(script: Script = () => undefined): Promise<Copy> {
  const database = new MemoryDatabase()
  for (const [name, rows] of Object.entries({ none: 0, some: 7, most: 25 })) {
    const { id } = database.table(name, ['id'], { by: 'key', columns: [0] })
    database.write((transaction) => {
      for (let i = 0; i < rows; i++) transaction.insert(id, [String(i)])
    })
  }
  const store = new MemoryStore()
  const source = new MemorySource({ database, mirror: 'm', chunk: 3 })
  const position = source.position.bind(source)
  const target = new MemoryTarget({ store, mirror: 'm', position, life: new Life(script) })
  const blueprint = await source.inspect()
  const { tables } = blueprint
  await target.claim({ settings: {}, patience: 0 })
  await target.prepare(planOf(blueprint, mirrorOptions()))
  await source.prepare(tables)
  const snapshot = await source.snapshot({ keep: true })
  const { positions } = snapshot
  await target.begin(tables, { positions, source: await source.identity(), first: true })
  const told: string[] = []
  const tell = (what: string) => (table: Table, rows?: number) => {
    told.push(`${what} ${table.name}${rows === undefined ? '' : ` ${rows}`}`)
  }
  return {
    database,
    store,
    told,
    run: ({ workers = 3, signal = never } = {}) =>
      copyTables({
        source,
        target,
        snapshot,
        tables,
        workers,
        signal,
        expected: tell('expected'),
        copiedRows: tell('rows'),
        copiedTable: tell('copied'),
      }),
  }
}

suite('the copy of tables', () => {
  test('copies every chunk once and says a table is copied after its last one', async () => {
    const { database, store, told, run } = await copy()
    await run()
    assert.deepEqual([...store.contents()], [...database.contents()])
    assert.deepEqual(
      told.filter((what) => what.startsWith('expected')),
      ['expected none 0', 'expected some 7', 'expected most 25'],
    )
    for (const [name, rows, chunks] of [
      ['none', 0, 1],
      ['some', 7, 3],
      ['most', 25, 9],
    ] as const) {
      const counts = told.flatMap((what) => {
        const [kind, table, count] = what.split(' ')
        return kind === 'rows' && table === name ? [Number(count)] : []
      })
      assert.equal(counts.length, chunks)
      assert.equal(
        counts.reduce((sum, count) => sum + count, 0),
        rows,
      )
      const last = told.findLastIndex((what) => what.startsWith(`rows ${name}`))
      assert.ok(told.indexOf(`copied ${name}`) > last)
    }
  })

  test('begins with the largest table', async () => {
    const { told, run } = await copy()
    await run({ workers: 1 })
    const copied = told.filter((what) => what.startsWith('copied'))
    assert.deepEqual(copied, ['copied most', 'copied some', 'copied none'])
  })

  test('ends all workers with the first failure, and marks no table that is not whole', async () => {
    const fault = new Fault('HF-T203', { what: 'the disk is full' })
    let calls = 0
    const { store, run } = await copy(({ call, when }) =>
      call === 'copy' && when === 'before' && ++calls === 5 ? fault : undefined,
    )
    await assert.rejects(run(), fault)
    assert.ok(calls < 9, `${calls} chunks were begun`)
    const states = [...(store.now.mirrors.get('m')?.tables.values() ?? [])]
    assert.deepEqual(
      states.map(({ state }) => state),
      ['copying', 'copying', 'copying'],
    )
  })

  test('ends with the reason of its signal', async () => {
    const stop = new AbortController()
    const reason = new Error('enough')
    let calls = 0
    const { run } = await copy(({ call }) => {
      if (call === 'copy' && ++calls === 4) stop.abort(reason)
      return undefined
    })
    await assert.rejects(run({ signal: stop.signal }), reason)
  })
})
