import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MongoClient } from 'mongodb'
import { mongo, mongoDatabase, ownMongo } from '../../../testkit/servers/index.ts'

test('a database of MongoDB’s protocol, gone when its test ends', async (t) => {
  let name = ''
  await t.test('a test that writes', async (inner) => {
    const { db, ...made } = await mongoDatabase(inner)
    name = made.name
    await db.collection('a').insertOne({ one: 1 })
    assert.equal(await db.collection('a').countDocuments({ one: 1 }), 1)
  })
  await using client = await MongoClient.connect((await mongo()).url())
  const { databases } = await client.db().admin().listDatabases()
  assert.equal(
    databases.some((found) => found.name === name),
    false,
  )
})

test('a server keeps its port and its documents over a crash', async () => {
  await using server = await ownMongo()
  const url = server.url('kept')
  {
    await using client = await MongoClient.connect(url)
    await client.db().collection('a').insertOne({ one: 1 })
  }
  await server.stop('crash')
  assert.equal(server.running, false)
  await server.start()
  assert.equal(server.url('kept'), url)
  await using client = await MongoClient.connect(url)
  assert.equal(await client.db().collection('a').countDocuments(), 1)
})
