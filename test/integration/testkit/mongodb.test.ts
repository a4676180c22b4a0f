import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MongoClient } from 'mongodb'
import { startChild } from '../../../testkit/child.ts'
import { mongo, mongoDatabase, ownMongo } from '../../../testkit/servers/index.ts'
import { givenMongo } from '../../../testkit/servers/mongodb.ts'

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

test('a database is made in a server that is given by its address, which is left alone', async () => {
  await using own = await ownMongo()
  const script = `
    import { test } from 'node:test'
    import { mongo, mongoDatabase } from ${JSON.stringify(new URL('../../../testkit/servers/index.ts', import.meta.url).href)}
    test('one', async (t) => {
      const { db, server } = await mongoDatabase(t)
      await db.collection('a').insertOne({ one: 1 })
      console.log(server.kind, await db.collection('a').countDocuments())
      await server.stop().catch((error) => console.log(error.message))
    })`
  await using child = startChild(process.execPath, ['--input-type=module', '-e', script], {
    env: { HOLDFAST_TEST_MONGODB_URL: own.url('') },
  })
  assert.equal((await child.end()).code, 0, child.lines.join('\n'))
  const told = child.stdout.filter((line) => /^(?:given|The server)/.test(line))
  assert.deepEqual(told, [
    'given 1',
    'The server was given by its address and is not ours to stop.',
  ])
})

test('the address of a server that is given keeps its hosts, its account and its options', () => {
  const set = givenMongo('mongodb://me:pw@a:1,b:2/?replicaSet=rs')
  assert.equal(set.url('d'), 'mongodb://me:pw@a:1,b:2/d?replicaSet=rs&authSource=admin')
  assert.equal(givenMongo('mongodb://me:pw@a/x').url('d'), 'mongodb://me:pw@a/d?authSource=x')
  assert.equal(givenMongo('mongodb://a:1').url('d e'), 'mongodb://a:1/d%20e')
})
