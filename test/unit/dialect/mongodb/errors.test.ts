import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { MongoClient, MongoNetworkError } from 'mongodb'
import { faultOf } from '../../../../src/dialect/mongodb/errors.ts'

test('what a socket says that its peer has ended is a target that is away', async (t) => {
  const server = createServer((peer) => peer.end()).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address !== 'string')
  const socket = connect(address.port, '127.0.0.1')
  socket.resume()
  await once(socket, 'end')
  const errors: unknown[] = []
  socket.on('error', (error) => errors.push(error))
  for (const closed of [false, true]) {
    if (closed && !socket.closed) await once(socket, 'close')
    errors.push(await new Promise((resolve) => socket.write('x', resolve)))
  }
  assert.ok(errors.length >= 2)
  for (const error of errors) {
    assert.ok(error instanceof Error)
    const { code, message } = faultOf(error, { doing: 'reading', label: 'db:27017' })
    assert.equal(code, 'HF-T201', error.message)
    assert.match(message, /db:27017 failed while reading/)
  }
})

test('errors of the driver are said in words, and named for whoever looks deeper', () => {
  const error = new MongoNetworkError('read ECONNRESET')
  const { message, detail } = faultOf(error, { doing: 'reading', label: 'db:27017' })
  assert.equal(message, 'the target at db:27017 failed while reading: the connection broke')
  assert.deepEqual(detail.evidence, { error: 'MongoNetworkError', said: 'read ECONNRESET' })
})

test('a target that goes away while TLS is agreed on is one that is away', async (t) => {
  const server = createServer((peer) => peer.once('data', () => peer.end())).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address !== 'string')
  const url = `mongodb://127.0.0.1:${address.port}/?tls=true`
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 200 })
  t.after(() => client.close())
  const error = await client.connect().catch((thrown: unknown) => thrown)
  assert.match(String(error), /TLS/)
  assert.equal(faultOf(error, { doing: 'connecting', label: 'db:27017' }).code, 'HF-T201')
})
