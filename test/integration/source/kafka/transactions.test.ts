import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { eventually } from '../../../../testkit/eventually.ts'
import { mirror } from '../../../../testkit/mirror.ts'
import { database, kafka } from '../../../../testkit/servers/index.ts'
import { TestTopics } from '../../../../testkit/topics.ts'
import { boundary, Envelopes, type Log } from './envelopes.ts'

/** A shop whose tables `t` and `u` have rows in common, and a mirror of it. */
async function stand(t: TestContext, partitions: number) {
  const broker = await kafka()
  const topics = TestTopics.at(t, broker)
  const log: Log = { lsn: 1000, commit: null, time: 1_767_225_600_000_000 }
  const names = ['t', 'u'] as const
  for (const name of names) await topics.make(`public.${name}`, { partitions })
  await topics.make('transaction')
  await topics.make('public.w')
  const tables = {
    t: new Envelopes(topics.prefix, { table: 't', log }),
    u: new Envelopes(topics.prefix, { table: 'u', log }),
    w: new Envelopes(topics.prefix, { table: 'w', log }),
  }
  await topics.put('public.w', tables.w.snapshot({ id: 0, a: 'x' }))
  for (const name of names) {
    await topics.put(`public.${name}`, tables[name].snapshot({ id: 0, a: 'x' }, { id: 1, a: 'x' }))
  }
  const target = await database(t, 17)
  const { catchUp } = mirror(t, {
    source: broker.url(),
    target: target.url,
    selection: { include: [`${topics.prefix}.*`] },
    // However slow the machine is, what is there has come by then.
    params: { transaction_wait: '3600000' },
  })
  return { topics, target, tables, catchUp }
}

/** The same row in both tables. */
function twins({ t, u }: Awaited<ReturnType<typeof stand>>['tables'], id: number) {
  // The connector writes the place of each event behind its transaction.
  const at = (place: number): string => `${id}:${t.lsn + place}`
  const [begins, ends] = [boundary(at(0)), boundary(at(3), { t: 1, u: 1 })]
  t.member = { id: at(1), own: 1, total: 1 }
  u.member = { id: at(2), own: 1, total: 2 }
  const rows = { t: t.create({ id, a: 'new' }), u: u.create({ id, a: 'new' }) }
  return { ...rows, begin: begins, end: ends }
}

const COUNTS = `
  select (select count(*) from public.t)::int as t, (select count(*) from public.u)::int as u`

suite('transactions of a source whose topics tell of them', () => {
  test('K14 rows of several topics are seen together, as they were committed', async (t) => {
    const { topics, target, tables, catchUp } = await stand(t, 2)
    await catchUp()
    const told = Array.from({ length: 20 }, (_, i) => twins(tables, 10 + i))
    const puts = [
      ['public.t', told.map((one) => one.t)],
      ['transaction', told.flatMap(({ begin, end }) => [begin, end])],
      ['public.u', told.map((one) => one.u)],
    ] as const
    const [first, ends, others] = puts
    await topics.put(...first)
    const running = catchUp()
    // What is of no transaction is seen as soon as it is read; the second one comes after them all.
    for (const id of [1, 2]) {
      await topics.put('public.w', [tables.w.create({ id, a: 'w' })])
      const seen = async (): Promise<boolean> =>
        (await target.query(`select 1 from public.w where id = ${id}`)).length === 1
      await eventually(`row ${id} of another table`, seen, { within: 60_000 })
    }
    assert.deepEqual(await target.query(COUNTS), [{ t: '2', u: '2' }])
    await topics.put(...ends)
    await topics.put(...others)
    const notices = [...(await running), ...(await catchUp())]
    assert.deepEqual(await target.query(COUNTS), [{ t: '22', u: '22' }])
    // The connector starts again in the midst of a transaction, and tells an end twice.
    for (const [topic, records] of puts) await topics.put(topic, records.slice(-5))
    notices.push(...(await catchUp()))
    assert.deepEqual(await target.query(COUNTS), [{ t: '22', u: '22' }])
    assert.doesNotMatch(notices.join(), /in pieces/)
  })

  test('K15 a transaction whose end was lost is applied before the next one, and that is said', async (t) => {
    const { topics, target, tables, catchUp } = await stand(t, 1)
    const told = Array.from({ length: 3 }, (_, i) => twins(tables, 10 + 2 * i))
    await topics.put(
      'public.t',
      told.map((one) => one.t),
    )
    await topics.put(
      'public.u',
      told.map((one) => one.u),
    )
    const ends = told.flatMap(({ begin, end }) => [begin, end])
    await topics.put('transaction', ends.toSpliced(3, 1))
    const notices = await catchUp()
    assert.deepEqual(await target.query(COUNTS), [{ t: '5', u: '5' }])
    assert.match(notices.join(), /in pieces, .*: the end of transaction 12 did not come/)
  })
})
