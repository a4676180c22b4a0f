import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { wallMicros } from '../../../../src/async/clock.ts'
import { parseUrl } from '../../../../src/config/url.ts'
import { Cluster } from '../../../../src/dialect/kafka/cluster.ts'
import { Ageing } from '../../../../src/source/kafka/ageing.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { mirror } from '../../../../testkit/mirror.ts'
import { kafka } from '../../../../testkit/servers/index.ts'
import { TestTopics } from '../../../../testkit/topics.ts'
import { Envelopes } from './envelopes.ts'
import { halts, stand, TOPIC } from './stand.ts'

suite('a topic as the source of a mirror', () => {
  test('rows say what record they were last changed by, and when that was committed', async (t) => {
    const { topics, target, log, ends } = await stand(t)
    const made = mirror(t, { ...ends, metadata: true })
    await topics.put(
      TOPIC,
      log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }, { id: 5, a: 'five' }),
    )
    await made.catchUp()
    await topics.put(TOPIC, [
      log.create({ id: 3, a: 'three' }),
      log.update({ id: 1, a: null }),
      ...log.remove(2),
    ])
    await made.catchUp()
    const found = await target.query(
      `select concat_ws(' ', id, a, _cdc_op, _cdc_lsn, _cdc_captured_at at time zone 'UTC',
         _cdc_received > _cdc_captured_at) as said from public.t order by id`,
    )
    const topic = topics.name(TOPIC)
    assert.deepEqual(
      found.map(({ said }) => said),
      [
        `1 u ${topic}/0:5 2026-01-01 00:00:00.002 t`,
        `3 three c ${topic}/0:4 2026-01-01 00:00:00.001 t`,
        `5 five c ${topic}/0:3 2026-01-01 00:00:00 t`,
      ],
    )
  })

  test('a snapshot is the first copy, and what comes after it is followed', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t)
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
    await catchUp()
    assert.equal(await rows(), '1 one, 2 two')
    await topics.put(TOPIC, [
      log.create({ id: 3, a: 'three' }),
      log.update({ id: 1, a: null }),
      ...log.remove(2),
    ])
    await catchUp()
    assert.equal(await rows(), '1 , 3 three')
    await topics.put(TOPIC, [log.truncate(), log.create({ id: 9, a: 'nine' })])
    await catchUp()
    assert.equal(await rows(), '9 nine')
  })

  test('a topic without a row is not waited for, and is taken in once it has one', async (t) => {
    const { topics, target, rows, log, catchUp } = await stand(t)
    const [first, ...others] = log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' })
    await topics.put(TOPIC, first === undefined ? [] : [first])
    await topics.make('public.u')
    await catchUp()
    await topics.put(TOPIC, others)
    await topics.put(
      'public.u',
      new Envelopes(topics.prefix, { table: 'u' }).snapshot({ id: 3, a: 'u' }),
    )
    await catchUp()
    assert.equal(await rows(), '1 one, 2 two')
    assert.deepEqual(await target.query('select id, a from public.u'), [{ id: '3', a: 'u' }])
  })

  test('K1 records that were thrown away before they were read halt the mirror', async (t) => {
    const { topics, rows, log, anew, catchUp } = await stand(t)
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
    await catchUp()
    await topics.put(TOPIC, [...log.remove(2), log.update({ id: 1, a: 'kept' })])
    await topics.cut(TOPIC, 0, 3n)
    await assert.rejects(catchUp(), (error) => {
      halts('HF-K101')(error)
      assert.match(String(error), /stands at \S+public\.t\/0:2, but .*public\.t\/0:3$/)
      return true
    })
    assert.equal(await rows(), '1 one, 2 two')
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'kept' }))
    await anew()
    assert.equal(await rows(), '1 kept')
  })

  test('K1 of a topic of several partitions a snapshot is taken that is there as a whole', async (t) => {
    const { topics, rows, log, anew, catchUp } = await stand(t, { partitions: 3 })
    const ids = Array.from({ length: 60 }, (_, id) => ({ id, a: `v${id}` }))
    await topics.put(TOPIC, log.snapshot(...ids))
    await catchUp()
    const changed = ids.map(({ id }) => log.update({ id, a: 'lost' }))
    await topics.put(TOPIC, [...changed, ...ids.map((row) => log.update(row))])
    for (const { partition, offset } of await topics.ends(TOPIC)) {
      await topics.cut(TOPIC, partition, offset - 1n)
    }
    await assert.rejects(catchUp(), halts('HF-K101'))
    await topics.put(TOPIC, log.snapshot(...ids.slice(4)))
    await topics.put(TOPIC, [log.create({ id: 99, a: 'new' })])
    const notices = await anew()
    const wanted = ids.slice(4).map(({ id, a }) => `${id} ${a}`)
    assert.equal(await rows(), [...wanted, '99 new'].join(', '))
    assert.match(notices.join(), /3 records of the topic \S+ are not read/)
  })

  test('K1 a snapshot whose first rows may be gone is refused', async (t) => {
    const { topics, log, catchUp } = await stand(t, { partitions: 3 })
    // So many that each partition has some.
    const ids = Array.from({ length: 60 }, (_, id) => ({ id, a: `v${id}` }))
    await topics.put(TOPIC, log.snapshot(...ids))
    for (const partition of [0, 1, 2]) await topics.cut(TOPIC, partition, 1n)
    await assert.rejects(catchUp(), (error) => {
      halts('HF-K107')(error)
      assert.match(
        String(error),
        /newest snapshot may not be whole: .* offset 1 of partition [012]/,
      )
      return true
    })
  })

  test('K1 records that were thrown away behind the mirror are not missed', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t)
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
    await catchUp()
    await topics.cut(TOPIC, 0, 2n)
    await topics.put(TOPIC, [log.update({ id: 1, a: 'uno' })])
    await catchUp()
    assert.equal(await rows(), '1 uno, 2 two')
  })

  test('K1 it is told once for each level that records come near the end of their time', async (t) => {
    const broker = await kafka()
    const topics = TestTopics.at(t, broker)
    const hour = 3_600_000n
    const name = await topics.make('old', { settings: { 'retention.ms': String(hour) } })
    const now = wallMicros() / 1000n
    const aged = (minutes: bigint) => ({ key: 'k', value: 'v', timestamp: now - minutes * 60_000n })
    await topics.put('old', [aged(40n), aged(20n), aged(1n)])
    const endpoint = parseUrl(broker.url(), 'the test')
    await using cluster = await Cluster.open(endpoint, { mirror: 'm', purpose: 'test' })
    const ageing = new Ageing(cluster)
    const at = async (offset: bigint, later: bigint): Promise<string> => {
      const places = [{ topic: name, partition: 0, offset }]
      const when = { places, now: now + later * 60_000n }
      return (await ageing.notices(await cluster.describe([name]), when)).join()
    }
    assert.match(await at(0n, 0n), /offset 0 of partition 0 .* 50 % .* at most 30 minutes/)
    assert.equal(await at(0n, 1n), '')
    assert.match(await at(0n, 10n), /80 % .* at most 1[12] minutes/)
    assert.equal(await at(1n, 0n), '')
    assert.match(await at(1n, 15n), /offset 1 .* 50 %/)
    assert.equal(await at(3n, 59n), '')
  })

  test('K1 a topic that lost its beginning is no first copy', async (t) => {
    const { topics, log, catchUp } = await stand(t)
    await topics.put(TOPIC, [...log.snapshot({ id: 1, a: 'one' }), log.update({ id: 1, a: 'uno' })])
    await topics.cut(TOPIC, 0, 1n)
    await assert.rejects(catchUp(), halts('HF-K107'))
  })

  test('K2 a topic that was made again is not taken for the one before', async (t) => {
    const { topics, rows, log, anew, catchUp } = await stand(t)
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }))
    await catchUp()
    await topics.remove(TOPIC)
    await eventually('the topic is made again', async () => (await topics.make(TOPIC)) !== '')
    const again = ['x', 'y', 'z'].map((a) => log.update({ id: 1, a }))
    await topics.put(TOPIC, again)
    await assert.rejects(catchUp(), halts('HF-K103'))
    assert.equal(await rows(), '1 one')
    await topics.put(TOPIC, log.snapshot({ id: 2, a: 'two' }))
    await anew()
    assert.equal(await rows(), '2 two')
  })

  test('K3 a topic with more partitions than before halts the mirror', async (t) => {
    const { topics, rows, log, anew, catchUp } = await stand(t)
    const ids = Array.from({ length: 9 }, (_, id) => ({ id, a: `v${id}` }))
    await topics.put(TOPIC, log.snapshot(...ids))
    await catchUp()
    await topics.widen(TOPIC, 3)
    await topics.put(
      TOPIC,
      ids.map(({ id }) => log.update({ id, a: 'moved' })),
    )
    await assert.rejects(catchUp(), halts('HF-K104'))
    await topics.put(TOPIC, log.snapshot(...ids.slice(3)))
    await anew()
    assert.equal(
      await rows(),
      ids
        .slice(3)
        .map(({ id, a }) => `${id} ${a}`)
        .join(', '),
    )
  })

  test('K4 records of aborted transactions are not seen, and their gaps are no loss', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t)
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }))
    for (const end of ['abort', 'commit', 'abort'] as const) {
      const records = [log.update({ id: 1, a: end }), log.create({ id: log.lsn, a: end })]
      await topics.transact(TOPIC, end === 'commit' ? records.slice(0, 1) : records, end)
    }
    await catchUp()
    assert.equal(await rows(), '1 commit')
  })

  test('K5 K6 a topic that is told again as a whole changes nothing, and that is said', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t)
    const all = [
      ...log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }),
      log.update({ id: 1, a: 'uno' }),
      ...log.remove(2),
      log.create({ id: 3, a: 'three' }),
    ]
    await topics.put(TOPIC, all)
    await catchUp()
    await topics.put(TOPIC, all)
    const notices = await catchUp()
    assert.equal(await rows(), '1 uno, 3 three')
    assert.match(notices.join('\n'), /told again of a change that the target has/)
  })

  test('K6 a snapshot that is taken anew replaces the rows, and what it lacks is gone', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t)
    await topics.put(TOPIC, [
      ...log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }),
      log.create({ id: 3, a: 'three' }),
    ])
    await catchUp()
    await topics.put(TOPIC, [
      ...log.snapshot({ id: 1, a: 'uno' }, { id: 4, a: 'four' }),
      log.create({ id: 5, a: 'five' }),
    ])
    await catchUp()
    assert.equal(await rows(), '1 uno, 4 four, 5 five')
  })

  test('K6 rows that an incremental snapshot tells again do not overwrite what came since', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t)
    const told = [
      ...log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }),
      log.update({ id: 1, a: 'uno' }),
      // What stood there before the connector was told of the table.
      ...log.incremental({ id: 1, a: 'uno' }, { id: 2, a: 'two' }, { id: 3, a: 'old' }),
      log.update({ id: 1, a: 'un' }),
      ...log.remove(2),
    ]
    await topics.put(TOPIC, told)
    await catchUp()
    assert.equal(await rows(), '1 un, 3 old')
    await topics.put(TOPIC, told.slice(3))
    await catchUp()
    assert.equal(await rows(), '1 un, 3 old')
    await topics.put(TOPIC, log.incremental({ id: 4, a: 'older' }))
    await catchUp()
    assert.equal(await rows(), '1 un, 3 old, 4 older')
  })

  test('K7 a log that went back halts the mirror, until its topic begins with a new snapshot', async (t) => {
    const { topics, rows, log, anew, catchUp } = await stand(t)
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
    await topics.put(TOPIC, [log.update({ id: 1, a: 'uno' })])
    await catchUp()
    const later = { lsn: 500, commit: null, time: 1_800_000_000_000_000 }
    const restored = new Envelopes(topics.prefix, { log: later })
    await topics.put(TOPIC, [restored.update({ id: 1, a: 'back' })])
    await assert.rejects(catchUp(), halts('HF-K109'))
    assert.equal(await rows(), '1 uno, 2 two')
    const before = (await topics.ends(TOPIC))[0]?.offset ?? 0n
    await topics.put(TOPIC, restored.snapshot({ id: 1, a: 'back' }, { id: 3, a: 'new' }))
    await topics.put(TOPIC, [restored.update({ id: 3, a: 'newer' })])
    await topics.cut(TOPIC, 0, before)
    await anew()
    assert.equal(await rows(), '1 back, 3 newer')
  })

  test('K8 a row goes by its delete, its tombstone, or both', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t)
    const ids = [1, 2, 3, 4]
    await topics.put(TOPIC, log.snapshot(...ids.map((id) => ({ id, a: 'x' }))))
    const [both, alone, tombstone] = [1, 2, 3].map((id) => log.remove(id))
    await topics.put(TOPIC, [...(both ?? []), ...(alone ?? []).slice(0, 1)])
    await topics.put(TOPIC, (tombstone ?? []).slice(1))
    await catchUp()
    assert.equal(await rows(), '4 x')
  })

  test('K18 an operation that nobody knows halts the mirror at its record', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t)
    await topics.put(TOPIC, [...log.snapshot({ id: 1, a: 'one' }), log.unknown()])
    await assert.rejects(catchUp(), (error) => {
      halts('HF-K301')(error)
      assert.match(String(error), /offset 1 of partition 0/)
      return true
    })
    assert.equal(await rows(), '1 one')
  })

  test('K19 a column that may be null flows through, rows of the older shape with it', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t)
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
    await catchUp()
    log.add({ type: 'string', optional: true, field: 'b' })
    await topics.put(TOPIC, [log.update({ id: 1, a: 'uno', b: 'new' })])
    await catchUp()
    assert.equal(await rows('id, a, b'), '1 uno new, 2 two ')
    log.drop('b')
    const older = log.update({ id: 2, a: 'dos' })
    log.add({ type: 'string', optional: true, field: 'b' })
    await topics.put(TOPIC, [older, log.update({ id: 1, a: 'un', b: 'old' })])
    await catchUp()
    assert.equal(await rows('id, a, b'), '1 un old, 2 dos ')
    log.add({ type: 'string', optional: true, field: 'c' })
    await topics.put(TOPIC, log.snapshot({ id: 2, a: 'dos', b: 'too', c: 'c' }))
    await catchUp()
    assert.equal(await rows('id, a, b, c'), '2 dos too c')
  })

  test('K19 a column that goes halts the mirror before the first row without it', async (t) => {
    const { topics, target, rows, log, anew, catchUp } = await stand(t)
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }))
    await catchUp()
    const before = log.update({ id: 1, a: 'uno' })
    log.add({ type: 'string', optional: true, field: 'b' })
    log.drop('a')
    await topics.put(TOPIC, [before, log.update({ id: 1, b: 'x' })])
    await assert.rejects(catchUp(), halts('HF-K110'))
    assert.equal(await rows(), '1 uno')
    await topics.put(TOPIC, log.snapshot({ id: 2, b: 'y' }))
    // A table that stands with other columns is the user's to drop.
    await target.query('drop table public.t')
    await anew()
    assert.equal(await rows('id, b'), '2 y')
  })

  test('K20 records without a key are refused before anything is copied', async (t) => {
    const { topics, log, catchUp } = await stand(t)
    const rows = log.snapshot({ id: 1, a: 'one' }).map((record) => ({ ...record, key: null }))
    await topics.put(TOPIC, rows)
    await assert.rejects(catchUp(), halts('HF-K106'))
  })

  test('K9 rows of several partitions are followed, emptied and copied anew together', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t, { partitions: 3 })
    const ids = Array.from({ length: 30 }, (_, id) => ({ id, a: `v${id}` }))
    await topics.put(TOPIC, log.snapshot(...ids))
    await topics.put(
      TOPIC,
      ids.map(({ id }) => log.update({ id, a: `w${id}` })),
    )
    await catchUp()
    assert.equal(await rows(), ids.map(({ id }) => `${id} w${id}`).join(', '))
    await topics.put(TOPIC, [log.truncate(), ...ids.slice(5).map((row) => log.create(row))])
    await catchUp()
    assert.equal(
      await rows(),
      ids
        .slice(5)
        .map(({ id, a }) => `${id} ${a}`)
        .join(', '),
    )
    await topics.put(TOPIC, log.snapshot(...ids.slice(10)))
    await catchUp()
    assert.equal(
      await rows(),
      ids
        .slice(10)
        .map(({ id, a }) => `${id} ${a}`)
        .join(', '),
    )
  })
})
