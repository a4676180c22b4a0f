import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { Admin, Consumer, Producer } from '@platformatic/kafka'
import { startChild } from '../../../testkit/child.ts'
import { eventually } from '../../../testkit/eventually.ts'
import { type KafkaServer, kafka } from '../../../testkit/servers/index.ts'

const kit = JSON.stringify(new URL('../../../testkit/servers/index.ts', import.meta.url).href)

/** Makes a topic of one partition when it is not there, puts values in it, and closes again. */
async function put(broker: KafkaServer, topic: string, values: readonly string[]): Promise<void> {
  const producer = new Producer({
    clientId: 'test',
    bootstrapBrokers: [broker.bootstrap],
    autocreateTopics: true,
  })
  try {
    const messages = values.map((value) => ({ topic, value: Buffer.from(value) }))
    await producer.send({ messages, acks: -1 })
  } finally {
    await producer.close()
  }
}

/** One more than the last offset of a topic of one partition. */
async function end(broker: KafkaServer, topic: string): Promise<bigint | undefined> {
  const consumer = new Consumer({
    clientId: 'test',
    groupId: topic,
    bootstrapBrokers: [broker.bootstrap],
  })
  try {
    return (await consumer.listOffsets({ topics: [topic] })).get(topic)?.[0]
  } finally {
    await consumer.close(true)
  }
}

test('a broker that is shared keeps what is put into a topic', async () => {
  const broker = await kafka()
  assert.equal(await kafka(), broker)
  await put(broker, 'shared', ['a', 'b'])
  assert.equal(await end(broker, 'shared'), 2n)
})

test('a broker keeps its port, its identity and its topics over a crash', async () => {
  await using broker = await kafka({ settings: { 'num.partitions': '1' } })
  const { bootstrap } = broker
  await put(broker, 'kept', ['a', 'b', 'c'])
  const before = await clusterOf(broker)
  await broker.stop('crash')
  assert.equal(broker.running, false)
  await broker.start()
  assert.equal(broker.bootstrap, bootstrap)
  assert.equal(await clusterOf(broker), before)
  assert.equal(await end(broker, 'kept'), 3n)
  assert.notEqual(await clusterOf(await kafka()), before)
})

async function clusterOf(broker: KafkaServer): Promise<string> {
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [broker.bootstrap] })
  try {
    return (await admin.metadata({ topics: [] })).id
  } finally {
    await admin.close()
  }
}

test('a broker that cannot start says why', async () => {
  const wrong = kafka({ settings: { 'num.io.threads': 'many' } })
  await assert.rejects(wrong, /num\.io\.threads/)
})

test('a test process that is killed leaves neither broker nor folder', async () => {
  const script = `
    import { kafka } from ${kit}
    const broker = await kafka()
    console.log(broker.folder)
    console.log(broker.url())
    setInterval(() => {}, 1000)`
  await using child = startChild(process.execPath, ['--input-type=module', '-e', script])
  const folder = await child.line(/^\//)
  assert.ok(statSync(folder).isDirectory())
  await child.kill('SIGKILL')
  await eventually('the folder of the broker is gone', () => !existsSync(folder))
})

test('a broker given by its address is used as it is', async () => {
  const script = `
    import { kafka } from ${kit}
    const broker = await kafka()
    console.log(broker.kind, broker.bootstrap, broker.url())
    await broker.stop().catch((error) => console.log(error.message))`
  await using child = startChild(process.execPath, ['--input-type=module', '-e', script], {
    env: { HOLDFAST_TEST_KAFKA_URL: 'kafka://broker.example:9092' },
  })
  await child.end()
  assert.deepEqual(child.stdout, [
    'given broker.example:9092 kafka://broker.example:9092',
    'The broker was given by its address and is not ours to stop.',
  ])
})
