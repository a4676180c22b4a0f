import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Plan, planOf } from '../../testkit/oracle/plan.ts'
import { least, type Shrinking, shrink } from '../../testkit/oracle/shrink.ts'

suite('the smallest failing case', () => {
  const numbers = Array.from({ length: 100 }, (_, i) => i)

  test('of items holds those that it takes and no other', async () => {
    for (const wanted of [[], [0], [99], [3, 4], [0, 50, 99], [10, 11, 12, 90]]) {
      let tries = 0
      const found = await least(numbers, async (items) => {
        tries++
        return wanted.every((item) => items.includes(item))
      })
      assert.deepEqual(found, wanted)
      assert.ok(tries < 90, `${tries} tries`)
    }
  })

  const statement = (i: number): readonly string[] => ['begin', `insert ${i}`, 'select', 'commit']
  const script = { before: numbers.slice(0, 20).map(statement), after: numbers.map(statement) }
  const plan: Plan = planOf({
    seed: 3,
    transactions: 100,
    killAt: 'batch-sent',
    planned: [
      { kind: 'kill', seed: 1, after: 5 },
      { kind: 'connection cut', seed: 2, after: 50 },
    ],
  })

  function tried(fails: (plan: Plan) => boolean): Shrinking {
    return { fails: async (one) => fails(one), written: async () => script }
  }

  test('is a script of the statements that it takes', async () => {
    const smallest = await shrink(
      plan,
      tried(({ script: some }) => {
        const [before, after] = [some?.before.flat() ?? [], some?.after.flat() ?? []]
        return (
          some === null ||
          (before.includes('insert 7') && after.indexOf('insert 60') > after.indexOf('insert 20'))
        )
      }),
    )
    assert.deepEqual(smallest.planned, [])
    assert.equal(smallest.killAt, null)
    assert.deepEqual(smallest.script?.before, [['begin', 'insert 7', 'commit']])
    const inserts = smallest.script?.after.flat().filter((text) => text.startsWith('insert'))
    assert.deepEqual(inserts, ['insert 60'])
  })

  test('leaves out whole tables, and savepoints that nothing lies behind', async () => {
    const work = (i: number): readonly string[] => [
      'begin',
      'savepoint a',
      `insert into oracle.t${i % 5} select ${i}`,
      'release a',
      `delete from oracle."Odd ""${i % 3}""%"`,
      'commit',
    ]
    const mixed = { before: [], after: numbers.map(work) }
    let tries = 0
    const smallest = await shrink(
      { ...plan, killAt: null, planned: [] },
      {
        fails: async ({ script: some }) => {
          tries++
          return some === null || some.after.flat().includes('insert into oracle.t3 select 63')
        },
        written: async () => mixed,
        said: () => 'oracle.t3 holds 1 row',
      },
    )
    assert.deepEqual(smallest.script?.after, [
      ['begin', 'insert into oracle.t3 select 63', 'commit'],
    ])
    assert.ok(tries < 30, `${tries} tries`)
  })

  test('keeps the faults that it takes', async () => {
    const smallest = await shrink(
      plan,
      tried(({ planned }) => planned?.some(({ kind }) => kind === 'connection cut') === true),
    )
    assert.deepEqual(
      smallest.planned?.map(({ kind }) => kind),
      ['connection cut'],
    )
    assert.deepEqual(smallest.script, { before: [], after: [] })
  })

  test('stays one of several sessions where one is not enough', async () => {
    const smallest = await shrink(
      { ...plan, sessions: 8 },
      tried(({ sessions, transactions }) => sessions >= 3 && transactions >= 30),
    )
    assert.equal(smallest.script, null)
    assert.equal(smallest.sessions, 4)
    assert.ok(smallest.transactions >= 30 && smallest.transactions < 60)
    assert.equal(smallest.mix.transaction.truncate, 0)
  })
})
