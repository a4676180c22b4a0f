import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseUrl } from '../../../../src/config/url.ts'
import { Cluster } from '../../../../src/dialect/kafka/cluster.ts'
import { Fetcher } from '../../../../src/dialect/kafka/fetcher.ts'
import { Fault } from '../../../../src/model/fault.ts'
import { openSource } from '../../../../src/source/registry.ts'
import { eventually } from '../../../../testkit/eventually.ts'
import { mirror } from '../../../../testkit/mirror.ts'
import type { TestRecord } from '../../../../testkit/topics.ts'
import { Envelopes } from './envelopes.ts'
import { halts, stand, TOPIC } from './stand.ts'

/** Records in the partitions of a topic of two. */
const inTurns = (records: readonly TestRecord[]): readonly TestRecord[] =>
  records.map((record, i) => ({ ...record, partition: i % 2 }))

/**
 * True once the broker has thrown away the record at this offset, which newer ones replace. A broker
 * closes the connection over which it was sending a segment that it has compacted meanwhile.
 */
async function isCompacted(url: string, name: string, offset: bigint): Promise<boolean> {
  const endpoint = parseUrl(url, 'the test')
  await using cluster = await Cluster.open(endpoint, { mirror: 'm', purpose: 'test' })
  await using fetcher = await Fetcher.open(endpoint, { cluster, mirror: 'm' })
  const [topic] = await cluster.describe([name])
  assert.ok(topic !== undefined)
  const place = { topic: name, id: topic.id, partition: 0, offset }
  const limits = { wait: 100, bytes: 1 << 20, partitionBytes: 1 << 20 }
  const [portion] = await fetcher.fetch([place], limits).catch((error: unknown) => {
    if (error instanceof Fault && error.transient) return []
    throw error
  })
  const first = portion?.messages[0]
  return first !== undefined && first.offset > offset
}

