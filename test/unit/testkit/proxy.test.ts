import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { eventually } from '../../../testkit/eventually.ts'
import { startProxy, type TcpProxy } from '../../../testkit/proxy.ts'

/** Answers every byte with itself. */
async function echo(t: TestContext): Promise<TcpProxy> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const proxy = await startProxy({ port: address.port })
  t.after(async () => {
    await proxy[Symbol.asyncDispose]()
    server.close()
  })
  return proxy
}

function client(t: TestContext, proxy: TcpProxy): { readonly socket: Socket; heard: () => string } {
  let heard = ''
  const socket = connect(proxy.port, '127.0.0.1')
  socket.setEncoding('latin1').on('data', (text: string) => {
    heard += text
  })
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  return { socket, heard: () => heard }
}

test('passes bytes both ways and counts them', async (t) => {
  const proxy = await echo(t)
  const { socket, heard } = client(t, proxy)
  socket.end('hello')
  await once(socket, 'close')
  assert.equal(heard(), 'hello')
  assert.deepEqual([proxy.connections[0]?.sent, proxy.connections[0]?.received], [5, 5])
  await eventually('the connection is closed', () => proxy.open.length === 0)
})

test('a frozen connection holds everything back until it is thawed', async (t) => {
  const proxy = await echo(t)
  const { socket, heard } = client(t, proxy)
  socket.write('a')
  await eventually('the first answer', () => heard() === 'a')
  proxy.freezeAll()
  socket.write('b')
  const late = client(t, proxy)
  late.socket.write('c')
  await eventually('both are there', () => proxy.open.length === 2)
  assert.equal(heard(), 'a')
  assert.equal(proxy.connections[1]?.sent, 0)
  proxy.thawAll()
  await eventually('what was held back', () => heard() === 'ab' && late.heard() === 'c')
})

test('a cut reaches the client as a reset', async (t) => {
  const proxy = await echo(t)
  const { socket, heard } = client(t, proxy)
  socket.write('a')
  await eventually('the first answer', () => heard() === 'a')
  let code: string | undefined
  socket.on('error', (error: NodeJS.ErrnoException) => {
    code = error.code
  })
  const closed = once(socket, 'close').catch(() => {})
  proxy.cutAll()
  await closed
  assert.equal(code, 'ECONNRESET')
})

test('a connection can be cut at a byte', async (t) => {
  const proxy = await echo(t)
  const { socket, heard } = client(t, proxy)
  await eventually('the connection', () => proxy.connections[0])
  proxy.connections[0]?.cutAfter(3)
  socket.write('abcdef')
  await once(socket, 'close')
  assert.equal(heard(), 'abc')
})

test('a connection can be cut at a byte of the client, which the server still gets', async (t) => {
  let got = ''
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.setEncoding('latin1').on('data', (text: string) => {
      got += text
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const proxy = await startProxy({ port: address.port })
  t.after(() => proxy[Symbol.asyncDispose]())
  const { socket } = client(t, proxy)
  await eventually('the connection', () => proxy.connections[0])
  proxy.connections[0]?.cutAfter(4, 'client')
  socket.write('abcdef')
  await once(socket, 'close').catch(() => undefined)
  await eventually('four of six bytes', () => got === 'abcd')
  assert.equal(proxy.connections[0]?.sent, 4)
})

test('refuses new connections and takes them again on the same port', async (t) => {
  const proxy = await echo(t)
  const first = client(t, proxy)
  first.socket.write('a')
  await eventually('the first answer', () => first.heard() === 'a')
  await proxy.refuse()
  const [error] = await once(client(t, proxy).socket, 'error')
  assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED')
  first.socket.write('b')
  await eventually('the open one goes on', () => first.heard() === 'ab')
  await proxy.accept()
  const again = client(t, proxy)
  again.socket.write('c')
  await eventually('a new one', () => again.heard() === 'c')
})

test('gives the address of a server through itself', async (t) => {
  const proxy = await echo(t)
  assert.equal(
    proxy.url('postgres://u:p@db.example:5432/name?sslmode=require'),
    `postgres://u:p@127.0.0.1:${proxy.port}/name?sslmode=require`,
  )
})
