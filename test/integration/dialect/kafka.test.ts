import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { suite, type TestContext, test } from 'node:test'
import { Producer } from '@platformatic/kafka'
import { parseUrl } from '../../../src/config/url.ts'
import { Cluster, type Topic } from '../../../src/dialect/kafka/cluster.ts'
import { Fetcher, type Leading } from '../../../src/dialect/kafka/fetcher.ts'
import type { KafkaMessage } from '../../../src/dialect/kafka/records.ts'
import { Fault } from '../../../src/model/fault.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { kafka } from '../../../testkit/servers/index.ts'
import { TestTopics } from '../../../testkit/topics.ts'

const use = { mirror: 'm', purpose: 'test' }

async function stand(t: TestContext) {
  const broker = await kafka()
  const endpoint = parseUrl(broker.url(), 'the test')
  const cluster = await Cluster.open(endpoint, use)
  t.after(() => cluster[Symbol.asyncDispose]())
  const fetcher = await Fetcher.open(endpoint, { cluster, mirror: 'm' })
  t.after(() => fetcher[Symbol.asyncDispose]())
  return { cluster, fetcher, endpoint, topics: TestTopics.at(t, broker) }
}

async function only(cluster: Cluster, name: string): Promise<Topic> {
  const [topic] = await cluster.describe([name])
  assert.ok(topic)
  return topic
}

/** Everything up to the end of a partition, in answers of at most so many bytes. */
async function readAll(
  fetcher: Fetcher,
  topic: Topic,
  { partition = 0, from = 0n, bytes = 1 << 20, ahead = false } = {},
): Promise<KafkaMessage[]> {
  const read: KafkaMessage[] = []
  const place = { topic: topic.name, id: topic.id, partition }
  let offset = from
  for (let end = -1n; offset !== end; ) {
    const limits = { wait: 100, bytes, partitionBytes: bytes, ahead }
    const [portion] = await fetcher.fetch([{ ...place, offset }], limits)
    if (portion === undefined) continue
    read.push(...portion.messages)
    offset = portion.next
    end = portion.end
  }
  return read
}

const values = (messages: readonly KafkaMessage[]): (string | null)[] =>
  messages.map(({ value }) => (value === null ? null : value.toString()))

