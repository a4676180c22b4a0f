import { readFile } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'
import type { Endpoint } from '../../model/endpoint.ts'

/** One way to try: without TLS, or with these options of `tls.connect`. */
export type Attempt = false | ConnectionOptions

/** A file that the endpoint names cannot be read, or a mode lacks what it needs. */
export class TlsConfigError extends Error {
  override readonly name = 'TlsConfigError'
}

/** The server does not prove itself by channel binding, and the endpoint requires it. */
export class BindingError extends TlsConfigError {}

/** `sslrootcert=system`: the public certification authorities. */
const SYSTEM = 'system'

/**
 * What to try, in order, with libpq's meaning of the modes
 * (https://www.postgresql.org/docs/current/libpq-ssl.html): `prefer` goes on without TLS where
 * TLS fails, `require` encrypts and checks nothing unless a CA is given, `verify-ca` checks the
 * chain, `verify-full` the host's name, too. Throws TlsConfigError.
 */
export async function attempts(tls: Endpoint['tls'], host: string): Promise<readonly Attempt[]> {
  const local = host.startsWith('/')
  if (tls.mode === 'disable' || local) return [false]
  const files = await material(tls)
  if (tls.mode === 'prefer') return [{ ...files, rejectUnauthorized: false }, false]
  if (tls.mode === 'require' && tls.ca === null) return [{ ...files, rejectUnauthorized: false }]
  if (tls.mode === 'verify-full') return [{ ...files, rejectUnauthorized: true }]
  if (tls.ca === null || tls.ca === SYSTEM) {
    throw new TlsConfigError(
      `sslmode=${tls.mode} needs sslrootcert, the file with the certificate of the server's authority`,
    )
  }
  return [{ ...files, rejectUnauthorized: true, checkServerIdentity: () => undefined }]
}

async function material(tls: Endpoint['tls']): Promise<ConnectionOptions> {
  const options: ConnectionOptions = {}
  if (tls.ca !== null && tls.ca !== SYSTEM) options.ca = await pem(tls.ca, 'sslrootcert')
  if (tls.cert !== null) options.cert = await pem(tls.cert, 'sslcert')
  if (tls.key !== null) options.key = await pem(tls.key, 'sslkey')
  return options
}

async function pem(path: string, parameter: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw new TlsConfigError(`${parameter} ${path} cannot be read (${code})`, { cause })
  }
}
