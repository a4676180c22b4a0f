import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Consumer } from '@platformatic/kafka'
import { avro, debezium, request } from '../../testkit/debezium.ts'
import { eventually } from '../../testkit/eventually.ts'
import {
  connect,
  database,
  type KafkaServer,
  kafka,
  mysqlDatabase,
  ownConnect,
  registry,
} from '../../testkit/servers/index.ts'

/** One more than the last offset of the first partition, or nothing when there is no such topic. */
async function end(broker: KafkaServer, topic: string): Promise<bigint | undefined> {
  const consumer = new Consumer({
    clientId: 'test',
    groupId: topic,
    bootstrapBrokers: [broker.bootstrap],
    retries: 0,
  })
  try {
    return (await consumer.listOffsets({ topics: [topic] })).get(topic)?.[0]
  } catch {
    return undefined
  } finally {
    await consumer.close(true)
  }
}

test('Debezium puts what is in a database of PostgreSQL and what comes to it into a topic', async (t) => {
  const db = await database(t, 18)
  await db.query('create table item (id int primary key, name text)')
  await db.query(`insert into item values (1, 'a'), (2, 'b')`)
  await using connector = await debezium(t, db)
  const topic = `${connector.prefix}.public.item`
  await eventually('the copy', async () => (await end(await kafka(), topic)) === 2n)
  await db.query(`insert into item values (3, 'c')`)
  await eventually('the change', async () => (await end(await kafka(), topic)) === 3n)
})

test('Debezium reads MySQL and MariaDB too', async (t) => {
  for (const kind of ['mysql-9', 'mariadb-10.11'] as const) {
    const db = await mysqlDatabase(t, kind)
    await db.query('create table item (id int primary key, name text)')
    await db.query(`insert into item values (1, 'a'), (2, 'b')`)
    await using connector = await debezium(t, db)
    const topic = `${connector.prefix}.${db.name}.item`
    await eventually('the copy', async () => (await end(await kafka(), topic)) === 2n)
    await db.query('delete from item where id = 1')
    await eventually(
      'a delete and a tombstone',
      async () => (await end(await kafka(), topic)) === 4n,
    )
  }
})

test('a worker that is killed goes on with its connectors, and its secrets come from outside', async (t) => {
  const outside = '$' + '{env:WORD}'
  const broker = await kafka()
  await using worker = await ownConnect(broker, { env: { WORD: 'postgres' } })
  const db = await database(t, 17)
  await db.query('create table item (id int primary key)')
  const config = { 'database.user': outside }
  await using connector = await debezium(t, db, { worker, config })
  const { url } = worker
  await worker.stop('crash')
  await db.query('insert into item values (1)')
  await worker.start()
  assert.equal(worker.url, url)
  const topic = `${connector.prefix}.public.item`
  await eventually('the change', async () => (await end(broker, topic)) === 1n, { within: 60_000 })
  const kept = await request(worker, `GET /connectors/${connector.name}/config`)
  assert.equal((kept as Record<string, string>)['database.user'], outside)
})

test('a connector writes Avro as Confluent’s does, with its schemas in a registry', async (t) => {
  const schemas = await registry()
  const db = await database(t, 16)
  await db.query('create table item (id int primary key)')
  await db.query('insert into item values (1)')
  await using connector = await debezium(t, db, { config: avro(schemas) })
  const topic = `${connector.prefix}.public.item`
  await eventually('the copy', async () => (await end(await kafka(), topic)) === 1n)
  const subjects: unknown = await (await fetch(`${schemas.url}/subjects`)).json()
  assert.deepEqual(
    Array.isArray(subjects) && subjects.filter((name) => String(name).startsWith(topic)).sort(),
    [`${topic}-key`, `${topic}-value`],
  )
})

test('a worker that cannot start says why', async () => {
  const settings = { 'key.converter': 'no.such.Converter' }
  await assert.rejects(ownConnect(await kafka(), { settings }), /no\.such\.Converter/)
})

test('the shared worker is one', async () => {
  assert.equal(await connect(), await connect())
})
