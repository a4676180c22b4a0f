import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import pg from 'pg'
import { certificates, tlsServer } from '../../../testkit/tls.ts'

async function ask(url: string, ssl: pg.ClientConfig['ssl']): Promise<string> {
  const client = new pg.Client({ connectionString: url, ssl })
  try {
    await client.connect()
    const { rows } = await client.query(
      'select ssl::text from pg_stat_ssl where pid = pg_backend_pid()',
    )
    return rows[0].ssl
  } finally {
    await client.end().catch(() => {})
  }
}

test('a server shows the certificate that it was given', async () => {
  await using made = await certificates()
  const ca = await readFile(made.authority, 'utf8')
  const stranger = await readFile(made.stranger, 'utf8')
  await using server = await tlsServer(18, made.server.right)
  assert.equal(await ask(server.url(), { ca }), 'true')
  await assert.rejects(ask(server.url(), { ca: stranger }), /unable to verify|self-signed|issuer/)
  await assert.rejects(ask(server.url(), false), /no encryption/)
  await server.present(made.server['wrong-host'])
  await assert.rejects(ask(server.url(), { ca }), /altnames/)
  assert.equal(await ask(server.url(), { ca, checkServerIdentity: () => undefined }), 'true')
  await server.present(made.server['self-signed'])
  await assert.rejects(ask(server.url(), { ca }), /self-signed certificate/)
  assert.equal(await ask(server.url(), { rejectUnauthorized: false }), 'true')
})
