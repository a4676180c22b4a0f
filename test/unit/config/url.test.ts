import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { parseUrl } from '../../../src/config/url.ts'
import { Fault } from '../../../src/model/fault.ts'

function refused(url: string): Fault {
  try {
    parseUrl(url, '--source')
  } catch (error) {
    assert.ok(error instanceof Fault)
    return error
  }
  throw new Error(`${url} was accepted`)
}

test('a URL with everything in it', () => {
  const url =
    'postgresql://app:p%40ss@db.example:6543/my%20shop?sslmode=verify-full&sslrootcert=/ca.pem&sslcert=c&sslkey=k'
  const endpoint = parseUrl(url, '--source')
  assert.equal(endpoint.scheme, 'postgres')
  assert.equal(endpoint.host, 'db.example')
  assert.equal(endpoint.port, 6543)
  assert.equal(endpoint.database, 'my shop')
  assert.equal(endpoint.user, 'app')
  assert.equal(endpoint.password?.reveal(), 'p@ss')
  assert.deepEqual(endpoint.tls, { mode: 'verify-full', ca: '/ca.pem', cert: 'c', key: 'k' })
  assert.deepEqual(endpoint.params, {})
})

test('what a URL does not say is left open', () => {
  const endpoint = parseUrl('postgres://localhost', '--source')
  const { host, port, database, user, password, tls } = endpoint
  assert.deepEqual([host, port, database, user, password], ['localhost', null, null, null, null])
  assert.equal(tls.mode, 'prefer')
})

test('sockets, IPv6 and a password with @', () => {
  assert.equal(parseUrl('postgres:///db?host=/run/pg&port=5433', 'x').host, '/run/pg')
  assert.equal(parseUrl('postgres:///db?host=/run/pg&port=5433', 'x').port, 5433)
  assert.equal(parseUrl('postgres://%2Frun%2Fpg/db', 'x').host, '/run/pg')
  assert.equal(parseUrl('postgres://u@[::1]:5432/db', 'x').host, '::1')
  assert.equal(parseUrl('postgres://u:a@b@h/db', 'x').password?.reveal(), 'a@b')
})

test('parameters of other programs are passed over, unknown ones are refused by name', () => {
  assert.deepEqual(parseUrl('postgres://h/d?pgbouncer=true&connection_limit=1', 'x').params, {})
  assert.deepEqual(parseUrl('postgres://h/d?channel_binding=require', 'x').params, {
    channel_binding: 'require',
  })
  const fault = refused('postgres://h/d?sslmod=require')
  assert.equal(fault.code, 'HF-C103')
  assert.match(fault.message, /sslmod/)
  assert.match(fault.todo[0]?.text ?? '', /sslmode/)
})

test('a TLS mode that is none is refused with the one that was meant', () => {
  const fault = refused('postgres://h/d?sslmode=verify_full')
  assert.equal(fault.code, 'HF-C004')
  assert.match(fault.todo[0]?.text ?? '', /verify-full/)
})

const malformed = [
  'not a url',
  'postgres:/h/d',
  'postgres://u:p/w@h/d',
  'postgres://u:p#w@h/d',
  'postgres://h:99999/d',
  'postgres://h:port/d',
  'postgres://u:50%@h/d',
  'postgres://a,b/d',
  'postgres://h/d/e',
  'postgres://::1/d',
]

for (const url of malformed) {
  test(`refused: ${url}`, () => {
    const fault = refused(url)
    assert.equal(fault.code, 'HF-C102')
    assert.match(fault.message, /--source/)
  })
}

test('no error of a URL holds its password', () => {
  for (const tail of ['@h:x/d', '@h/d?nope=1', '@h/d?sslmode=x', '/x@h/d', '@a,b/d', '%@h/d']) {
    const fault = refused(`postgres://u:hunter2${tail}`)
    assert.ok(
      !inspect(fault, { depth: 9 })
        .replaceAll(import.meta.filename, '')
        .includes('hunter2'),
    )
  }
})

test('a password with any characters survives percent-encoding', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (password) => {
      const url = `postgres://u:${encodeURIComponent(password)}@h/d`
      assert.equal(parseUrl(url, 'x').password?.reveal(), password)
    }),
  )
})

test('hosts of a replica set and what its drivers are told', () => {
  const url = 'mongodb://u:p@a:27017,b:27018/shop?replicaSet=rs0&authSource=admin&w=1&tls=true'
  const { host, port, database, params } = parseUrl(url, 'x')
  assert.deepEqual([host, port, database], ['a:27017,b:27018', null, 'shop'])
  assert.deepEqual(params, { replicaSet: 'rs0', authSource: 'admin', tls: 'true' })
  assert.throws(() => parseUrl('postgres://h/d?tls=true', 'x'), /"tls" has no meaning here/)
  assert.throws(() => parseUrl('postgres://a,b/d', 'x'), /several hosts/)
})

test('a URL whose hosts are in the DNS is refused with what to write instead', () => {
  assert.throws(
    () => parseUrl('mongodb+srv://u:p@cluster.example/shop', 'the target'),
    (error: { code?: string; message: string }) =>
      error.code === 'HF-C101' &&
      /looked up in the DNS/.test(error.message) &&
      !error.message.includes('u:p'),
  )
})
