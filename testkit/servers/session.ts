import pg from 'pg'

/** A row by column name; every value as PostgreSQL writes it, null as null. */
export type TextRow = Readonly<Record<string, string | null>>

/** One connection. */
export interface TestSession extends AsyncDisposable {
  readonly client: pg.Client
  query(sql: string, params?: readonly unknown[]): Promise<TextRow[]>
  close(): Promise<void>
}

const asText = { getTypeParser: () => (value: string) => value }

/** Connects; the caller closes. Values come as text, whatever their type. */
export async function openSession(url: string): Promise<TestSession> {
  const client = new pg.Client({ connectionString: url, types: asText })
  // A server that is stopped under an idle session is a part of tests, not a failure of them.
  client.on('error', () => {})
  await client.connect()
  const close = async (): Promise<void> => {
    await client.end().catch(() => {})
  }
  return {
    client,
    close,
    async query(sql, params) {
      const result: pg.QueryResult<TextRow> | pg.QueryResult<TextRow>[] =
        params === undefined ? await client.query(sql) : await client.query(sql, [...params])
      return (Array.isArray(result) ? result.at(-1)?.rows : result.rows) ?? []
    },
    [Symbol.asyncDispose]: close,
  }
}
