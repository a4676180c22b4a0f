import { readFile } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'
import type { Endpoint } from '../../model/endpoint.ts'
import { Fault } from '../../model/fault.ts'

/**
 * What the connections to brokers are encrypted with; null for a listener without TLS. A listener
 * of Kafka has TLS or has none, so that `prefer`, which nobody chose, is none. Throws Fault HF-S103.
 */
export async function tlsOf({ tls }: Endpoint): Promise<ConnectionOptions | null> {
  const { mode, ca, cert, key } = tls
  if (mode === 'disable' || mode === 'prefer') return null
  const files: ConnectionOptions = {
    ...(ca === null ? {} : { ca: await pem(ca) }),
    ...(cert === null ? {} : { cert: await pem(cert) }),
    ...(key === null ? {} : { key: await pem(key) }),
  }
  if (mode === 'verify-full') return { ...files, rejectUnauthorized: true }
  if (mode === 'require' && ca === null) return { ...files, rejectUnauthorized: false }
  if (ca === null) {
    const what = `the TLS mode ${mode} needs the file with the certificate of the brokers' authority`
    throw new Fault('HF-S103', { what, side: 'source' })
  }
  return { ...files, rejectUnauthorized: true, checkServerIdentity: () => undefined }
}

async function pem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw new Fault('HF-S103', { what: `${path} cannot be read (${code})`, side: 'source', cause })
  }
}
