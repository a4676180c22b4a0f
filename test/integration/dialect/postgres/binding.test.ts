import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, connect as dial, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { TLSSocket, connect as tlsDial } from 'node:tls'
import { parseUrl } from '../../../../src/config/url.ts'
import { connect, type Session } from '../../../../src/dialect/postgres/connect.ts'
import { Fault } from '../../../../src/model/fault.ts'
import {
  type Certificate,
  certificates,
  type TlsServer,
  tlsServer,
} from '../../../../testkit/tls.ts'

const open = (url: string): Promise<Session> =>
  connect(parseUrl(url, 'the test'), { side: 'source', mirror: 'm', purpose: 'test' })

async function refused(code: string, url: string): Promise<Fault> {
  try {
    await using _ = await open(url)
  } catch (error) {
    assert.ok(error instanceof Fault && error.code === code, String(error))
    return error
  }
  throw new assert.AssertionError({ message: `connected, where ${code} was expected` })
}

/** The packet that asks for TLS, and the answer that grants it (protocol, SSLRequest). */
const asks = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

/** Ends TLS with a certificate of its own and opens it anew to the server. Returns its port. */
async function between(t: TestContext, port: number, shown: Certificate): Promise<number> {
  const [cert, key] = [readFileSync(shown.certificate), readFileSync(shown.key)]
  const sockets: Socket[] = []
  const bridge = async (near: Socket): Promise<void> => {
    const far = dial(port, '127.0.0.1')
    sockets.push(near, far)
    for (const socket of [near, far]) socket.on('error', () => undefined)
    await once(near, 'data')
    far.write(asks)
    await once(far, 'data')
    const behind = tlsDial({ socket: far, rejectUnauthorized: false })
    near.write('S')
    const front = new TLSSocket(near, { isServer: true, cert, key })
    for (const socket of [front, behind]) socket.on('error', () => undefined)
    front.pipe(behind).pipe(front)
  }
  const server = createServer((near) => void bridge(near)).listen(0, '127.0.0.1')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

/** Two roles with a password; the one of `old` is kept in the way that cannot be bound. */
async function withRoles(server: TlsServer): Promise<void> {
  const admin = await open(server.url())
  await admin.query("set password_encryption = 'scram-sha-256'")
  await admin.query("create role bound login password 'right one'")
  await admin.query("set password_encryption = 'md5'")
  await admin.query("create role old login password 'right one'")
  await admin[Symbol.asyncDispose]()
  const file = join(server.dataDirectory, 'pg_hba.conf')
  const roles = 'host all bound 127.0.0.1/32 scram-sha-256\nhost all old 127.0.0.1/32 md5\n'
  await writeFile(file, `${roles}${await readFile(file, 'utf8')}`)
  await server.restart('fast')
}

for (const major of [14, 18] as const) {
  test(`${major}: the password is bound to the certificate as channel_binding says`, async (t) => {
    await using made = await certificates()
    await using server = await tlsServer(major, made.server.right)
    await withRoles(server)
    const url = (role: string, query: string, port = server.port): string =>
      `postgres://${role}:right%20one@127.0.0.1:${port}/postgres?${query}`
    for (const query of ['', 'channel_binding=prefer', 'channel_binding=require']) {
      await using _ = await open(url('bound', `sslmode=require&${query}`))
    }
    const stranger = await between(t, server.port, made.server['self-signed'])
    for (const query of ['', '&channel_binding=require']) {
      await refused('HF-S102', url('bound', `sslmode=require${query}`, stranger))
    }
    await using _unbound = await open(
      url('bound', 'sslmode=require&channel_binding=disable', stranger),
    )
    await using _old = await open(url('old', 'sslmode=prefer'))
    await using _plain = await open(url('bound', 'sslmode=disable'))
    for (const [role, query] of [
      ['old', 'sslmode=require'],
      ['bound', 'sslmode=disable'],
      ['postgres', 'sslmode=require'],
    ] as const) {
      const fault = await refused('HF-S103', url(role, `${query}&channel_binding=require`))
      assert.match(fault.message, /channel binding/)
    }
    await refused('HF-C004', url('bound', 'channel_binding=yes'))
  })
}
