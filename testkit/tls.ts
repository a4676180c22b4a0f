import { appendFile, chmod, copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Major, type PostgresServer, postgres } from './servers/index.ts'
import { giveToServer, run } from './servers/machine.ts'

/** What the certificate of a server is worth to a client that connects to 127.0.0.1. */
export type CertificateKind = 'right' | 'wrong-host' | 'self-signed'

/** Paths of PEM files. */
export interface Certificate {
  readonly certificate: string
  readonly key: string
}

/** An authority and what it signed, in a folder that goes away on disposal. */
export interface Certificates extends AsyncDisposable {
  /** The certificate of the authority, for sslrootcert. */
  readonly authority: string
  /** The certificate of another authority that signed nothing here. */
  readonly stranger: string
  readonly server: Readonly<Record<CertificateKind, Certificate>>
}

const keys = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const

async function selfSigned(
  folder: string,
  name: string,
  extensions: readonly string[],
): Promise<Certificate> {
  const made = { certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) }
  await run('openssl', [
    ...['req', '-x509', ...keys, '-days', '2', '-subj', `/CN=${name}`],
    ...extensions.flatMap((extension) => ['-addext', extension]),
    ...['-keyout', made.key, '-out', made.certificate],
  ])
  return made
}

async function signed(
  folder: string,
  authority: Certificate,
  as: { readonly name: string; readonly host: string },
): Promise<Certificate> {
  const made = { certificate: join(folder, `${as.name}.crt`), key: join(folder, `${as.name}.key`) }
  const request = join(folder, `${as.name}.csr`)
  const extensions = join(folder, `${as.name}.ext`)
  await writeFile(extensions, `subjectAltName=${as.host}\n`)
  await run('openssl', [
    ...['req', ...keys, '-subj', `/CN=${as.name}`, '-keyout', made.key, '-out', request],
  ])
  await run('openssl', [
    ...['x509', '-req', '-in', request, '-days', '2', '-extfile', extensions],
    ...['-CA', authority.certificate, '-CAkey', authority.key, '-CAcreateserial'],
    ...['-out', made.certificate],
  ])
  return made
}

/** Makes the certificates with the openssl command; nothing leaves the machine. */
export async function certificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-tls-'))
  const alone = ['basicConstraints=critical,CA:FALSE', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  const [authority, stranger, own] = await Promise.all([
    selfSigned(folder, 'authority', ['basicConstraints=critical,CA:TRUE']),
    selfSigned(folder, 'stranger', ['basicConstraints=critical,CA:TRUE']),
    selfSigned(folder, 'self-signed', alone),
  ])
  const right = await signed(folder, authority, {
    name: 'right',
    host: 'IP:127.0.0.1,DNS:localhost',
  })
  const wrong = await signed(folder, authority, { name: 'wrong-host', host: 'DNS:db.example.com' })
  return {
    authority: authority.certificate,
    stranger: stranger.certificate,
    server: { right, 'wrong-host': wrong, 'self-signed': own },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

/** A server that takes connections with TLS only, and can change its certificate. */
export interface TlsServer extends PostgresServer {
  /** Shows another certificate to whoever connects from now on. */
  present(certificate: Certificate): Promise<void>
}

async function place(server: PostgresServer, from: Certificate): Promise<void> {
  for (const [path, name] of [
    [from.certificate, 'server.crt'],
    [from.key, 'server.key'],
  ] as const) {
    const at = join(server.dataDirectory, name)
    await copyFile(path, at)
    await chmod(at, 0o600)
    giveToServer(at)
  }
}

/** Starts a server that shows this certificate. */
export async function tlsServer(major: Major, certificate: Certificate): Promise<TlsServer> {
  const hba = ['hostssl all all 127.0.0.1/32 trust', 'hostssl replication all 127.0.0.1/32 trust']
  const server = await postgres(major, { hba })
  const present = async (next: Certificate): Promise<void> => {
    await place(server, next)
    await server.restart('fast')
  }
  await server.stop('fast')
  await place(server, certificate)
  await appendFile(join(server.dataDirectory, 'postgresql.conf'), 'ssl = on\n')
  await server.start()
  return Object.assign(server, { present })
}
