import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Registry } from '../../../../src/dialect/debezium/registry.ts'
import { Fault } from '../../../../src/model/fault.ts'

/** A server of HTTP that answers as it is told. */
async function answering(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close().closeAllConnections())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

const forever = new AbortController().signal

async function code(registry: Registry): Promise<string> {
  const error: unknown = await registry.fetch(7, forever).catch((reason: unknown) => reason)
  assert.ok(error instanceof Fault, String(error))
  return error.code
}

test('K13 a registry that is down, late or at its limit is waited for', async (t) => {
  assert.equal(await code(new Registry({ url: 'http://127.0.0.1:1' })), 'HF-K304')
  for (const status of [500, 503, 429]) {
    const url = await answering(t, (_request, response) => {
      response.statusCode = status
      response.end('{}')
    })
    assert.equal(await code(new Registry({ url })), 'HF-K304')
  }
  const silent = await answering(t, () => undefined)
  assert.equal(await code(new Registry({ url: silent, patience: 50 })), 'HF-K304')
  const broken = await answering(t, (_request, response) => response.end('<html>'))
  assert.equal(await code(new Registry({ url: broken })), 'HF-K304')
})

test('K13 a schema that the registry does not have, or does not show, stops', async (t) => {
  for (const status of [404, 401, 403]) {
    const url = await answering(t, (_request, response) => {
      response.statusCode = status
      response.end('{"error_code":40403}')
    })
    const registry = new Registry({ url })
    assert.equal(await code(registry), 'HF-K305')
    assert.equal(registry.knows(7), false)
    assert.throws(() => registry.shape(7), /not known/)
  }
})

test('what is no schema of Avro that Connect writes stops', async (t) => {
  const bodies = [
    { schemaType: 'PROTOBUF', schema: 'syntax = "proto3";' },
    { schemaType: 'JSON', schema: '{}' },
    { schema: '["null","string","long"]' },
    { schema: '{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}' },
    { schema: '"Unknown"' },
    { schema: 'not json' },
    {},
  ]
  for (const body of bodies) {
    const url = await answering(t, (_request, response) => response.end(JSON.stringify(body)))
    assert.equal(await code(new Registry({ url })), 'HF-K306', JSON.stringify(body))
  }
})

test('schemas that a schema names are asked for, and the user is told', async (t) => {
  const asked: string[] = []
  const url = await answering(t, (request, response) => {
    asked.push(`${request.url} ${request.headers.authorization}`)
    const inner = '{"type":"record","name":"a.Inner","fields":[{"name":"x","type":"long"}]}'
    const outer = '{"type":"record","name":"b.Outer","fields":[{"name":"i","type":"a.Inner"}]}'
    const references = [{ name: 'a.Inner', subject: 'in ner', version: 3 }]
    const own = request.url?.includes('/schemas/ids/') === true
    response.end(JSON.stringify(own ? { schema: outer, references } : { schema: inner }))
  })
  const registry = new Registry({ url, user: 'me', password: 'secret' })
  const shape = await registry.fetch(7, forever)
  assert.equal(shape.fields[0]?.shape.fields[0]?.name, 'x')
  assert.ok(registry.knows(7))
  const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`
  assert.deepEqual(asked, [`/schemas/ids/7 ${basic}`, `/subjects/in%20ner/versions/3 ${basic}`])
})

test('a fetch ends with its signal', async (t) => {
  const url = await answering(t, () => undefined)
  const stop = new AbortController()
  const fetching = new Registry({ url }).fetch(1, stop.signal)
  stop.abort(new Error('enough'))
  await assert.rejects(fetching, /enough/)
})
