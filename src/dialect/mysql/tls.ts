import { readFile } from 'node:fs/promises'
import type { SslOptions } from 'mysql2'
import type { Endpoint } from '../../model/endpoint.ts'

/** One way to try: without TLS, or with these options. */
export type Attempt = false | SslOptions

/** A file that the endpoint names cannot be read, or a mode lacks what it needs. */
export class TlsConfigError extends Error {
  override readonly name = 'TlsConfigError'
}

const SYSTEM = 'system'

/**
 * What to try, in order; the modes mean what they mean everywhere else here: `prefer` goes on
 * without TLS where TLS fails, `require` encrypts and checks nothing unless a CA is given,
 * `verify-ca` checks the chain, `verify-full` the host's name, too. Throws TlsConfigError.
 */
export async function attempts(tls: Endpoint['tls']): Promise<readonly Attempt[]> {
  if (tls.mode === 'disable') return [false]
  const files = await material(tls)
  const unchecked = { ...files, rejectUnauthorized: false }
  if (tls.mode === 'prefer') return [unchecked, false]
  if (tls.mode === 'require' && tls.ca === null) return [unchecked]
  const checked = { ...files, rejectUnauthorized: true }
  if (tls.mode === 'verify-full') return [{ ...checked, verifyIdentity: true }]
  if (tls.ca === null || tls.ca === SYSTEM) {
    throw new TlsConfigError(
      `the TLS mode ${tls.mode} needs the file with the certificate of the server's authority`,
    )
  }
  return [checked]
}

async function material(tls: Endpoint['tls']): Promise<SslOptions> {
  return {
    ...(tls.ca === null || tls.ca === SYSTEM ? {} : { ca: await pem(tls.ca) }),
    ...(tls.cert === null ? {} : { cert: await pem(tls.cert) }),
    ...(tls.key === null ? {} : { key: await pem(tls.key) }),
  }
}

async function pem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw new TlsConfigError(`${path} cannot be read (${code})`, { cause })
  }
}