suite('topics of a broker', () => {
  test('are named, described and measured', async (t) => {
    const { cluster, topics } = await stand(t)
    const name = await topics.make('a', { partitions: 3, settings: { 'retention.ms': '5000' } })
    const topic = await only(cluster, name)
    assert.equal(topic.partitions, 3)
    assert.ok((await cluster.names()).includes(name))
    await topics.put('a', [
      { key: 'k', value: '1', partition: 1 },
      { key: 'k', value: '2', partition: 1 },
    ])
    assert.deepEqual(
      (await cluster.offsets([topic], 'end')).map(({ offset }) => offset),
      [0n, 2n, 0n],
    )
    const later = await cluster.offsets([topic], { millis: 9_999_999_999_999n })
    assert.deepEqual(
      later.map(({ offset }) => offset),
      [0n, 2n, 0n],
    )
    assert.deepEqual(await cluster.keeping(name), {
      millis: 5000n,
      bytes: null,
      compacted: false,
      deletes: null,
      removes: true,
    })
    assert.deepEqual(await cluster.describe([topics.name('none')]), [])
  })

  test('have another id when they are made again', async (t) => {
    const { cluster, topics } = await stand(t)
    const name = await topics.make('again')
    const { id } = await only(cluster, name)
    await topics.remove('again')
    await eventually('the topic is gone', async () => (await cluster.describe([name])).length === 0)
    await topics.make('again')
    assert.notEqual((await only(cluster, name)).id, id)
  })

  test('are read from the offset that is named', async (t) => {
    const { cluster, fetcher, topics } = await stand(t)
    const topic = await only(cluster, await topics.make('read', { partitions: 2 }))
    const records = Array.from({ length: 300 }, (_, i) => ({
      key: `k${i}`,
      value: i % 7 === 0 ? null : `v${i} ${'x'.repeat(i)}`,
      partition: 0,
      headers: { h: String(i) },
    }))
    for (let at = 0; at < 300; at += 30) await topics.put('read', records.slice(at, at + 30))
    const all = await readAll(fetcher, topic, { bytes: 2000 })
    assert.deepEqual(
      values(all),
      records.map(({ value }) => value),
    )
    assert.deepEqual(
      all.map(({ key, headers }) => [key?.toString(), headers.map(String)]),
      records.map(({ key, headers }) => [key, [`h,${headers.h}`]]),
    )
    const some = await readAll(fetcher, topic, { from: 217n })
    assert.deepEqual([some.length, some[0]?.offset], [83, 217n])
    assert.deepEqual(await readAll(fetcher, topic, { partition: 1 }), [])
  })

  test('are handed on a batch at a time where they are large, and from elsewhere when they are asked for', async (t) => {
    const { cluster, fetcher, endpoint, topics } = await stand(t)
    const topic = await only(cluster, await topics.make('large'))
    const bootstrapBrokers = [`${endpoint.host}:${endpoint.port}`]
    const producer = new Producer({ clientId: 'test', bootstrapBrokers })
    t.after(() => producer.close())
    const value = Buffer.alloc(1 << 20, 'x')
    for (let i = 0; i < 3; i++) {
      const messages = Array.from({ length: 5 }, () => ({ topic: topic.name, partition: 0, value }))
      await producer.send({ messages, compression: 'zstd' })
    }
    const take = async (offset: bigint) => {
      const place = { topic: topic.name, id: topic.id, partition: 0, offset }
      const limits = { wait: 10_000, bytes: 1 << 20, partitionBytes: 1 << 20 }
      const [portion, ...others] = await fetcher.fetch([place], limits)
      assert.ok(portion !== undefined && others.length === 0)
      assert.ok(portion.messages.every((one) => one.value?.equals(value) === true))
      const { messages, next, end, asked } = portion
      return { offsets: messages.map((one) => Number(one.offset)), next, end, asked }
    }
    const all = { end: 15n, asked: true }
    assert.deepEqual(await take(0n), { ...all, offsets: [0, 1, 2, 3, 4], next: 5n })
    assert.deepEqual(await take(5n), { ...all, offsets: [5, 6, 7, 8, 9], next: 10n, asked: false })
    assert.deepEqual(await take(3n), { ...all, offsets: [3, 4], next: 5n })
    assert.deepEqual(await take(5n), { ...all, offsets: [5, 6, 7, 8, 9], next: 10n, asked: false })
  })

  test('are read beside one another where a batch is larger than what is asked for', async (t) => {
    const { cluster, fetcher, topics } = await stand(t)
    const topic = await only(cluster, await topics.make('beside', { partitions: 3 }))
    const [batches, size] = [8, 10]
    for (let i = 0; i < batches * topic.partitions; i++) {
      const record = { key: 'k', value: 'x'.repeat(500), partition: i % topic.partitions }
      await topics.put('beside', Array(size).fill(record))
    }
    const offsets = Array<bigint>(topic.partitions).fill(0n)
    const last = BigInt(batches * size)
    while (offsets.some((offset) => offset < last)) {
      const wanted = offsets.map((offset, partition) => {
        return { topic: topic.name, id: topic.id, partition, offset }
      })
      const limits = { wait: 100, bytes: 1 << 20, partitionBytes: 1000 }
      for (const { partition, next } of await fetcher.fetch(wanted, limits)) {
        offsets[partition] = next
      }
      const behind = Math.max(...offsets.map(Number)) - Math.min(...offsets.map(Number))
      assert.ok(behind <= topic.partitions * size, `they stand at ${offsets.join()}`)
    }
  })

  test('are right in memory that is used again', async (t) => {
    const { cluster, fetcher, topics } = await stand(t)
    const topic = await only(cluster, await topics.make('memory', { partitions: 2 }))
    const text = (i: number): string => `${i} ${'x'.repeat(40_000 + (i % 7) * 3000)}`
    for (let i = 0; i < 200; i += 20) {
      const some = Array.from({ length: 20 }, (_, n) => ({ key: 'k', value: text(i + n) }))
      await topics.put(
        'memory',
        some.map((one, n) => ({ ...one, partition: n % 2 })),
      )
    }
    const read: (string | undefined)[] = []
    const offsets = [0n, 0n]
    const limits = { wait: 100, bytes: 1 << 20, partitionBytes: 300_000, ahead: true }
    while (offsets.some((offset) => offset < 100n)) {
      const wanted = offsets.map((offset, partition) => {
        return { topic: topic.name, id: topic.id, partition, offset }
      })
      const portions = await fetcher.fetch(wanted, limits)
      for (const { partition, messages, next } of portions) {
        offsets[partition] = next
        for (const { value } of messages) read.push(value?.toString())
      }
      fetcher.recycle(portions)
    }
    const wanted = Array.from({ length: 200 }, (_, i) => text(i))
    assert.deepEqual(read.toSorted(), wanted.toSorted())
  })

  test('show what was committed and nothing that was aborted', async (t) => {
    const { cluster, fetcher, topics } = await stand(t)
    const topic = await only(cluster, await topics.make('tx'))
    const wanted: string[] = []
    for (let i = 0; i < 12; i++) {
      const records = Array.from({ length: 40 }, (_, n) => ({ key: `${n}`, value: `${i}.${n}` }))
      const end = i % 2 === 0 ? 'abort' : 'commit'
      await topics.transact('tx', records, end)
      if (end === 'commit') wanted.push(...records.map(({ value }) => value))
    }
    // In small answers the marker that ends a transaction comes later than its records.
    for (const bytes of [1 << 20, 300]) {
      for (const ahead of [false, true]) {
        assert.deepEqual(values(await readAll(fetcher, topic, { bytes, ahead })), wanted)
      }
    }
  })

  test('are asked ahead for what comes next, which is for who goes on from there', async (t) => {
    const { cluster, endpoint, topics } = await stand(t)
    const topic = await only(cluster, await topics.make('ahead'))
    for (let i = 0; i < 4; i++) await topics.put('ahead', [{ key: 'a', value: `${i}` }])
    let asked = 0
    const leading: Leading = {
      label: cluster.label,
      newest: (request) => cluster.newest(request),
      describe: (names) => cluster.describe(names),
      leaders: async (names, how) => {
        asked++
        return await cluster.leaders(names, how)
      },
    }
    await using fetcher = await Fetcher.open(endpoint, { cluster: leading, mirror: 'm' })
    const take = async (offset: bigint) => {
      const limits = { wait: 10_000, bytes: 1, partitionBytes: 1, ahead: true }
      const place = { topic: topic.name, id: topic.id, partition: 0, offset }
      const [portion] = await fetcher.fetch([place], limits)
      return [...values(portion?.messages ?? []), Number(portion?.end), portion?.asked, asked]
    }
    assert.deepEqual(await take(0n), ['0', 4, true, 2])
    assert.deepEqual(await take(1n), ['1', 4, true, 3])
    assert.deepEqual(await take(0n), ['0', 4, true, 5])
    assert.deepEqual(await take(2n), ['2', 4, true, 7])
    // Nothing comes after the last one.
    assert.deepEqual(await take(3n), ['3', 4, true, 7])
  })

  test('that no longer hold an offset say so', async (t) => {
    const { cluster, fetcher, topics } = await stand(t)
    const topic = await only(cluster, await topics.make('cut'))
    await topics.put('cut', [
      { key: 'a', value: '1' },
      { key: 'b', value: '2' },
    ])
    await topics.cut('cut', 0, 1n)
    assert.deepEqual((await cluster.offsets([topic], 'begin'))[0]?.offset, 1n)
    await assert.rejects(readAll(fetcher, topic), isFault('HF-K101'))
    await topics.remove('cut')
    await eventually('the topic is gone', async () => {
      const found = await cluster.describe([topic.name])
      return found.length === 0
    })
    await assert.rejects(readAll(fetcher, topic, { from: 1n }), isFault('HF-K103'))
  })

  test('are read on once a partition that lost its leader has one again', async (t) => {
    const { cluster, endpoint, topics } = await stand(t)
    const topic = await only(cluster, await topics.make('led'))
    await topics.put('led', [{ key: 'a', value: '1' }])
    const asked: boolean[] = []
    const leading: Leading = {
      label: cluster.label,
      newest: (request) => cluster.newest(request),
      describe: (names) => cluster.describe(names),
      leaders: async (names, how) => {
        asked.push(how.fresh)
        // What is remembered of a moment without a leader stays so until it is asked for anew.
        return asked.length < 3 || !how.fresh ? () => null : await cluster.leaders(names, how)
      },
    }
    await using fetcher = await Fetcher.open(endpoint, { cluster: leading, mirror: 'm' })
    assert.deepEqual(values(await readAll(fetcher, topic)), ['1'])
    assert.deepEqual(asked, [false, true, true])
  })

  test('that a broker has not heard of are not taken for others', async (t) => {
    const { cluster, endpoint, fetcher, topics } = await stand(t)
    const topic = await only(cluster, await topics.make('early'))
    const early = { topic: topic.name, id: randomUUID(), partition: 0, offset: 0n }
    const limits = { wait: 100, bytes: 1 << 20, partitionBytes: 1 << 20 }
    await assert.rejects(fetcher.fetch([early], limits), isFault('HF-K103'))
    const leading: Leading = {
      label: cluster.label,
      newest: (request) => cluster.newest(request),
      leaders: (names, how) => cluster.leaders(names, how),
      describe: async (names) => names.map((name) => ({ name, id: early.id, partitions: 1 })),
    }
    await using waiting = await Fetcher.open(endpoint, { cluster: leading, mirror: 'm' })
    assert.deepEqual(await waiting.fetch([early], limits), [])
  })

  test('have groups whose offsets are there for other tools to see', async (t) => {
    const { cluster, topics } = await stand(t)
    const topic = await topics.make('group')
    await topics.put('group', [{ key: 'a', value: '1' }])
    const group = `${topics.prefix}-g`
    assert.deepEqual(await cluster.committed(group), [])
    await cluster.commit(group, [{ topic, partition: 0, offset: 1n }])
    assert.deepEqual(await cluster.committed(group), [{ topic, partition: 0, offset: 1n }])
    assert.equal(await cluster.forget(group), true)
    assert.deepEqual(await cluster.committed(group), [])
    assert.equal(await cluster.forget(group), false)
  })

  test('cannot be read where nobody listens', async () => {
    const endpoint = parseUrl('kafka://127.0.0.1:1', 'the test')
    await assert.rejects(Cluster.open(endpoint, use), isFault('HF-S101'))
  })
})

function isFault(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Fault, String(error))
    assert.equal(error.code, code, error.message)
    return true
  }
}
