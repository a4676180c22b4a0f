import { parseUrl } from '../../src/config/url.ts'
import { ident } from '../../src/dialect/mysql/quote.ts'
import { openMysqlTarget } from '../../src/target/mysql/index.ts'
import { type MysqlDatabase, mysqlDatabase } from '../../testkit/servers/index.ts'
import type { TargetFixture } from './bench.ts'
import { mirrorOf, postgresStand } from './postgres.ts'
import { describeTarget } from './target.ts'
import type { Contents } from './writes.ts'

/** Rows by table name, as `contentsOf` of the memory database tells them. */
async function contentsIn(db: MysqlDatabase): Promise<Contents> {
  const tables = await db.query(
    `select table_name as name from information_schema.tables
     where table_schema = database() and table_name not like '\\_holdfast\\_%' order by 1`,
  )
  const all = new Map<string, readonly string[]>()
  for (const { name } of tables) {
    const rows = await db.query(`select * from ${ident(name ?? '')}`)
    all.set(name ?? '', rows.map((row) => JSON.stringify(Object.values(row))).sort())
  }
  return all
}

for (const kind of ['mariadb-10.11', 'mysql-9'] as const) {
  const fixture: TargetFixture = async (t) => {
    const from = await postgresStand(t, 18)
    const db = await mysqlDatabase(t, kind)
    const mirror = mirrorOf(from.db)
    return {
      from,
      encoding: { stream: 'values', copy: 'values' },
      open: async (source) => {
        const target = await openMysqlTarget({
          endpoint: parseUrl(db.url, 'the test'),
          mirror,
          position: source.position.bind(source),
        })
        t.after(() => target[Symbol.asyncDispose]())
        return target
      },
      contents: () => contentsIn(db),
      abandon: async () => {
        const connections = await db.query(
          `select id from information_schema.processlist
           where db = database() and id <> connection_id()`,
        )
        for (const { id } of connections)
          await db.query(`kill ${Number(id)}`).catch(() => undefined)
        await db.query(`update _holdfast_leases set renewed_at = renewed_at - interval 1 hour`)
      },
    }
  }
  describeTarget(kind, fixture)
}