suite('what comes late in a topic, or is gone', () => {
  test('K9 a truncate after which another partition was followed already is carried out first', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t, { partitions: 2 })
    await topics.put(TOPIC, inTurns(log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' })))
    await catchUp()
    const [empties, later] = [log.truncate(), log.create({ id: 3, a: 'three' })]
    await topics.put(TOPIC, [{ ...later, partition: 1 }])
    await catchUp()
    await topics.put(TOPIC, [{ ...empties, partition: 0 }])
    await catchUp()
    assert.equal(await rows(), '3 three')
  })

  test('K9 a truncate halts the mirror where what came after it may be gone', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t, { partitions: 2 })
    await topics.put(TOPIC, inTurns(log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' })))
    await catchUp()
    const [empties, later] = [log.truncate(), log.create({ id: 3, a: 'three' })]
    await topics.put(TOPIC, [{ ...later, partition: 1 }])
    await catchUp()
    const end = (await topics.ends(TOPIC)).find(({ partition }) => partition === 1)
    await topics.cut(TOPIC, 1, end?.offset ?? 0n)
    await topics.put(TOPIC, [{ ...empties, partition: 0 }])
    await assert.rejects(catchUp(), halts('HF-K115'))
    assert.equal(await rows(), '1 one, 2 two, 3 three')
  })

  test('K9 a truncate that stands before the snapshot which was copied halts the mirror', async (t) => {
    const { topics, rows, log, catchUp } = await stand(t)
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }))
    await catchUp()
    // The connector has begun anew, further back, and knows of no commit yet.
    const early = log.truncate()
    const told = JSON.parse(early.value ?? '')
    Object.assign(told.payload.source, { lsn: 1001, sequence: JSON.stringify([null, '1001']) })
    await topics.put(TOPIC, [{ ...early, value: JSON.stringify(told) }])
    await assert.rejects(catchUp(), halts('HF-K120'))
    assert.equal(await rows(), '1 one, 2 two')
  })

  test('K17 the mirror counts for itself; what is committed at the brokers decides nothing', async (t) => {
    const { topics, rows, log, ends } = await stand(t)
    const { catchUp } = mirror(t, { ...ends, name: 'counted' })
    const endpoint = parseUrl(ends.source, 'the test')
    await using cluster = await Cluster.open(endpoint, { mirror: 'm', purpose: 'test' })
    const [topic, group] = [topics.name(TOPIC), 'holdfast-counted']
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }))
    await catchUp()
    for (const offset of [0n, 1000n]) {
      await topics.transact(TOPIC, [log.create({ id: 9, a: 'never' })], 'abort')
      await cluster.commit(group, [{ topic, partition: 0, offset }])
      await topics.put(TOPIC, [log.create({ id: 2 + Number(offset), a: 'next' })])
      assert.deepEqual(await catchUp(), [])
      const told = await cluster.committed(group)
      const known = told.find((one) => one.topic === topic)?.offset
      assert.equal(known, (await topics.ends(TOPIC))[0]?.offset)
    }
    assert.equal(await rows(), '1 one, 2 next, 1002 next')
  })

  test('K10 a compacted topic is followed, and it is said beforehand how long it tells of deletes', async (t) => {
    const { topics, target, rows, log, ends, catchUp } = await stand(t)
    const compacted = { 'cleanup.policy': 'compact', 'delete.retention.ms': '7200000' }
    await topics.make('public.u', { settings: compacted })
    const other = new Envelopes(topics.prefix, { table: 'u' })
    await topics.put(TOPIC, log.snapshot({ id: 1, a: 'one' }))
    await topics.put('public.u', [...other.snapshot({ id: 1, a: 'one' }), ...other.remove(1)])
    await using source = await openSource({
      endpoint: parseUrl(ends.source, 'the test'),
      mirror: 'm',
      selection: { exclude: [], keyless: 'refuse', ...ends.selection },
    })
    const findings = await source.preflight({ fresh: true })
    const said = findings.flatMap((one) => (one.level === 'ok' ? [] : [one.fault]))
    assert.deepEqual(
      said.map(({ code }) => code),
      ['HF-K121'],
    )
    assert.match(said[0]?.message ?? '', /public\.u is compacted and forgets 2 hours later/)
    await catchUp()
    assert.equal(await rows(), '1 one')
    assert.deepEqual(await target.query('select id from public.u'), [])
  })

  test('K10 rows end right where the broker has compacted what was before them', async (t) => {
    const { topics, rows, log, ends } = await stand(t)
    const settings = {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.001',
    }
    const name = await topics.make('compacted.t', { settings })
    const { catchUp } = mirror(t, { ...ends, selection: { include: [name] } })
    const put = (...records: readonly TestRecord[]) => topics.put('compacted.t', records)
    let filled = 0
    /** A segment is closed by what comes after it. */
    const compacted = (offset: bigint): Promise<true> =>
      eventually(
        `offset ${offset} is compacted away`,
        async () => {
          await put(log.update({ id: 9, a: `filled ${filled++}` }))
          return await isCompacted(ends.source, name, offset)
        },
        { within: 120_000, every: 200 },
      )
    await put(...log.snapshot({ id: 1, a: 'one' }, { id: 2, a: 'two' }, { id: 3, a: 'three' }))
    await put(...['a', 'b', 'c'].map((a) => log.update({ id: 1, a })), ...log.remove(2))
    await compacted(0n)
    await catchUp()
    assert.match(await rows(), /^1 c, 3 three, 9 filled \d+$/)
    const next = (await topics.ends('compacted.t'))[0]?.offset ?? 0n
    await put(log.update({ id: 1, a: 'lost' }), log.create({ id: 4, a: 'four' }))
    await put(log.update({ id: 1, a: 'last' }), ...log.remove(3))
    await compacted(next)
    await catchUp()
    assert.match(await rows(), /^1 last, 4 four, 9 filled \d+$/)
  })
})
