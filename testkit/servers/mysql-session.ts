import { type Connection, createConnection } from 'mysql2/promise'
import type { TextRow } from './session.ts'

/** One connection to a server of the MySQL family. */
export interface MysqlSession extends AsyncDisposable {
  readonly client: Connection
  /** The rows with every value as the server's text; none for a statement that gives no rows. */
  query(sql: string, params?: readonly unknown[]): Promise<TextRow[]>
  close(): Promise<void>
}

/** Connects with the clock of UTC; the caller closes. */
export async function openMysql(url: string): Promise<MysqlSession> {
  const { hostname, port, username, password, pathname } = new URL(url)
  const client = await createConnection({
    host: hostname,
    port: Number(port || 3306),
    user: decodeURIComponent(username || 'root'),
    password: decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1)),
    charset: 'utf8mb4',
    multipleStatements: true,
    typeCast: (field: { string(encoding: string): string | null }) => field.string('utf8'),
  })
  // A server that is stopped under an idle session is a part of tests, not a failure of them.
  client.on('error', () => {})
  const close = async (): Promise<void> => {
    await client.end().catch(() => {})
  }
  await client.query(`set time_zone = '+00:00'`)
  return {
    client,
    close,
    async query(sql, params) {
      const [rows] = await client.query(sql, params === undefined ? undefined : [...params])
      const list: readonly unknown[] = Array.isArray(rows) ? rows : []
      const last = list.at(-1)
      return (Array.isArray(last) ? last : list) as TextRow[]
    },
    [Symbol.asyncDispose]: close,
  }
}
