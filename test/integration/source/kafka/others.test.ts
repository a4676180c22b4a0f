import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { Fault } from '../../../../src/model/fault.ts'
import { mirror } from '../../../../testkit/mirror.ts'
import { kafka, mongoDatabase, mysqlDatabase } from '../../../../testkit/servers/index.ts'
import { TestTopics } from '../../../../testkit/topics.ts'
import { Envelopes } from './envelopes.ts'

const TOPIC = 'public.t'

async function stand(t: TestContext, partitions: number) {
  const broker = await kafka()
  const topics = TestTopics.at(t, broker)
  await topics.make(TOPIC, { partitions })
  const from = { source: broker.url(), selection: { include: [`${topics.prefix}.*`] } }
  return { topics, log: new Envelopes(topics.prefix), from }
}

/** Each kind of change, some of them told twice. */
async function tell(
  { topics, log }: Awaited<ReturnType<typeof stand>>,
  caughtUp: () => Promise<unknown>,
): Promise<void> {
  const first = log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }, { id: 3, a: 'three' })
  await topics.put(TOPIC, first)
  await caughtUp()
  const changes = [
    log.create({ id: 4, a: 'four' }),
    log.update({ id: 1, a: null }),
    ...log.remove(2),
    log.update({ id: 3, a: 'drei' }),
  ]
  await topics.put(TOPIC, changes)
  await caughtUp()
  await topics.put(TOPIC, changes)
  await topics.put(TOPIC, [log.create({ id: 5, a: 'five' })])
  await caughtUp()
}

const wanted = ['1 -', '3 drei', '4 four', '5 five']

suite('a topic into other targets than PostgreSQL', () => {
  for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
    test(`several partitions into ${kind}`, async (t) => {
      const stood = await stand(t, 4)
      const target = await mysqlDatabase(t, kind)
      const ends = mirror(t, { ...stood.from, target: target.url })
      await tell(stood, () => ends.catchUp())
      const rows = await target.query(
        `select concat(id, ' ', coalesce(a, '-')) as r from t order by id`,
      )
      assert.deepEqual(
        rows.map(({ r }) => r),
        wanted,
      )
    })
  }

  test('1 partition into MongoDB, as rows and as their history', async (t) => {
    const stood = await stand(t, 1)
    const [target, history] = [await mongoDatabase(t), await mongoDatabase(t)]
    const rows = mirror(t, { ...stood.from, target: target.url })
    const each = mirror(t, { ...stood.from, target: history.url, shape: 'history' })
    await tell(stood, async () => {
      await rows.catchUp()
      await each.catchUp()
    })
    const found = await target.db.collection('t').find({}).sort({ _id: 1 }).toArray()
    assert.deepEqual(
      found.map(({ id, a }) => `${id} ${a ?? '-'}`),
      wanted,
    )
    const told = await history.db.collection('row_changes').find({}).sort({ at: 1 }).toArray()
    assert.deepEqual(
      told.map(({ op, key, after }) => `${op} ${key.id} ${after?.a ?? '-'}`),
      [
        ...['insert 1 one', 'insert 2 two', 'insert 3 three', 'insert 4 four'],
        ...['update 1 -', 'delete 2 -', 'update 3 drei', 'insert 5 five'],
      ],
    )
  })

  test('a topic that comes to a mirror into MongoDB later is named, and the first one goes on', async (t) => {
    const { topics, log, from } = await stand(t, 1)
    const target = await mongoDatabase(t)
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }))
    const { catchUp } = mirror(t, { ...from, target: target.url })
    await catchUp()
    await topics.make('public.later')
    const later = new Envelopes(topics.prefix, { table: 'later' })
    await topics.put('public.later', later.snapshot({ id: 1, a: 'x' }))
    await topics.put(TOPIC, [log.create({ id: 2, a: 'two' })])
    assert.match((await catchUp()).join(), /HF-T254 .*follows one lane.* left out until/)
    assert.equal(await target.db.collection('t').countDocuments(), 2)
    assert.equal(await target.db.collection('later').countDocuments(), 0)
  })

  test('several partitions into MongoDB are refused before anything is made', async (t) => {
    const stood = await stand(t, 4)
    const target = await mongoDatabase(t)
    await stood.topics.put(TOPIC, stood.log.snapshot({ id: 1, a: 'one' }))
    const ends = mirror(t, { ...stood.from, target: target.url })
    await assert.rejects(ends.catchUp(), (error: unknown) => {
      assert.ok(error instanceof Fault)
      assert.equal(error.code, 'HF-T254')
      assert.match(error.message, /has 4 lanes \(.*public\.t\/0, .*public\.t\/3\)/)
      return true
    })
    assert.deepEqual(await target.db.listCollections().toArray(), [])
  })
})
