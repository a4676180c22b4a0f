import { createHash } from 'node:crypto'
import type { Session } from './connect.ts'

/**
 * What a server is called wherever it is reached by: MySQL's server_uuid, which a copy of the data
 * folder gets anew; for MariaDB, which has none, a digest of host, port, data folder and number.
 */
export async function serverKey(session: Session): Promise<string> {
  if (session.version.flavour === 'mysql') {
    const [row] = await session.query('SELECT @@server_uuid AS k')
    return row?.['k'] ?? ''
  }
  const [row] = await session.query(
    'SELECT @@hostname AS h, @@port AS p, @@datadir AS d, @@server_id AS i',
  )
  const facts = ['h', 'p', 'd', 'i'].map((name) => row?.[name] ?? '')
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 32)
}

/**
 * Equal at both ends exactly when they are one server: a mirror's tables have the same names at both
 * ends, so that another database of the same server is no other place.
 */
export async function describePlace(session: Session): Promise<string> {
  return `${session.version.flavour} ${await serverKey(session)}`
}
