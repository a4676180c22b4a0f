import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext, test } from 'node:test'
import { type Child, holdfast } from '../../../../testkit/child.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { type MirrorSettings, mirror } from '../../../../testkit/mirror.ts'
import { database, kafka, type TestDatabase } from '../../../../testkit/servers/index.ts'
import { TestTopics } from '../../../../testkit/topics.ts'
import { boundary, Envelopes, type Log } from './envelopes.ts'

/** A shop whose tables `t` and `u` have rows in common, and a mirror of it. */
async function stand(t: TestContext, partitions: number, settings: Partial<MirrorSettings> = {}) {
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
  const include = `${topics.prefix}.*`
  const { catchUp } = mirror(t, {
    source: broker.url(),
    target: target.url,
    selection: { include: [include] },
    ...settings,
    // However slow the machine is, what is there has come by then.
    params: { transaction_wait: '3600000', ...settings.params },
  })
  const ends = ['--source', broker.url(), '--target', target.url, '--include', include]
  return { topics, target, tables, catchUp, ends }
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

const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const

const COUNTS = `
  select (select count(*) from public.t)::int as t, (select count(*) from public.u)::int as u`

/** Processes that run the mirror, and what the last of them says of itself. */
async function processes(t: TestContext, ends: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-whole-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const started: Child[] = []
  const start = (...flags: readonly string[]): Child => {
    const wait = ['--set', 'source.kafka.transaction_wait=1h']
    const child = holdfast(['run', '--name', 'shop', ...ends, ...wait, ...flags], { cwd: folder })
    t.after(() => child[Symbol.asyncDispose]())
    started.push(child)
    return child
  }
  const order = async (): Promise<unknown> => {
    await using asked = holdfast(['status', '--name', 'shop', '--json'], { cwd: folder })
    await asked.ended
    const answer = JSON.parse(asked.stdout.join('\n')) as { result?: { transactions?: unknown } }
    return answer.result?.transactions ?? null
  }
  const said = (): string => started.flatMap(({ lines }) => lines).join('\n')
  return { start, order, said }
}

type Counts = Readonly<{ t: number; u: number }>

async function counts(target: TestDatabase): Promise<Counts> {
  const [row] = await target.query(COUNTS)
  return { t: Number(row?.t), u: Number(row?.u) }
}

function become(target: TestDatabase, wanted: number): Promise<true> {
  return eventually(
    `${wanted} rows in both tables`,
    async () => {
      const { t, u } = await counts(target)
      if (t !== wanted || u !== wanted) throw new Error(`${t} and ${u}`)
      return true
    },
    { within: 120_000, every: 100 },
  )
}

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

  test('K15 what waits behind a transaction without an end is not held back by the end of another one', async (t) => {
    const params = { transaction_wait: '1000' }
    const { topics, target, tables, catchUp } = await stand(t, 1, { params })
    await catchUp()
    const [gone, endless] = [twins(tables, 10), twins(tables, 12)]
    tables.t.member = null
    await topics.put('transaction', [gone.begin, gone.end])
    await topics.put('public.t', [endless.t, ...tables.t.incremental({ id: 20, a: 'waits' })])
    const notices = await catchUp()
    assert.deepEqual(await target.query(COUNTS), [{ t: '4', u: '2' }])
    assert.match(notices.join(), /in pieces, .*: the end of transaction 12 did not come/)
  })

  test('K14 an end that was read long before its rows is known to the process that reads them', async (t) => {
    const { topics, target, tables, catchUp } = await stand(t, 2)
    await catchUp()
    const told = Array.from({ length: 3 }, (_, i) => twins(tables, 10 + i))
    const ends = told.flatMap(({ begin, end }) => [begin, end])
    await topics.put('transaction', ends)
    const notices = [...(await catchUp())]
    await topics.put(
      'public.t',
      told.map((one) => one.t),
    )
    const running = catchUp()
    await topics.put(
      'public.u',
      told.map((one) => one.u),
    )
    notices.push(...(await running))
    assert.deepEqual(await target.query(COUNTS), [{ t: '5', u: '5' }])
    assert.doesNotMatch(notices.join(), /in pieces/)
  })

  test('K14 no reader sees a half of one, whatever comes first, through kills', async (t) => {
    const { topics, target, tables, ends } = await stand(t, 2)
    const { start, order, said } = await processes(t, ends)
    let running = start()
    await become(target, 2)
    const seen = { reads: 0, apart: '' }
    const done = new AbortController()
    const reader = (async () => {
      while (!done.signal.aborted) {
        const { t: one, u: other } = await counts(target)
        seen.reads++
        if (one !== other) seen.apart ||= `${one} rows of t and ${other} of u`
      }
    })()
    for (let round = 0; round < 12; round++) {
      const told = Array.from({ length: 5 }, (_, i) => twins(tables, 100 + round * 5 + i))
      const others = boundary(`${round}0000:1`, { 'not mirrored': 2 })
      const puts = [
        () =>
          topics.put(
            'public.t',
            told.map((one) => one.t),
          ),
        () =>
          topics.put(
            'public.u',
            told.map((one) => one.u),
          ),
        () =>
          topics.put('transaction', [others, ...told.flatMap(({ begin, end }) => [begin, end])]),
      ]
      // Each of the six orders comes twice.
      for (const at of ORDERS[round % 6] ?? []) await puts[at]?.()
      if (round % 4 !== 3) continue
      await running.kill()
      running = start()
    }
    await become(target, 62)
    done.abort()
    await reader
    assert.ok(seen.reads > 0)
    assert.equal(seen.apart, '')
    const why = `the topic ${topics.prefix}.transaction tells where they end`
    await eventually('a status', async () => (await order()) !== null, { within: 120_000 })
    assert.deepEqual(await order(), { whole: true, why })
    assert.doesNotMatch(said(), /in pieces/)
    assert.equal((await running.kill('SIGTERM')).code, 0)
  })

  test('K14 one that is larger than memory waits on disk', async (t) => {
    const { topics, target, tables, catchUp } = await stand(t, 2, {
      limits: { memoryBytes: 4096, batchRows: 50 },
    })
    await catchUp()
    const [from, to] = [1000, 2000]
    const rows = (name: 't' | 'u', offset: number) =>
      Array.from({ length: to - from }, (_, i) => {
        tables[name].member = { id: '7:1', own: i + 1, total: 2 * i + offset }
        return tables[name].create({ id: from + i, a: 'large' })
      })
    await topics.put('public.t', rows('t', 1))
    const running = catchUp()
    await topics.put('public.w', [tables.w.create({ id: 1, a: 'w' })])
    const seen = async (): Promise<boolean> =>
      (await target.query('select 1 from public.w where id = 1')).length === 1
    await eventually('a row of another table', seen, { within: 120_000 })
    await topics.put('public.u', rows('u', 2))
    await topics.put('transaction', [boundary('7:9', { t: to - from, u: to - from })])
    const notices = [...(await running), ...(await catchUp())]
    assert.doesNotMatch(notices.join(), /in pieces/)
    assert.deepEqual(await counts(target), { t: 1002, u: 1002 })
    const written = await target.query(`
      select distinct xmin::text from
        (select id, xmin from public.t union all select id, xmin from public.u) r
      where id >= 1000`)
    assert.equal(written.length, 1)
  })

  test('K14 where several processes share the partitions rows wait for nothing, and that is said', async (t) => {
    const { topics, target, tables, ends } = await stand(t, 2)
    const { start, order, said } = await processes(t, ends)
    const first = start('--share')
    await become(target, 2)
    const second = start('--share')
    for (const one of [first, second]) await one.line(/3 of 6 lanes/, { within: 120_000 })
    const told = Array.from({ length: 5 }, (_, i) => twins(tables, 100 + i))
    await topics.put(
      'public.t',
      told.map((one) => one.t),
    )
    await topics.put(
      'public.u',
      told.map((one) => one.u),
    )
    await become(target, 7)
    const why = 'other processes follow some of the partitions'
    await eventually('a status', async () => (await order()) !== null, { within: 120_000 })
    assert.deepEqual(await order(), { whole: false, why })
    // What tells of transactions is read past.
    await topics.put(
      'transaction',
      told.flatMap(({ begin, end }) => [begin, end]),
    )
    // Its place is written with the rows that come next, or when nothing has come for a while.
    for (const name of ['t', 'u'] as const) {
      tables[name].member = null
      const rows = Array.from({ length: 10 }, (_, i) =>
        tables[name].create({ id: 500 + i, a: 'w' }),
      )
      await topics.put(`public.${name}`, rows)
    }
    await eventually(
      'the topic of transactions is read',
      async () => {
        const [lane] = await target.query(
          `select "order" from _holdfast.lanes where lane like '%.transaction/0'`,
        )
        return Number(lane?.order) === 10
      },
      { within: 120_000 },
    )
    assert.doesNotMatch(said(), /in pieces/)
    for (const one of [first, second]) assert.equal((await one.kill('SIGTERM')).code, 0)
  })

  test('K14 a mirror that is older than the topic of transactions goes on row by row, and says so', async (t) => {
    const broker = await kafka()
    const topics = TestTopics.at(t, broker)
    const log = new Envelopes(topics.prefix)
    await topics.make('public.t')
    await topics.put('public.t', log.snapshot({ id: 0, a: 'x' }))
    const target = await database(t, 17)
    const include = ['--include', `${topics.prefix}.public.*`]
    const ends = ['--source', broker.url(), '--target', target.url, ...include]
    const { start, order } = await processes(t, ends)
    const says = (wanted: RegExp): Promise<true> =>
      eventually(
        `the status says ${wanted}`,
        async () => {
          const told = JSON.stringify(await order())
          if (wanted.test(told)) return true
          throw new Error(told)
        },
        { within: 120_000, every: 100 },
      )
    const first = start()
    await says(/"whole":false,"why":"no topic tells where transactions end"/)
    assert.equal((await first.kill('SIGTERM')).code, 0)
    await topics.make('transaction')
    log.member = { id: '7:1', own: 1, total: 1 }
    await topics.put('public.t', [log.create({ id: 1, a: 'its end is not told' })])
    const second = start()
    await says(/"whole":false,"why":"the topic [^"]+ was not there when the mirror was made"/)
    await eventually(
      'the row, which waits for no end',
      async () =>
        Number((await target.query('select count(*) as n from public.t'))[0]?.['n']) === 2,
      { within: 120_000 },
    )
    assert.equal((await second.kill('SIGTERM')).code, 0)
  })
})
